"""Makes a corpus from real files and runs the fuzz targets on it.

  cmake --preset debug && cmake --build --preset debug
  python3 test/fuzz/run.py [--seconds N] [TARGET]...

Each target runs N seconds (default 60), one after the other; --once only replays
the corpus. Crashing inputs go to build-debug/crashes. A crash, a hang of 20 seconds
or 2 GiB of memory ends a target, and the exit status is 1.
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "Inputs"))
from patchmap import Program
SOURCE = os.path.dirname(os.path.dirname(HERE))
TARGETS = ["app", "patch", "record", "portable", "map", "delink", "ninja", "decode"]
MEMORY, TIMEOUT, LENGTH = 2048, 20, 65536  # MiB, seconds, bytes

# Small pages of code and data keep the seeds small, which mutations like.
SMALL = ["-w", "-fno-inline", "-Wl,-z,noseparate-code", "-Wl,--build-id"]
APPS = {
    "gcc-pie": ["gcc", "-O2"],
    "gcc-fixed": ["gcc", "-O1", "-fno-pie", "-no-pie"],
    "gcc-stripped": ["gcc", "-O2", "-s"],
    "gcc-now": ["gcc", "-O2", "-Wl,-z,now", "-Wl,-z,relro", "-fcf-protection=full"],
    "gcc-hash": ["gcc", "-O0", "-Wl,--hash-style=both", "-no-pie", "-fno-pie"],
    "gcc-library": ["gcc", "-O2", "-shared", "-fPIC"],
    "gcc-symbolic": ["gcc", "-O2", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-s"],
    "clang-pie": ["clang-22", "-O2", "-fuse-ld=lld"],
    "clang-relr": ["clang-22", "-O1", "-fuse-ld=lld", "-Wl,--pack-dyn-relocs=relr"],
    "clang-library": ["clang-22", "-O2", "-fuse-ld=lld", "-shared", "-fPIC", "-g"],
    "musl-static": ["musl-gcc", "-O2", "-static"],
    "musl-pie": ["musl-gcc", "-O2"],
}
PATCHES = {
    "gcc": ["gcc", "-O2"],
    "gcc-debug": ["gcc", "-O0", "-g", "-fPIC"],
    "gcc-sections": ["gcc", "-O2", "-ffunction-sections", "-fdata-sections", "-fno-pie"],
    "gcc-merged": ["gcc", "-O1", "-fcf-protection=full", "-r", "-nostdlib"],
    "clang": ["clang-22", "-O2"],
    "clang-sections": ["clang-22", "-O1", "-ffunction-sections", "-fPIC", "-mcmodel=large"],
}
# Of the same program, for delink: what each kind keeps.
DELINKED = {
    "gcc-kept": ["gcc", "-O2", "-fno-pie", "-no-pie", "-Wl,--emit-relocs"],
    "gcc-kept-pie": ["gcc", "-O1", "-Wl,--emit-relocs"],
    "clang-kept": ["clang-22", "-O2", "-fuse-ld=lld", "-Wl,--emit-relocs", "-ffunction-sections"],
    "clang-debug": ["clang-22", "-O1", "-g"],
    "musl-kept": ["musl-gcc", "-O2", "-static", "-Wl,--emit-relocs"],
}
NINJA = """builddir = .
rule cc
  command = cc -MD -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
build app.o: cc app.c | config.h || order
build part.o: cc part$:1.c
build libpart.a: ar part.o
rule ar
  command = ar rcs $out $in
rule link
  command = cc $in -o $out
build app: link app.o part.o libpart.a | script.ld
build all: phony app
default all
"""
CXX = """#include <stdexcept>
#include <vector>
struct A { virtual int f(int x) { return x; } virtual ~A() {} };
struct B : A { int f(int x) override { if (x < 0) throw std::runtime_error("x"); return x + 1; } };
static thread_local std::vector<int> list;
static B b;
int work(int x) { try { list.push_back(x); return b.f(x) + list.size(); } catch (std::exception &) { return 1; } }
int main(int argc, char **) { A *a = &b; return work(argc) + a->f(1); }
"""


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command)}\n{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def make_map_seeds(build, place):
    """What fuzz-map takes: names and inlined copies, their sizes in front, and an
    object's details."""
    source, linked = os.path.join(HERE, "Inputs", "patch.c"), os.path.join(place, "linked")
    for name, command in PATCHES.items():
        object_ = os.path.join(place, "object.o")
        if "-r" in command or not run(*command, "-w", "-fPIC", "-g", "-c", source, "-o", object_):
            continue
        if not run(os.path.join(build, "bin", "ld.relink"), "-shared", object_, "-o", linked):
            continue
        blocks = Program(linked).blocks
        names, inlined = (b"".join(bytes(data) for kind, data, _ in blocks if kind == k) for k in (3, 7))
        # Of one object the parts are its details.
        details = b"".join(bytes(data) for kind, data, _ in blocks if kind == 6)
        with open(os.path.join(place, name), "wb") as file:
            file.write(struct.pack("<HH", len(names), len(inlined)) + names + inlined + details)
        os.remove(object_)
        os.remove(linked)


