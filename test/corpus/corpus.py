"""Patches a function of every program and library on the machine.

  python3 test/corpus/corpus.py [options] [FILE or DIRECTORY]...

The function gets a new body that counts its calls and then jumps to the old one
(rule 9), so the program behaves as before. For each file:
  relink accepts it and --check-loadable finds nothing;
  ld.so --verify and --list say what they say of the original;
  readelf -aW, and LIEF if it is installed, have no complaint that is new;
  relink --verify --original finds every byte as it should be;
  relink --revert gives back the original.
The program is run, with --version or --help, only if it belongs to a package that
is known to be harmless, in an empty directory with a time limit; a library of
such a package is loaded into /bin/true.

At the end a table says how many files there were, and groups what was refused
(the patch can't be applied, and relink says why) and what failed.
"""

import argparse
import collections
import concurrent.futures
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from elf import Elf, NotProgram, SHT_DYNSYM, SHT_SYMTAB

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOADER = "/lib64/ld-linux-x86-64.so.2"
TRIES = 6  # functions of a file, until one can be patched
SMALL = 16  # bytes; smaller functions are tried last

# Packages whose programs do nothing but print for --version and --help.
HARMLESS = re.compile(
    r"^(coreutils|binutils.*|grep|sed|git|perl(-base)?|(lib)?python3.*|gdb|xz-utils|"
    r"gzip|bzip2|tar|findutils|diffutils|file|make|cmake|ninja-build|patch|patchelf|"
    r"dpkg-dev|elfutils|bash|dash|mawk|gawk|m4|bison|flex|less|curl|wget|zip|unzip|"
    r"zstd|jq|rsync|strace|valgrind|cpp.*|gcc.*|g\+\+.*|clang.*|llvm.*|lld.*|mold|"
    r"gettext.*|groff.*|sqlite3|openssl|bc|ed|vim.*|nano|tree|"
    r"libc6|libstdc\+\+6|libgcc-s1|zlib1g|libssl3|liblzma5|libbz2.*|libzstd1|"
    r"libpcre2.*|libncurses.*|libtinfo6|libreadline8|libgmp10|libmpfr6|libexpat1|"
    r"libcurl.*|libsqlite3-0|libxml2|libglib2.*|libgnutls30|libelf1|libdw1)$")
# Of these, what acts on the machine in spite of its options or reads a terminal.
NEVER = re.compile(r"^(ld\.so|ld-linux.*|ldconfig.*|sln|reset|tset|openvt)$")

WRAPPER = """
  .text
  .globl "{name}"
  .type "{name}", @function
"{name}":
  .cfi_startproc
  endbr64
  incq relink_corpus_calls(%rip)
  jmp "__real_{name}"
  .cfi_endproc
  .size "{name}", .-"{name}"
  .local relink_corpus_calls
  .comm relink_corpus_calls, 8, 8
  .section .note.GNU-stack, "", @progbits
  .section .note.gnu.property, "a"
  .align 8
  .long 4, 16, 5
  .asciz "GNU"
  .long 0xc0000002, 4, 3, 0
"""


class Failed(Exception):
    """A check that the output does not pass: (which, what it said)."""


def run(arguments, limit=300, **more):
    """(status, output, errors); a time-out is a status of its own."""
    try:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=limit, **more)
    except subprocess.TimeoutExpired:
        return "timeout", "", ""
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


def general(message, path=""):
    """An error without what differs from file to file."""
    message = message.strip().splitlines()[0] if message.strip() else "no message"
    message = message.removeprefix("error: ").replace(path + ": ", "").replace(path, "FILE")
    message = re.sub(r"^\S+\.o: ", "", message)
    message = re.sub(r"0x[0-9a-f]+", "ADDR", message)
    message = re.sub(r"\b\d+\b", "N", message)
    message = re.sub(r"^.* and .* are one piece of code", "two functions are one piece of code", message)
    return message


def candidates(elf, chance):
    """(name, address, size, has a symbol), the likeliest to be run first."""
    unwind = elf.unwind()
    named = {}
    for table in (SHT_SYMTAB, SHT_DYNSYM):
        for name, address, size, local in elf.symbols(table):
            if not local and "@" not in name and '"' not in name:
                named.setdefault(address, (name, address, size, True))
    for address, size in unwind.items():
        named.setdefault(address, ("relink_corpus_function", address, size, False))
    first = [named[elf.main()]] if elf.interpreter and elf.main() in named else []
    rest = [f for f in named.values() if f not in first]
    chance.shuffle(rest)
    rest.sort(key=lambda f: f[2] < SMALL)
    return (first + rest)[:TRIES]


