#!/usr/bin/env python3
"""Measures relink beside cp, ld.lld and mold; both sides in one run.

    python3 test/bench/bench.py [RELINK] [--runs N] [--small] [--cases DIR]

Prints one table of medians and their ratios. The commands of a row take turns,
so that what else the machine does falls on all of them. --small leaves out the
rows that need the static archives of LLVM (they take a minute and 2 GB).
"""
import argparse
import glob
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOOLS = "/usr/lib/llvm-22/bin"
BIG_LIBRARY = "/usr/lib/x86_64-linux-gnu/libLLVM.so.22.1"
APP = """#include <stdio.h>
volatile int zero;
int helper(int x) { return x * 2 + zero; }
int work(int x) { printf("%d\\n", x + zero); return helper(x) + 1; }
int main(int c, char **v) { return work(c) - 3; }
"""
FIX = """#include <stdio.h>
int helper(int);
int work(int x) { if (x < 0) return 0; printf("%d\\n", x); return helper(x) + 1; }
"""
LEAF = "int LLVMIsMultithreaded(void) { return 42; }\n"


def run(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, **more)


def medians(runs, commands, clean=()):
    """Medians in milliseconds of commands that take turns."""
    times = [[] for _ in commands]
    for i in range(runs + 1):
        for n, command in enumerate(commands):
            for path in clean:
                if os.path.exists(path):
                    os.unlink(path)
            start = time.perf_counter()
            run(command)
            if i:  # the first round warms the caches
                times[n].append((time.perf_counter() - start) * 1000)
    return [statistics.median(t) for t in times]


def row(what, value, unit, against, other, aim):
    ratio = value / other if other else float("nan")
    print(f"| {what} | {value:,.1f} {unit} | {against} {other:,.1f} {unit} | "
          f"{ratio:.2f} | {aim} |", flush=True)


def link_command(compiler, linker, arguments):
    """What the driver would run, without the driver."""
    text = subprocess.run([compiler, "-###", *arguments], capture_output=True,
                          text=True).stderr
    line = [l for l in text.splitlines() if "collect2" in l][-1]
    words = [w.strip('"') for w in re.findall(r'"[^"]*"|\S+', line)][1:]
    out, skip = [], False
    for w in words:
        if skip or w.startswith("-plugin-opt") or w.startswith("-fuse-ld"):
            skip = False
        elif w == "-plugin":
            skip = True
        else:
            out.append(w)
    return [linker] + out


def peak_memory(command):
    """Peak resident kilobytes of a command, file mappings included."""
    text = subprocess.run(["/usr/bin/env", "python3", "-c",
                           "import resource, subprocess, sys;"
                           "subprocess.run(sys.argv[1:], check=True);"
                           "print(resource.getrusage("
                           "resource.RUSAGE_CHILDREN).ru_maxrss)", *command],
                          capture_output=True, text=True, check=True).stdout
    return int(text.split()[-1])


def small(relink, runs):
    open("app.c", "w").write(APP)
    open("fix.c", "w").write(FIX)
    run("gcc -O2 -fno-inline -c app.c && gcc app.o -o app && gcc -O2 -c fix.c",
        shell=True)
    lld = link_command("gcc", f"{TOOLS}/ld.lld", ["app.o", "-o", "app.lld"])
    mold = link_command("gcc", "mold", ["app.o", "-o", "app.mold"])
    patch = [relink, "app", "fix.o", "-q", "-o", "app.fixed"]
    a, b, c = medians(runs, [patch, lld, mold])
    row("one function, small program: time", a, "ms", "ld.lld", b, "<= 1.0")
    row("the same", a, "ms", "mold", c, "")
    sections = subprocess.run([f"{TOOLS}/llvm-size", "-A", "fix.o"],
                              capture_output=True, text=True).stdout
    own = sum(int(l.split()[1]) for l in sections.splitlines()
              if l.startswith((".text", ".rodata", ".data", ".bss", ".eh_frame")))
    grown = os.path.getsize("app.fixed") - os.path.getsize("app")
    row("bytes appended", grown, "B", "patch's own sections + 8192:", own + 8192,
        "< 1")
    a, b = medians(20 * runs, [["./app.fixed"], ["./app"]])
    row("start-up of the patched program", a, "ms", "original", b, "1.0")
    portable(relink, "app", "app.fixed")


def reserved(relink, runs):
    """The same patch where ld.relink has left room, and with new segments."""
    linker = os.path.join(os.path.dirname(relink), "ld.relink")
    run([*link_command("gcc", linker, ["app.o", "-o", "app.room"])])
    patch = [relink, "app.room", "fix.o", "-q", "--no-in-place", "-o"]
    a, b, c = medians(runs, [patch + ["room.fixed"],
                             patch + ["room.grown", "--no-reserve"],
                             ["cp", "app.room", "room.copy"]])
    row("one function, program with a reserve: time", a, "ms", "--no-reserve", b,
        "<= 1.0")
    row("the same", a, "ms", "cp", c, "")
    size = os.path.getsize("app.room")
    row("bytes appended", os.path.getsize("room.fixed") - size, "B",
        "--no-reserve", os.path.getsize("room.grown") - size, "0")


