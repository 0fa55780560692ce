#!/usr/bin/env python3
"""Measures delink beside `llvm-objdump -d` (and wcc, where it is installed).

    python3 test/bench/delink.py [DELINK] [FILE] [--runs N]

The commands take turns. Prints medians of wall and processor time, megabytes a
second, and the peak of memory over the file's size.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

OBJDUMP = "/usr/lib/llvm-22/bin/llvm-objdump"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libLLVM.so.22.1"


def measure(command, directory):
    """Wall seconds, processor seconds, peak bytes, exit status."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (time.perf_counter() - start, usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024, process.returncode)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("delink", nargs="?", default="build/bin/delink")
    parser.add_argument("file", nargs="?", default=LIBRARY)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    delink, path = os.path.realpath(options.delink), os.path.realpath(options.file)
    size = os.path.getsize(path)
    with tempfile.TemporaryDirectory() as directory:
        commands = {"delink": [delink, path, "-o", "out", "-q"],
                    "llvm-objdump -d": [OBJDUMP, "-d", path]}
        if shutil.which("wcc"):
            commands["wcc -c"] = ["wcc", "-c", path, "-o", "out.o"]
        results = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                results[name].append(measure(command, directory))
    print("| command | wall s | processor s | MB/s | memory / file size | status |")
    print("|---|---|---|---|---|---|")
    for name, runs in results.items():
        wall, processor, memory = (statistics.median(r[i] for r in runs)
                                   for i in range(3))
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {size / wall / 1e6:.1f} | "
              f"{memory / size:.2f} | {runs[-1][3]} |")
    ratio = statistics.median(r[0] for r in results["llvm-objdump -d"]) / \
        statistics.median(r[0] for r in results["delink"])
    print(f"llvm-objdump takes {ratio:.2f} times as long (aim: 10)")


if __name__ == "__main__":
    main()