class Packages:
    """Which package a file belongs to, by dpkg's lists."""

    def __init__(self):
        self.owner = {}
        for path in glob.glob("/var/lib/dpkg/info/*.list"):
            package = os.path.basename(path)[: -len(".list")].split(":")[0]
            with open(path, errors="replace") as file:
                for line in file:
                    line = line.rstrip("\n")
                    # /bin and /lib are links into /usr.
                    if re.match(r"/(bin|sbin|lib|lib64)/", line):
                        line = "/usr" + line
                    self.owner[line] = package

    def harmless(self, path):
        name = self.owner.get(path, "")
        return bool(HARMLESS.match(name)) and not NEVER.match(os.path.basename(path))


class Case:
    """One file."""

    def __init__(self, runner, path):
        self.runner, self.path = runner, path
        self.refusals = []  # of single functions
        self.ran = None
        self.how = ""

    def relink(self, *arguments):
        return run([self.runner.relink, *arguments])

    def facts(self, copy):
        """What other tools say of the file."""
        out = {}
        if self.elf.interpreter in ("", LOADER):
            out["ld.so --verify"] = run([LOADER, "--verify", copy])[0]
            status, text, errors = run([LOADER, "--list", copy])
            out["ld.so --list"] = (status, re.sub(r" \(0x[0-9a-f]+\)", "", text), errors)
        out["readelf -aW"] = self.complaints(["readelf", "-aW", copy])
        if self.runner.lief:
            out["LIEF"] = self.complaints([self.runner.lief, copy])
        if self.runner.packages.harmless(self.path) and self.elf.interpreter == LOADER:
            out["run"] = self.execute(copy)
        elif self.runner.packages.harmless(self.path) and not self.elf.interpreter:
            out["load"] = run(["/bin/true"], 20, env={"LD_PRELOAD": copy}, cwd=self.directory)
        return out

    def complaints(self, command):
        """The lines a tool writes to stderr, and its status."""
        with open(os.devnull, "w") as null:
            try:
                done = subprocess.run(command, stdout=null, stderr=subprocess.PIPE, timeout=600)
            except subprocess.TimeoutExpired:
                return {"timeout"}
        text = done.stderr.decode(errors="replace")
        return {f"status {done.returncode}"} | {
            re.sub(r"0x[0-9a-f]+|\d+", "N", line.replace(command[-1], "FILE"))
            for line in text.splitlines()}

    def execute(self, copy):
        empty = os.path.join(self.directory, "empty")
        os.makedirs(empty, exist_ok=True)
        environment = {"PATH": "/usr/bin:/bin", "HOME": empty, "LC_ALL": "C", "TERM": "dumb"}
        answers = []
        for option in ("--version", "--help"):
            answers.append(run([copy, option], 20, env=environment, cwd=empty))
            if answers[-1][0] == 0 and answers[-1][1]:
                break
        return answers

    def settles(self, was, copy):
        """Whether a program that doesn't print the same each time did so once."""
        return any(self.execute(copy) == was for _ in range(5))

    def patch(self, output):
        """Whether a function of the file could be replaced."""
        chance = random.Random(f"{self.runner.seed} {self.path}")
        chosen = candidates(self.elf, chance)
        for name, address, size, has_symbol in chosen:
            object_ = os.path.join(self.directory, "wrapper.o")
            made = subprocess.run(["as", "-o", object_], input=WRAPPER.format(name=name),
                                  text=True, capture_output=True)
            if made.returncode:
                continue
            # A debug file may know this place by another name.
            where = [] if has_symbol else ["--symbol", f"{name}={address:#x}:{size}",
                                           "--accept", "shared-code"]
            status, _, errors = self.relink(self.path, object_, "--replace", name, *where,
                                            "--new-data", "relink_corpus_calls", "-o", output,
                                            "-q")
            if status == 0:
                self.how = "by symbol" if has_symbol else "by .eh_frame"
                if address == self.elf.main():
                    self.how += ", main"
                return True
            if status != 1:
                raise Failed("relink", f"status {status}")
            self.refusals.append(general(errors.replace(name, "FUNCTION"), self.path))
        return False

    def check(self, output, before):
        status, _, errors = self.relink("--check-loadable", output)
        if status:
            raise Failed("--check-loadable", general(errors, output))
        status, text, errors = self.relink("--verify", output, "--original", self.path)
        if status:
            raise Failed("--verify", general(errors + text, output))
        copy = os.path.join(self.directory, os.path.basename(self.path))
        os.rename(output, copy)
        after = self.facts(copy)
        for check, was in before.items():
            now = after[check]
            if isinstance(was, set):
                if now - was:
                    raise Failed(check, sorted(now - was)[0])
            elif now != was and check == "run" and self.settles(was, copy):
                pass
            elif now != was:
                raise Failed(check, f"differs: was {was!r}, is {now!r}"[:400])
        self.ran = next((k for k in ("run", "load") if k in after), None)
        back = os.path.join(self.directory, "reverted")
        status, _, errors = self.relink("--revert", copy, "-o", back)
        if status:
            raise Failed("--revert", general(errors, copy))
        with open(back, "rb") as file:
            if file.read() != self.elf.data:
                raise Failed("--revert", "is not the original")

    def run(self):
        try:
            self.elf = Elf(self.path)
        except (NotProgram, OSError):
            return "skipped", "not an x86-64 program or library"
        self.directory = tempfile.mkdtemp(dir=self.runner.work)
        output = os.path.join(self.directory, "relink.out")
        kept = False
        try:
            if not self.patch(output):
                if self.refusals:
                    return "refused", self.refusals[0]
                return "skipped", "no function is known: no symbols, no .eh_frame_hdr"
            copy = os.path.join(self.directory, os.path.basename(self.path))
            shutil.copyfile(self.path, copy)
            os.chmod(copy, 0o755)
            before = self.facts(copy)
            os.remove(copy)
            self.check(output, before)
            return "patched", self.how
        except Failed as failure:
            kept = self.runner.keep
            return "failed", ": ".join(failure.args)
        finally:
            self.elf = None
            if not kept:
                shutil.rmtree(self.directory, ignore_errors=True)