def portable(relink, app, fixed):
    """Sizes of what makes the one file of the other."""
    if not shutil.which("bsdiff"):
        return
    run([relink, "--export", app, fixed, "-o", "fix.rlp"])
    run(["bsdiff", app, fixed, "fix.bsdiff"])
    row(f"portable patch of {app}", os.path.getsize("fix.rlp"), "B", "bsdiff",
        os.path.getsize("fix.bsdiff"), "")


def library(relink, runs):
    if not os.path.exists(BIG_LIBRARY):
        return
    shutil.copy(BIG_LIBRARY, "big.so")
    open("leaf.c", "w").write(LEAF)
    run("gcc -O2 -fPIC -c leaf.c", shell=True)
    outs = ["big.fixed", "big.copy"]
    patch = [relink, "big.so", "leaf.o", "-q", "-o", "big.fixed"]
    a, b = medians(runs, [patch, ["cp", "big.so", "big.copy"]], outs)
    row("one function, libLLVM.so (150 MB), in place", a, "ms", "cp", b, "<= 1.3")
    a, b = medians(runs, [patch + ["--no-in-place"], ["cp", "big.so", "big.copy"]],
                   outs)
    row("the same, redirected", a, "ms", "cp", b, "<= 1.3")
    print(f"| peak memory, mapped files included | {peak_memory(patch)/1024:.0f} MB"
          " | | | |")


def comparison(relink, runs, cases):
    """A whole unit of 12 MB, compared with the program it is in."""
    if not cases or not shutil.which("tclsh"):
        return
    build = os.path.join(HERE, "..", "cases", "Inputs", "sqlite.sh")
    subprocess.run(["bash", build, cases, "sqlite"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "DEBUG": "-g"})
    app, unit = "sqlite/app", "sqlite/o2.o"
    nm = f"{TOOLS}/llvm-nm"
    whole, copy, ours, theirs = medians(
        3 * runs, [[relink, app, unit, "-q", "-o", "same"],
                   ["cp", app, "same.copy"], [nm, app], [nm, unit]],
        ["same", "same.copy"])
    row("whole sqlite3.o against its program, beyond cp", whole - copy, "ms",
        "llvm-nm of both", ours + theirs, "<= 1.0")


def program(relink, runs):
    archives = sorted(glob.glob("/usr/lib/llvm-22/lib/libLLVM*.a"))
    if not archives:
        return
    open("main.c", "w").write("int LLVMIsMultithreaded(void);\n"
                              "int main(void) { return LLVMIsMultithreaded(); }\n")
    run("gcc -O2 -c main.c", shell=True)
    inputs = ["main.o", "-Wl,--whole-archive", *archives,
              "-Wl,--no-whole-archive", "-lstdc++", "-lm",
              "-Wl,--unresolved-symbols=ignore-all"]
    links = [link_command("gcc", f"{TOOLS}/ld.lld", inputs + ["-o", "large"]),
             link_command("gcc", "mold", inputs + ["-o", "large.mold"])]
    run(links[0])
    patch = [relink, "large", "leaf.o", "-q", "-o", "large.fixed"]
    # As for the others, each finds no output of its own: to free the blocks of
    # an old one takes longer than everything else. cp is in the round because
    # what writing 180 MB takes depends on what ran before it.
    outs = ["large.fixed", "large.lld", "large.mold", "large.copy"]
    links[0][links[0].index("large")] = "large.lld"
    a, b, c, d = medians(max(runs // 2, 5), [patch + ["--no-in-place"], *links,
                                             ["cp", "large", "large.copy"]], outs)
    size = os.path.getsize("large") / 1e6
    row(f"one function, program of {size:.0f} MB with .symtab", a, "ms",
        "ld.lld", b, "<= 0.1")
    row("the same", a, "ms", "mold", c, "<= 0.1")
    row("the same", a, "ms", "cp in the same round", d, "<= 1.3")
    a, b = medians(runs, [patch + ["--no-in-place"], ["cp", "large", "large.copy"]],
                   ["large.fixed", "large.copy"])
    row("the same, taking turns with cp only", a, "ms", "cp", b, "<= 1.3")
    linker = os.path.join(os.path.dirname(relink), "ld.relink")
    run(link_command("gcc", linker, inputs + ["-o", "large"]))
    a, b = medians(runs, [patch + ["--no-in-place"], ["cp", "large", "large.copy"]],
                   ["large.fixed", "large.copy"])
    row("the same program with a reserve: time", a, "ms", "cp", b, "<= 1.3")
    row("bytes appended", os.path.getsize("large.fixed") - os.path.getsize("large"),
        "B", "cp", 1, "0")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("relink", nargs="?", default="build/bin/relink")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--cases", help="the folder with common.sh; adds a row "
                        "that builds sqlite3 from Debian's source")
    arguments = parser.parse_args()
    relink = os.path.realpath(arguments.relink)
    cases = arguments.cases and os.path.realpath(arguments.cases)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        print("| what | relink | beside | ratio | aim |\n|---|---|---|---|---|")
        small(relink, arguments.runs)
        reserved(relink, arguments.runs)
        library(relink, arguments.runs)
        comparison(relink, arguments.runs, cases)
        if not arguments.small:
            program(relink, arguments.runs)
        os.chdir("/")


if __name__ == "__main__":
    main()
