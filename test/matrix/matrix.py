"""Input kinds x patch features.

A feature is a file in features/ in split-file format: the program (app.c or
app.cpp), the patch (patch.c or patch.cpp), what the program prints before and
after, and options. A kind says how the program is built. A pair is built, run,
patched, run, stripped, and run again.

The kinds of CORE meet every feature, the others each a third of them, another
third for the next kind. RELINK_MATRIX=whole in the environment makes every pair.
"""
import filecmp
import hashlib
import os
import re
import shutil
import subprocess

import lit.formats
import lit.Test

LLD = "-fuse-ld=lld -B/usr/lib/llvm-22/bin"

# name: compiler, compile flags, link flags, patch flags, properties
KINDS = {
    "gcc-pie": ("gcc", "-O2 -fPIE", "-pie", "-O2 -fPIE", ""),
    "gcc-pie-O0": ("gcc", "-O0 -fPIE", "-pie", "-O0 -fPIC", ""),
    "gcc-pie-O3": ("gcc", "-O3 -fPIE", "-pie", "-O3 -fPIE", ""),
    "gcc-pie-debug": ("gcc", "-g -O1 -fPIE", "-pie", "-g -O1 -fPIE", ""),
    "gcc-pie-debug-patch": ("gcc", "-O2 -fPIE", "-pie", "-g -O2 -fPIE", ""),
    "gcc-shared-debug-patch": ("gcc", "-O1 -fPIC", "-shared", "-g3 -O1 -fPIC", "shared"),
    "clang-debug-patch": ("clang", "-O2 -fPIE", "-pie", "-g -O2 -fPIE", "clang"),
    "gcc-pie-sections": ("gcc", "-O2 -fPIE -ffunction-sections -fdata-sections",
                         "-pie -Wl,--gc-sections",
                         "-O2 -fPIE -ffunction-sections -fdata-sections", ""),
    "gcc-nopie": ("gcc", "-O2 -fno-pie", "-no-pie", "-O2 -fno-pie", ""),
    "gcc-nopie-pic-patch": ("gcc", "-O2 -fno-pie", "-no-pie", "-O2 -fPIC", ""),
    "gcc-static": ("gcc", "-O2 -fno-pie", "-static -no-pie", "-O2 -fno-pie", "static"),
    "gcc-static-pie": ("gcc", "-O2 -fPIE", "-static-pie", "-O2 -fPIE", "static"),
    "gcc-shared": ("gcc", "-O2 -fPIC", "-shared", "-O2 -fPIC", "shared"),
    "gcc-shared-O0": ("gcc", "-O0 -fPIC", "-shared", "-O0 -fPIC", "shared"),
    "gcc-shared-symbolic": ("gcc", "-O2 -fPIC", "-shared -Wl,-Bsymbolic", "-O2 -fPIC", "shared"),
    "gcc-pie-now": ("gcc", "-O2 -fPIE", "-pie -Wl,-z,now,-z,relro", "-O2 -fPIE", ""),
    "gcc-pie-lazy": ("gcc", "-O2 -fPIE", "-pie -Wl,-z,lazy,-z,norelro", "-O2 -fPIC", ""),
    "gcc-pie-noplt": ("gcc", "-O2 -fPIE -fno-plt", "-pie -Wl,-z,now", "-O2 -fPIE -fno-plt", ""),
    "gcc-pie-two-loads": ("gcc", "-O2 -fPIE", "-pie -Wl,-z,noseparate-code", "-O2 -fPIE", ""),
    "gcc-pie-sysv": ("gcc", "-O2 -fPIE", "-pie -Wl,--hash-style=sysv", "-O2 -fPIE", ""),
    "gcc-pie-both": ("gcc", "-O2 -fPIE", "-pie -Wl,--hash-style=both", "-O2 -fPIE", ""),
    "gcc-pie-relr": ("gcc", "-O2 -fPIE", "-pie -Wl,-z,pack-relative-relocs", "-O2 -fPIE", ""),
    "gcc-pie-cet": ("gcc", "-O2 -fPIE -fcf-protection=full", "-pie", "-O2 -fPIE -fcf-protection=full", ""),
    "gcc-pie-hotpatch": ("gcc", "-O2 -fPIE -fpatchable-function-entry=8,6", "-pie", "-O2 -fPIE", ""),
    "gcc-pie-export": ("gcc", "-O2 -fPIE", "-pie -rdynamic", "-O2 -fPIE", ""),
    "gcc-pie-debuglink": ("gcc", "-O2 -fPIE", "-pie", "-O2 -fPIE", "debuglink"),
    "gcc-pie-debugfile": ("gcc", "-O2 -fPIE", "-pie", "-O2 -fPIE", "debugfile"),
    "gcc-pie-clang-patch": ("gcc", "-O2 -fPIE", "-pie", "-O2 -fPIE", "clang-patch"),
    "gold-pie": ("gcc", "-O2 -fPIE", "-pie -fuse-ld=gold", "-O2 -fPIE", "gold"),
    "gold-nopie": ("gcc", "-O2 -fno-pie", "-no-pie -fuse-ld=gold", "-O2 -fno-pie", "gold"),
    "gold-shared": ("gcc", "-O2 -fPIC", "-shared -fuse-ld=gold", "-O2 -fPIC", "gold shared"),
    "mold-pie": ("gcc", "-O2 -fPIE", "-pie -fuse-ld=mold", "-O2 -fPIE", "mold"),
    "mold-nopie": ("gcc", "-O2 -fno-pie", "-no-pie -fuse-ld=mold", "-O2 -fno-pie", "mold"),
    "mold-static": ("gcc", "-O2 -fno-pie", "-static -no-pie -fuse-ld=mold", "-O2 -fno-pie", "mold static"),
    "mold-shared": ("gcc", "-O2 -fPIC", "-shared -fuse-ld=mold", "-O2 -fPIC", "mold shared"),
    "lld-pie": ("clang", "-O2 -fPIE", "-pie " + LLD, "-O2 -fPIE", "clang"),
    "lld-pie-relr": ("clang", "-O2 -fPIE", "-pie -Wl,-z,pack-relative-relocs " + LLD, "-O2 -fPIE", "clang"),
    "lld-nopie": ("clang", "-O2 -fno-pie", "-no-pie " + LLD, "-O2 -fno-pie", "clang"),
    "lld-static": ("clang", "-O2 -fno-pie", "-static -no-pie " + LLD, "-O2 -fno-pie", "clang static"),
    "lld-shared": ("clang", "-O2 -fPIC", "-shared " + LLD, "-O2 -fPIC", "clang shared"),
    "clang-pie-O0": ("clang", "-O0 -fPIE", "-pie", "-O0 -fPIE", "clang"),
    "clang-pie-O3": ("clang", "-O3 -fPIE", "-pie", "-O3 -fPIE", "clang"),
    "musl-pie": ("musl-gcc", "-O2 -fPIE", "-pie", "-O2 -fPIE", "musl"),
    "musl-nopie": ("musl-gcc", "-O2 -fno-pie", "-no-pie", "-O2 -fno-pie", "musl"),
    "musl-static": ("musl-gcc", "-O2 -fno-pie", "-static -no-pie", "-O2 -fno-pie", "musl static"),
}
# One of each kind of file, linker and C library, and each way in which relink
# itself takes another path.
CORE = {
    "gcc-pie", "gcc-pie-debug-patch", "gcc-nopie", "gcc-static", "gcc-static-pie",
    "gcc-shared-O0", "gcc-pie-both", "gcc-pie-relr", "gcc-pie-hotpatch",
    "gcc-pie-debugfile", "mold-shared", "lld-pie-relr", "clang-pie-O0", "musl-static",
}
CXX = {"gcc": "g++", "clang": "clang++-22"}
CC = {"clang": "clang-22"}