class Runner:
    def __init__(self, options):
        self.relink = os.path.abspath(options.relink)
        self.seed, self.keep = options.seed, options.keep
        self.work = tempfile.mkdtemp(prefix="relink-corpus-")
        self.packages = Packages()
        self.lief = self.buildLief() if options.lief else None

    def buildLief(self):
        program = os.path.join(self.work, "lief-read")
        source = os.path.join(SOURCE, "test", "corpus", "lief-read.cpp")
        status, _, _ = run(["g++", "-std=c++14", "-w", source, "-o", program, "-lLIEF"])
        return program if status == 0 else None


def find_files(places):
    """Programs and libraries for x86-64."""
    for place in places:
        if os.path.isfile(place):
            yield os.path.realpath(place)
        for directory, _, names in os.walk(place):
            if directory.startswith("/usr/lib/debug"):
                continue  # symbols without a program
            for name in names:
                path = os.path.join(directory, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                try:
                    with open(path, "rb") as file:
                        header = file.read(20)
                except OSError:
                    continue
                if header[:6] == b"\x7fELF\2\1" and header[16] in (2, 3) and header[18] == 62:
                    yield path


def table(title, counter):
    if counter:
        print(f"\n{title}")
        for text, count in counter.most_common():
            print(f"{count:7}  {text}")


def main():
    parser = argparse.ArgumentParser(description="Patches every program on the machine.")
    parser.add_argument("paths", nargs="*", default=["/usr"])
    parser.add_argument("--relink", default=os.path.join(SOURCE, "build", "bin", "relink"))
    parser.add_argument("--limit", type=int, help="take so many files, chosen by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--most", type=int, default=1 << 40, help="skip larger files (bytes)")
    parser.add_argument("--keep", action="store_true", help="keep the outputs that failed")
    parser.add_argument("--no-lief", dest="lief", action="store_false")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each file")
    options = parser.parse_args()

    runner = Runner(options)
    files = sorted(set(find_files(options.paths)))
    files = [f for f in files if os.path.getsize(f) <= options.most]
    if options.limit and options.limit < len(files):
        files = sorted(random.Random(options.seed).sample(files, options.limit))
    outcomes, functions = collections.Counter(), collections.Counter()
    groups = collections.defaultdict(collections.Counter)
    ran, failures, lock = collections.Counter(), [], threading.Lock()

    def one(path):
        case = Case(runner, path)
        outcome, reason = case.run()
        with lock:
            outcomes[outcome] += 1
            groups[outcome][reason] += 1
            functions.update(case.refusals)
            ran[case.ran] += 1
            if outcome == "failed":
                failures.append(path)
            if options.verbose or outcome == "failed":
                print(f"{outcome}: {path}: {reason}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in [pool.submit(one, f) for f in files]:
            done.result()
    if not (runner.keep and failures):
        shutil.rmtree(runner.work, ignore_errors=True)
    else:
        print(f"the outputs that failed are in {runner.work}")

    table("files refused, by what was said of the first function tried", groups["refused"])
    table("functions refused", functions)
    table("failed", groups["failed"])
    table("skipped", groups["skipped"])
    table("patched", groups["patched"])
    print(f"\n{len(files)} files: " + ", ".join(
        f"{outcomes[o]} {o}" for o in ("patched", "refused", "failed", "skipped")))
    print(f"{ran['run']} programs run with the same output, "
          f"{ran['load']} libraries loaded")
    return 1 if outcomes["failed"] or not outcomes["patched"] else 0


if __name__ == "__main__":
    sys.exit(main())
