#!/usr/bin/env python3
"""Delinks a program at each level of knowledge, and counts what gives the same output.

  levels.py NAME LINK RUN [--head] [--lld DIR] [--seeds 1,2]

LINK is the command that links the program from its objects, with {k} for the flags of
a level and {o} for the output; RUN runs {p}, in {d}, a directory of its own. Each is
delinked with each seed, linked by three linkers, and run. Prints a row of a table, with
--head after its head. The exit status says whether all were the same.
"""
import argparse
import os
import shutil
import sys
import tempfile

from programs import outputs, run

LEVELS = {
    "fixed address, relocations kept": "-no-pie -Wl,--emit-relocs",
    "relocations kept": "-Wl,--emit-relocs",
    "symbols": "",
    "stripped": "-s",
}
LINKERS = ["bfd", "lld", "mold"]


def count(app, expected, args, work):
    """How many of the relinked programs do the same, of how many; and why not."""
    same = tried = 0
    for seed in args.seeds.split(","):
        d = os.path.join(work, "d" + seed)
        status, _, err = run(f"delink {app} -o {d} --shuffle={seed} -q")
        if status:
            return 0, 0, "refused: " + err.decode().split("\n")[0]
        for linker in LINKERS:
            tried += 1
            os.makedirs(f"{d}/{linker}")
            out = f"{d}/{linker}/{os.path.basename(app)}"
            status, _, _ = run(f"cc @link.rsp -B{args.lld} -fuse-ld={linker} -o {out}", d)
            same += status == 0 and outputs(out, [args.run]) == expected
        shutil.rmtree(d)
    return same, tried, ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("link")
    parser.add_argument("run")
    parser.add_argument("--lld", default="/usr/lib/llvm-22/bin")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--head", action="store_true")
    args = parser.parse_args()
    if args.head:
        print("| program |" + "".join(f" {level} |" for level in LEVELS))
        print("|---|" + "---|" * len(LEVELS))
    row, failed = [], False
    for level, flags in LEVELS.items():
        if "-shared" in args.link and "-no-pie" in flags:
            row.append("-")
            continue
        with tempfile.TemporaryDirectory() as work:
            app = os.path.join(work, args.name)
            status, _, err = run(args.link.format(k=flags, o=app))
            if status:
                sys.exit(f"{args.name}: {level}: not linked: {err.decode()}")
            expected = outputs(app, [args.run])
            if any(status or not text for status, text in expected):
                sys.exit(f"{args.name}: {level}: the original does not do what it is run for")
            same, tried, why = count(app, expected, args, work)
            failed |= same < tried or not tried
            row.append(why or f"{same} of {tried}")
    print(f"| {args.name} | " + " | ".join(row) + " |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
