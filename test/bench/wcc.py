#!/usr/bin/env python3
"""Tries wcc and delink on the same programs: is there an object, does it link, and does
the result do what the original does?

    apt-get install wcc
    python3 test/bench/wcc.py [DELINK] [NAME...]

The programs are those of test/delink/Inputs/programs.py (stripped, of Debian) and that
of test/delink/score.test, built here with symbols in four ways. wcc's object is
linked in each of the ways its makers and users name (WAYS) by three linkers, with
the libraries of the original; the furthest that any of these came is what counts.
delink's are linked by the command that delink writes, by the same three linkers,
of which the least far counts.
Prints a table, and the times of both, which take turns.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DELINK_TESTS = os.path.join(os.path.dirname(HERE), "delink")
sys.path[:0] = [HERE, os.path.join(DELINK_TESTS, "Inputs")]
from delink import measure
from programs import RUNS, outputs, run

LINKERS = ["bfd", "lld", "mold"]
LLVM = "/usr/lib/llvm-22/bin"
WAYS = ["-no-pie", "-pie", "-no-pie -nostartfiles -e main", "-pie -nostartfiles -e main"]
STAGES = ["no object", "an object", "links", "same output"]
BUILT = {
    "built-gcc-pie": "gcc -O2",
    "built-gcc-O0": "gcc -O0",
    "built-clang-pie": "clang-22 -O2",
    "built-kept": "gcc -O2 -fno-pie -no-pie -Wl,--emit-relocs",
}


def libraries(path):
    text = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True).stdout
    return " ".join("-l:" + name for name in re.findall(r"NEEDED.*\[(.*)\]", text))


def stage(program, expected, commands):
    """How far an output comes that a linker has written, or has not."""
    if not os.path.exists(program):
        return 1
    try:
        got = outputs(program, commands)
    except subprocess.TimeoutExpired:
        return 2
    return 3 if got == expected else 2


def try_wcc(path, name, d, expected, commands):
    run(f"timeout 60 wcc -c {path} -o {d}/wcc.o")
    if not os.path.exists(f"{d}/wcc.o"):
        return 0
    best = 1
    for linker in LINKERS:
        for i, way in enumerate(WAYS):
            out = f"{d}/{linker}{i}"
            os.makedirs(out)
            run(f"gcc {d}/wcc.o {way} -B{LLVM} -fuse-ld={linker} {libraries(path)} -o {out}/{name}")
            best = max(best, stage(f"{out}/{name}", expected, commands))
    return best


def try_delink(delink, path, name, d, expected, commands):
    status, _, _ = run(f"{delink} {path} -o {d}/delinked -q")
    if status:
        return 0
    worst = 3
    for linker in LINKERS:
        out = f"{d}/delinked/{linker}"
        os.makedirs(out)
        run(f"c++ @link.rsp -B{LLVM} -fuse-ld={linker} -o {out}/{name}", f"{d}/delinked")
        worst = min(worst, stage(f"{out}/{name}", expected, commands))
    return worst


def build(name, directory):
    """The program of score.test."""
    path = os.path.join(directory, name)
    run(f"{LLVM}/split-file {DELINK_TESTS}/score.test {directory}/score && "
        f"{BUILT[name]} -w {directory}/score/app.c -o {path}")
    return path if os.path.exists(path) else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("delink", nargs="?", default="build/bin/delink")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    delink = os.path.realpath(options.delink)
    if not shutil.which("wcc"):
        sys.exit("no wcc: it is a Debian package")
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "wcc"],
                             capture_output=True, text=True).stdout
    print(f"wcc {version}\n\n| program | wcc | delink | wcc, ms | delink, ms |\n|---|---|---|---|---|")
    reached = {"wcc": [], "delink": []}
    with tempfile.TemporaryDirectory() as work:
        for name in options.names or [*BUILT, *RUNS]:
            path = build(name, work) if name in BUILT else shutil.which(name)
            if not path:
                continue
            path = os.path.realpath(path)
            commands = RUNS.get(name, ["{p}"])
            expected = outputs(path, commands)
            d = os.path.join(work, "d." + name)
            os.makedirs(d)
            wcc = try_wcc(path, name, d, expected, commands)
            ours = try_delink(delink, path, name, d, expected, commands)
            reached["wcc"].append(wcc)
            reached["delink"].append(ours)
            times = {"wcc": [], "delink": []}
            for _ in range(3):
                times["wcc"].append(measure(["timeout", "60", "wcc", "-c", path, "-o", "t.o"], d)[0])
                times["delink"].append(measure([delink, path, "-o", "t.d", "-q"], d)[0])
                shutil.rmtree(f"{d}/t.d", ignore_errors=True)
            print(f"| {name} | {STAGES[wcc]} | {STAGES[ours]} | "
                  + " | ".join(f"{statistics.median(t) * 1e3:.0f}" for t in times.values())
                  + " |", flush=True)
            shutil.rmtree(d)
    for tool, stages in reached.items():
        print(f"{tool}: of {len(stages)}, " + ", ".join(
            f"{sum(s >= i for s in stages)} {STAGES[i]}" for i in range(1, 4)))


if __name__ == "__main__":
    main()