def split_file(path):
    parts, name = {}, None
    for line in open(path):
        m = re.match(r"(?://|##)--- (\S+)$", line)
        if m:
            name = m[1]
            parts[name] = ""
        elif name:
            parts[name] += line
    return parts


class Failed(Exception):
    pass


def pairs(features, sanitized):
    """The kinds and features that are tried with one another."""
    whole = os.environ.get("RELINK_MATRIX") == "whole"
    for i, kind in enumerate(KINDS):
        for j, feature in enumerate(features):
            if kind in CORE:
                # The sanitisers look at relink, which does much the same in each.
                chosen = not sanitized or (i + j) % 2 == 0
            else:
                chosen = not sanitized and (i + j) % 3 == 0
            if whole or chosen:
                yield kind, feature


class Run:
    def __init__(self, directory, environment, objects):
        self.directory, self.environment, self.log = directory, environment, []
        self.objects = objects

    def __call__(self, command, fails=False, stdin=None):
        self.log.append("$ " + command)
        p = subprocess.run(command, shell=True, cwd=self.directory, timeout=120,
                           env=self.environment, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
        self.log.append((p.stdout + p.stderr).rstrip())
        if (p.returncode != 0) != fails:
            raise Failed(f"exit status {p.returncode}")
        return p.stdout

    def compile(self, command, source, output):
        """One object serves all kinds with the same compiler and options."""
        source_path = os.path.join(self.directory, source)
        output_path = os.path.join(self.directory, output)
        command = f"{command} -c {source}"
        digest = hashlib.sha256(command.encode())
        digest.update(open(source_path, "rb").read())
        known = os.path.join(self.objects, digest.hexdigest() + ".o")
        try:
            shutil.copyfile(known, output_path)
            self.log.append(f"$ cp {known} {output}   # {command}")
        except FileNotFoundError:
            self(f"{command} -o {output}")
            os.makedirs(self.objects, exist_ok=True)
            own = f"{known}.{os.getpid()}"
            shutil.copyfile(output_path, own)
            os.rename(own, known)

    def same(self, a, b):
        self.log.append(f"$ cmp {a} {b}")
        if not filecmp.cmp(os.path.join(self.directory, a),
                           os.path.join(self.directory, b), shallow=False):
            raise Failed("they differ")

    def copy(self, a, b):
        self.log.append(f"$ cp {a} {b}")
        # A new file: the old one may be mapped.
        shutil.copy(os.path.join(self.directory, a),
                    os.path.join(self.directory, b + ".new"))
        os.rename(os.path.join(self.directory, b + ".new"),
                  os.path.join(self.directory, b))


def expect(what, got, wanted):
    if got.strip() != wanted.strip():
        raise Failed(f"{what} prints:\n{got}\nexpected:\n{wanted}")


class MatrixFormat(lit.formats.TestFormat):
    def getTestsInDirectory(self, suite, path_in_suite, lit_config, local_config):
        source = suite.getSourcePath(path_in_suite)
        features = os.path.join(source, "features")
        if not os.path.isdir(features):
            return
        shutil.rmtree(os.path.join(suite.getExecPath(path_in_suite), "objects"),
                      ignore_errors=True)
        for kind, feature in pairs(sorted(os.listdir(features)),
                                   "asan" in local_config.available_features):
            test = lit.Test.Test(
                suite, path_in_suite + (f"{kind} x {feature.split('.')[0]}",),
                local_config)
            test.kind, test.feature = kind, os.path.join(features, feature)
            yield test

    def execute(self, test, lit_config):
        cc, cflags, ldflags, pflags, properties = KINDS[test.kind]
        properties = set(properties.split())
        available = test.config.available_features
        for needed in ("clang", "musl", "mold", "gold"):
            if needed in properties and needed not in available:
                return lit.Test.UNSUPPORTED, f"no {needed}"
        parts = split_file(test.feature)
        options = parts.get("options", "")
        skip = dict(re.findall(r"^not on (\S+): (.*)$", options, re.M))
        for p in properties | {test.kind}:
            if p in skip:
                return lit.Test.UNSUPPORTED, skip[p]
        if "cpp" in "".join(parts) and cc == "musl-gcc":
            return lit.Test.UNSUPPORTED, "no C++ library for musl"
        name = os.path.basename(test.feature).split(".")[0]
        directory = os.path.join(test.config.test_exec_root, "matrix", test.kind, name)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        for part, text in parts.items():
            if "." in part:
                open(os.path.join(directory, part), "w").write(text)
        run = Run(directory, test.config.environment,
                  os.path.join(test.config.test_exec_root, "matrix", "objects"))
        try:
            self.check(run, available, parts, options, properties, cc, cflags,
                       ldflags, pflags)
        except (Failed, subprocess.TimeoutExpired) as e:
            return lit.Test.FAIL, "\n".join(run.log + [str(e)])
        shutil.rmtree(directory, ignore_errors=True)
        return lit.Test.PASS, ""

    def check(self, run, available, parts, options, properties, cc, cflags,
              ldflags, pflags):
        cxx = "app.cpp" in parts
        def compiler(base, is_cxx):
            return CXX.get(base, base) if is_cxx else CC.get(base, base)
        option = lambda key: " ".join(re.findall(rf"^{key}: (.*)$", options, re.M))
        cflags += " -fno-inline -w " + option("cflags")
        ldflags += " " + option("ldflags")
        shared = "shared" in properties
        app = "app.cpp" if cxx else "app.c"
        rename = "-Dmain=app_main" if shared else ""
        run.compile(f"{compiler(cc, cxx)} {cflags} {rename}", app, "app.o")
        output = "libapp.so" if shared else "app"
        run(f"{compiler(cc, cxx)} app.o {ldflags} -o {output}")
        if shared:
            declaration = "int app_main(int, char **);"
            suffix = "cpp" if cxx else "c"
            open(os.path.join(run.directory, "driver." + suffix), "w").write(
                declaration +
                "int main(int c, char **v) { return app_main(c, v); }\n")
            run.compile(compiler(cc, cxx), f"driver.{suffix}", "driver.o")
            run(f"{compiler(cc, cxx)} driver.o ./libapp.so -o driver "
                "-Wl,-rpath,'$ORIGIN' " + (LLD if cc == "clang" else ""))
        start = "./driver" if shared else f"./{output}"
        expect("the program", run(start), parts["before"])

        base = "clang" if "clang-patch" in properties else cc
        patch = "patch.cpp" if "patch.cpp" in parts else "patch.c"
        run.compile(f"{compiler(base, patch.endswith('cpp'))} {pflags} -w "
                    f"{option('patchflags')}", patch, "patch.o")
        extra = option("relink")
        if "debuglink" in properties:
            run(f"objcopy --only-keep-debug {output} app.debug && "
                f"strip --add-gnu-debuglink=app.debug {output} 2>/dev/null || "
                f"(strip {output} && objcopy --add-gnu-debuglink=app.debug {output})")
        if "debugfile" in properties:
            run(f"objcopy --only-keep-debug {output} app.debug && strip {output}")
            extra += " --debug-file app.debug"
        run.copy(output, "original")
        run(f"relink {output} patch.o -o fixed {extra}")
        run.same(output, "original")
        # The app's own object has nothing to change in it, with names and, with
        # itself as the map, without.
        symbols = "--debug-file app.debug" if "debugfile" in properties else ""
        if "nothing to do" not in run(f"relink original app.o -o same {symbols}"):
            raise Failed("the app's own object is said to change it")
        run.same("original", "same")
        run("strip -o bare original")
        if "nothing to do" not in run("relink bare app.o --orig app.o -o same"):
            raise Failed("an unchanged object is said to change the app")
        run.same("bare", "same")
        # A library takes the original's place; a program runs by its own name.
        def install(file):
            if shared:
                run.copy(file, "libapp.so")
            return "./driver" if shared else f"./{file}"
        expect("the patched program", run(install("fixed")), parts["after"])
        if "tools" in option("also"):
            self.other_tools(run, install, output, shared, parts["after"],
                             available)
        run("strip -o fixed.strip fixed")
        expect("the patched and stripped program", run(install("fixed.strip")),
               parts["after"])
        try:
            run("llvm-strip -o fixed.lstrip fixed")
        except Failed:
            # It takes no static program of GNU ld with a .rela.plt, patched or not.
            run("llvm-strip -o original.lstrip original", fails=True)
            return
        expect("the patched and llvm-stripped program",
               run(install("fixed.lstrip")), parts["after"])

    def other_tools(self, run, install, output, shared, wanted, available):
        """The output serves the tools of the trade as the input does."""
        start = install("fixed")
        if "qemu" in available:
            expect("the patched program under qemu", run("qemu-x86_64 " + start),
                   wanted)
        if "elfutils" in available:
            def complaints(file):
                p = subprocess.run(["eu-elflint", "--gnu-ld", file], text=True,
                                   cwd=run.directory, env=run.environment,
                                   capture_output=True)
                # Section numbers and addresses differ; what is said may not.
                return {re.sub(r"\[ *\d+\]|0x[0-9a-f]+|\d+", "N", line)
                        for line in (p.stdout + p.stderr).splitlines()
                        if line.strip() != "No errors" and
                        # It knows no notes but GNU's.
                        not re.search("note.relink.patch.*unknown .* note type",
                                      line)}
            new = complaints("fixed") - complaints("original")
            if new:
                raise Failed("eu-elflint finds new faults:\n" + "\n".join(sorted(new)))
        if re.search(": (warning|error): ", run("llvm-readelf -aW fixed 2>&1")):
            raise Failed("llvm-readelf warns")
        run("objdump -d fixed && readelf -aW fixed")
        run("objcopy --only-keep-debug fixed fixed.debug")
        interpreted = ".interp" in run("readelf -SW original")
        if "patchelf" in available and (shared or interpreted):
            run("patchelf --set-rpath /nowhere --output fixed.rpath fixed")
            expect("the patched program with a new run path",
                   run(install("fixed.rpath")), wanted)
            run("strip fixed.rpath")
            expect("the same, stripped", run(install("fixed.rpath")), wanted)
