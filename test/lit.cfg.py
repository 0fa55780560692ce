# Configuration of lit, LLVM's test runner.
#
#   lit test                          all tests, with the programs in build/
#   lit -v test/tls.test              one of them, its output if it fails
#   lit -Dbuild=$PWD/build-debug test the sanitised programs
#
# RUN lines are run by bash, joined by &&, with pipefail.

import os
import platform
import re
import shutil
import subprocess
import sys

import lit.formats

source = os.path.dirname(os.path.abspath(__file__))
build = os.path.abspath(
    lit_config.params.get("build", os.path.join(source, "..", "build"))
)
llvm_tools = "/usr/lib/llvm-22/bin"

config.name = "relink"
config.test_format = lit.formats.ShTest(execute_external=True)
config.suffixes = [".test", ".c", ".cpp", ".s"]
config.excludes = ["Inputs", "bench", "unit"]
config.test_source_root = source
config.test_exec_root = os.path.join(build, "test")

programs = os.path.join(build, "bin")
if not os.path.exists(os.path.join(programs, "relink")):
    lit_config.fatal(f"no relink in {programs}: build it first, or say -Dbuild=DIR")

# lit itself passes on only a few variables of the environment.
environment = config.environment
environment["PATH"] = os.pathsep.join([llvm_tools, programs, environment["PATH"]])
environment["LC_ALL"] = "C"
environment["HOME"] = config.test_exec_root
environment.pop("LD_LIBRARY_PATH", None)
# The shared library of LLVM is not sanitised: a vector that it grows looks
# overflown to our code, and what it keeps until exit looks leaked.
environment["ASAN_OPTIONS"] = "detect_container_overflow=0:detect_leaks=0"
environment["UBSAN_OPTIONS"] = "print_stacktrace=1"

try:
    lit_config.maxIndividualTestTime = 600
except ValueError:  # lit needs psutil for it
    pass


def found(name):
    return shutil.which(name, path=environment["PATH"])


config.substitutions += [
    # A directory for gcc's -B.
    (r"%ldrelink-dir\b", os.path.join(build, "libexec", "relink")),
    (r"%ldrelink\b", os.path.join(programs, "ld.relink")),
    (r"%relink\b(?!-)", os.path.join(programs, "relink")),
    (r"%cc\b", "gcc"),
    (r"%cxx\b", "g++"),
    (r"%clangxx\b", os.path.join(llvm_tools, "clang++")),
    (r"%clang\b", os.path.join(llvm_tools, "clang")),
    (r"%musl-gcc\b", "musl-gcc"),
    # For -fuse-ld=lld: gcc -B%lld -fuse-ld=lld
    (r"%lld\b", llvm_tools),
    # The Python that runs lit: what else is called python3 may be a slow wrapper of
    # it, and lack psutil.
    (r"%python\b", sys.executable),
    (r"%aarch64-cc\b", "aarch64-linux-gnu-gcc"),
    (r"%aarch64-cxx\b", "aarch64-linux-gnu-g++"),
    (r"%aarch64-run\b", "qemu-aarch64 -L /usr/aarch64-linux-gnu"),
    (r"%bounded\b", sys.executable + " " + os.path.join(source, "Inputs", "bounded.py")),
    (r"%inputs\b", os.path.join(source, "Inputs")),
]

# feature: the program that shows it
for feature, program in {
    "clang": "clang-22",
    "dwz": "dwz",
    "gdb": "gdb",
    "aarch64-cxx": "aarch64-linux-gnu-g++",
    "aarch64-run": "qemu-aarch64",
    "gold": "ld.gold",
    "meson": "meson",
    "mold": "mold",
    "musl": "musl-gcc",
    "patchelf": "patchelf",
    "elfutils": "eu-elflint",
    "strace": "strace",
    "tcl": "tclsh",
    "valgrind": "valgrind",
    "setcap": "setcap",
    "setfattr": "setfattr",
}.items():
    if found(program):
        config.available_features.add(feature)
if found(f"qemu-{platform.machine()}"):
    config.available_features.add("qemu")
if os.path.exists("/usr/include/LIEF/LIEF.hpp"):
    config.available_features.add("lief")
if os.geteuid() == 0:
    config.available_features.add("root")
# Many machines don't let one measure, even oneself.
if found("perf") and subprocess.run(
        ["perf", "record", "-q", "-e", "cpu-clock", "-o", "/dev/null", "true"],
        capture_output=True).returncode == 0:
    config.available_features.add("perf")
config.available_features.add(platform.machine().replace("_", "-"))

with open(os.path.join(build, "CMakeCache.txt")) as cache:
    if re.search(r"^RELINK_SANITIZE:BOOL=(ON|1|TRUE)$", cache.read(), re.M):
        config.available_features.add("asan")
        environment["RELINK_SANITIZED"] = "1"
if os.path.exists(os.path.join(programs, "fuzz-portable")):
    config.available_features.add("fuzz")

# The cases build real programs from Debian's sources, which apt must reach.
config.substitutions.append((r"%source\b", os.path.dirname(source)))
if os.path.exists(os.path.join(source, "..", "..", "shared", "cases", "run")):
    config.available_features.add("cases")
