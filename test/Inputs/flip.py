"""flip.py FILE RELINK [COUNT]: every flipped byte must be found by --verify.

Flips COUNT bytes (all of them if the file is small), one at a time, spread over
the whole file, and fails if `relink --verify` accepts one.
"""
import os
import subprocess
import sys

path, relink = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
if os.environ.get("RELINK_SANITIZED"):  # several times slower
    count //= 4
data = open(path, "rb").read()
step = max(len(data) // count, 1)
missed, placed = [], 0
for at in range(0, len(data), step):
    changed = bytearray(data)
    changed[at] ^= 1 << (at % 8)
    open(path + ".flipped", "wb").write(changed)
    p = subprocess.run([relink, "--verify", path + ".flipped"],
                       capture_output=True, text=True)
    if p.returncode != 1:
        missed.append((hex(at), p.returncode, p.stdout + p.stderr))
    placed += ">>> between" in p.stdout
print(f"{len(range(0, len(data), step))} flips, {len(missed)} missed")
if missed:
    sys.exit(f"missed: {missed[:5]}")
if placed * 2 < count:
    sys.exit(f"only {placed} with a place")
