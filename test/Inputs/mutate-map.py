"""Changes bytes inside of the packed blocks of a program's .patch.map.

    mutate-map.py APP OUT SEED COUNT COMMAND...

Makes COUNT changed programs, one after the other, under the name OUT, and runs
COMMAND on each: it has to end with status 0 or 1, within bounds.
"""
import os
import random
import subprocess
import sys

from patchmap import Program


def main():
    app, out, seed, count, *command = sys.argv[1:]
    r = random.Random(int(seed))
    program = Program(app)
    program.write(out, program.blocks)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    statuses = set()
    for _ in range(int(count)):
        blocks = [[k, bytearray(b), n] for k, b, n in program.blocks]
        for _ in range(r.randint(1, 3)):
            # The details of objects and inlined copies are where most is.
            kind, data, _ = r.choice([b for b in blocks if b[1] and (b[0] in (6, 7) or r.random() < .4)] or blocks)
            for _ in range(r.randint(1, 4)):
                at = r.randrange(len(data))
                data[at] = r.choice([0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1, r.randrange(256)])
            if r.random() < .1:
                del data[r.randrange(len(data)):]
        program.write(out, blocks)
        bounded = os.path.join(os.path.dirname(__file__), "bounded.py")
        done = subprocess.run([sys.executable, bounded, "0,1", *command],
                              capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stdout + done.stderr
        statuses.add("error: " in done.stdout + done.stderr)
    assert statuses == {True, False}, statuses


main()