def make_ninja_seed(place):
    """build.ninja, the log and the dependencies, as ninja.cpp takes them apart."""
    def record(mark, data):
        return struct.pack("<I", len(data) | mark) + data
    late = 1 << 62
    log = "# ninja log v5\n" + "".join(
        f"1\t2\t{late}\t{name}\t1234\n" for name in ("app.o", "part.o", "libpart.a", "app"))
    deps = b"# ninjadeps\n" + struct.pack("<I", 4)
    for number, name in enumerate((b"app.o\0\0\0", b"app.c\0\0\0")):
        deps += record(0, name + struct.pack("<I", ~number & 0xffffffff))
    deps += record(1 << 31, struct.pack("<IQI", 0, late, 1))
    with open(os.path.join(place, "seed"), "wb") as file:
        file.write(b"\n%%\n".join((NINJA.encode(), log.encode(), deps)))


def make_seeds(build, corpus):
    """Files of each kind, under the names of the targets."""
    place = {t: os.path.join(corpus, t) for t in TARGETS}
    for directory in place.values():
        os.makedirs(directory, exist_ok=True)
    inputs = os.path.join(HERE, "Inputs")
    app, patch = os.path.join(inputs, "app.c"), os.path.join(inputs, "patch.c")
    for name, command in PATCHES.items():
        link = [] if "-r" in command else ["-c"]
        run(*command, "-w", *link, patch, "-o", os.path.join(place["patch"], name))
    with open(os.path.join(corpus, "seed.cpp"), "w") as file:
        file.write(CXX)
    run("g++", "-O2", "-c", "-x", "c++", file.name, "-o", os.path.join(place["patch"], "c++"))
    run("g++", "-O2", *SMALL, file.name, "-o", os.path.join(place["app"], "c++"))

    relink = os.path.join(build, "bin", "relink")
    fixed = os.path.join(build, "test", "fuzz", "app")
    object_ = os.path.join(build, "test", "fuzz", "patch.o")
    accept = [f"--accept={a}" for a in ("lost-cet", "constructors", "clones", "shared-code")]
    shutil.copy(os.path.join(place["app"], "c++"), place["delink"])
    run("g++", "-O2", "-g", *SMALL, file.name, "-o", os.path.join(place["delink"], "c++-debug"))
    for name, command in DELINKED.items():
        run(*command, *SMALL, app, "-o", os.path.join(place["delink"], name))
    make_ninja_seed(place["ninja"])
    for name, command in APPS.items():
        out = os.path.join(place["app"], name)
        if not run(*command, *SMALL, app, "-o", out):
            continue
        shutil.copy(out, place["delink"])
        run("objcopy", "-O", "binary", "-j", ".text", out, os.path.join(place["decode"], name))
        if "stripped" in name or "symbolic" in name:
            continue
        for suffix, options in {"": [], "-in-place": ["--replace", "work"]}.items():
            patched = os.path.join(place["record"], name + suffix)
            if run(relink, out, object_, *accept, *options, "-q", "-o", patched):
                shutil.copy(patched, os.path.join(place["app"], "patched-" + name + suffix))
    for i, options in enumerate([[], ["--replace", "work"], ["--no-debug", "--no-record"]]):
        patched = os.path.join(corpus, "fixed")
        rlp = os.path.join(place["portable"], f"{i}.rlp")
        for old in (patched, rlp):
            if os.path.exists(old):
                os.remove(old)
        if run(relink, fixed, object_, *accept, *options, "-q", "-o", patched):
            run(relink, "--export", fixed, patched, "-o", rlp, "-q")
    make_map_seeds(build, place["map"])
    with open(os.path.join(place["record"], "description"), "w") as file:
        file.write('{"tool":"relink 1","buildId":"0a","patches":["00"],"replaced":[{"name":"work",'
                   '"oldAddress":4454,"oldSize":9,"newAddress":20480,"newSize":9,"method":"near '
                   'jump"}],"interposed":[{"name":"puts","entry":1}]}')


def main():
    parser = argparse.ArgumentParser(description="Runs relink's fuzz targets.")
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build-debug"))
    parser.add_argument("--corpus", help="default: corpus in the build directory")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--once", action="store_true", help="replay the corpus only")
    options = parser.parse_args()

    corpus = options.corpus or os.path.join(options.build, "corpus")
    crashes = os.path.join(options.build, "crashes")
    os.makedirs(crashes, exist_ok=True)
    make_seeds(options.build, corpus)
    failed = []
    for target in options.targets:
        program = os.path.join(options.build, "bin", f"fuzz-{target}")
        seeds = os.path.join(corpus, target)
        kept = os.path.join(HERE, "regressions", target)
        command = [program, seeds] + ([kept] if os.path.isdir(kept) else [])
        command += [f"-rss_limit_mb={MEMORY}", f"-timeout={TIMEOUT}", f"-max_len={LENGTH}",
                    f"-artifact_prefix={crashes}/{target}-", "-print_final_stats=1",
                    f"-dict={HERE}/elf.dict", "-verbosity=1"]
        command += ["-runs=0"] if options.once else [f"-max_total_time={options.seconds}"]
        print(f"fuzz: {target}", flush=True)
        status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        if status:
            failed.append(f"{target} (status {status})")
    print("fuzz: " + (f"failed: {', '.join(failed)}" if failed else "no failure"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
