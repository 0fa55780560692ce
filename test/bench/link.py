#!/usr/bin/env python3
"""Measures ld.relink beside ld.lld; both sides in one run.

    python3 test/bench/link.py [LD.RELINK] [--runs N] [--small]
        [--lua SRC] [--sqlite SQLITE3.C] [--cc COMPILER]

Prints one table of medians and their ratios, as bench.py does. --small leaves
out the link of all of LLVM's archives. --lua (the directory with lua.c) and
--sqlite (the amalgamation) add rows on what a build that is ready for patches
costs: bytes that are loaded, and instructions counted by valgrind.
"""
import argparse
import glob
import os
import re
import shutil
import struct
import subprocess
import tempfile

from bench import TOOLS, link_command, medians, peak_memory, row, run

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
ENTRIES = ["-fpatchable-function-entry=8,6", "-ffunction-sections",
           "-fdata-sections"]
LUA_WORK = """local function fib(n) if n < 2 then return n end
  return fib(n - 1) + fib(n - 2) end
local t = {} for i = 1, 20000 do t[i] = tostring(i * 7919 % 10007) end
table.sort(t) print(fib(20), t[1], #table.concat(t))
"""
SQL_WORK = """create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
insert into t select i, hex(i * 7919 % 4001), i / 3.0 from n;
create index x on t(b);
select count(*), sum(c), max(b) from t where b between '3' and '7';
select a.b, count(*) from t a join t b on a.a = b.a + 1 group by substr(a.b, 1, 2) limit 3;
"""


def loaded(path):
    """Bytes of the file that are mapped."""
    data = open(path, "rb").read()
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size)
               for i in range(count)]
    return sum(h[5] for h in headers if h[0] == 1)


def map_size(path):
    """Bytes of the file that are its .patch.map."""
    out = subprocess.check_output([f"{TOOLS}/llvm-readelf", "-SW", path], text=True)
    found = re.search(r"\.patch\.map\s+PROGBITS\s+\w+ \w+ (\w+)", out)
    return int(found[1], 16)


def instructions(command, text):
    out = subprocess.run(["valgrind", "--tool=callgrind",
                          "--callgrind-out-file=/dev/null", *command],
                         input=text, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected\s*:\s*(\d+)", out.stderr)[1]), out.stdout


def hello(linker, runs):
    open("hello.c", "w").write(HELLO)
    run("gcc -O2 -c hello.c", shell=True)
    link = link_command("gcc", f"{TOOLS}/ld.lld", ["hello.o", "-o", "hello"])
    ours = [linker, *["hello.ours" if w == "hello" else w for w in link[1:]]]
    a, b = medians(5 * runs, [ours, link])
    row("link, small program, default reserve: time", a, "ms", "ld.lld", b,
        "<= 1.1")
    row("the same: bytes loaded", loaded("hello.ours"), "B", "ld.lld",
        loaded("hello"), "")
    row("the same: bytes of its map", map_size("hello.ours"), "B", "the file",
        os.path.getsize("hello.ours"), "")


def large(linker, runs):
    archives = sorted(glob.glob("/usr/lib/llvm-22/lib/libLLVM*.a"))
    if not archives:
        return
    inputs = ["--whole-archive", *archives, "--no-whole-archive", "-shared",
              "--unresolved-symbols=ignore-all", "-o"]
    options = [[f"{TOOLS}/ld.lld"],
               [linker, "--patch-reserve=none", "--no-patch-map"],
               [linker, "--no-patch-map"], [linker, "--patch-reserve=none"],
               [linker], [linker, "--function-padding=16"],
               [linker, "--function-padding=32"],
               [f"{TOOLS}/ld.lld", "--emit-relocs"]]
    names = [f"out{i}" for i in range(len(options))]
    commands = [o + inputs + [n] for o, n in zip(options, names)]
    times = medians(max(runs // 2, 3), commands, names)
    what = ["", "nothing of ours", "default reserve, no map", "map, no reserve",
            "default reserve and map", "and padding of 16", "and padding of 32",
            "--emit-relocs of ld.lld"]
    for i in range(1, len(options)):
        row(f"link, all of LLVM, {what[i]}: time", times[i], "ms", "ld.lld",
            times[0], "<= 1.1" if i < 5 else "<= 1.25" if i < 7 else "")
    memory = [peak_memory(c) / 1024 for c in commands]  # and makes the files
    for i in (2, 5, 6):
        row(f"the same, {what[i]}: bytes loaded", loaded(names[i]) / 1e6, "MB",
            "ld.lld", loaded(names[0]) / 1e6, "<= 1.03" if i == 2 else "")
    for i in (2, 3, 6):
        row(f"the same, {what[i]}: peak memory", memory[i], "MB", "ld.lld",
            memory[0], "")
    size = [os.path.getsize(n) / 1e6 for n in names]
    row("the same, map: size of the file", size[3], "MB", "ld.lld", size[0],
        "<= 1.08")
    row("the same, --emit-relocs of ld.lld: size", size[7], "MB", "ld.lld",
        size[0], "")


def program(linker, compiler, name, sources, flags, libraries, command, text):
    """What each part of a patch-ready build adds to a real program."""
    directory = os.path.join(os.path.dirname(linker), "..", "libexec", "relink")
    ours = [f"-B{directory}", "-fuse-ld=lld"]
    if "clang" in compiler:
        ours = [f"-fuse-ld={linker}"]
    plain = [f"-B{TOOLS}", "-fuse-ld=lld"]
    builds = [("plain", [], plain),
              ("default reserve", [], ours),
              ("entries", ENTRIES, plain),
              ("entries, packed relocations", ENTRIES,
               plain + ["-Wl,-z,pack-relative-relocs"]),
              ("entries and reserve", ENTRIES, ours),
              ("entries, reserve, padding of 16", ENTRIES,
               ours + ["-Wl,--function-padding=16"])]
    first = None
    for what, compile_flags, link_flags in builds:
        run([compiler, "-O2", *flags, *compile_flags, *sources, *link_flags,
             *libraries, "-o", name])
        size, (count, output) = loaded(name), instructions(command, text)
        if first is None:
            first = (size, count, output)
            continue
        assert output == first[2], f"{name}, {what}: another output"
        row(f"{name}, {what}: bytes loaded", size, "B", "plain", first[0], "")
        row("the same: instructions", count / 1e6, "M", "plain", first[1] / 1e6,
            "<= 1.01")
        if what == "default reserve":
            row("the same: bytes of its map", map_size(name), "B", "the file",
                os.path.getsize(name), "<= 0.08")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("linker", nargs="?", default="build/bin/ld.relink")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--lua")
    parser.add_argument("--sqlite")
    parser.add_argument("--cc", default="gcc")
    arguments = parser.parse_args()
    linker = os.path.realpath(arguments.linker)
    lua = arguments.lua and os.path.realpath(arguments.lua)
    sqlite = arguments.sqlite and os.path.realpath(arguments.sqlite)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        print("| what | ld.relink | beside | ratio | aim |\n|---|---|---|---|---|")
        hello(linker, arguments.runs)
        if not arguments.small:
            large(linker, arguments.runs)
        if lua:
            sources = [f for f in glob.glob(lua + "/*.c")
                       if os.path.basename(f) not in ("luac.c", "onelua.c",
                                                      "ltests.c")]
            program(linker, arguments.cc, "lua", sources, ["-DLUA_USE_POSIX", f"-I{lua}"],
                    ["-lm"], ["./lua", "-"], LUA_WORK)
        if sqlite:
            shell = os.path.join(os.path.dirname(sqlite), "shell.c")
            program(linker, arguments.cc, "sqlite3", [sqlite, shell],
                    ["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=0"],
                    ["-lm"], ["./sqlite3", ":memory:"], SQL_WORK)
        os.chdir("/")


if __name__ == "__main__":
    main()
