#!/usr/bin/env python3
"""Delinks installed programs, links them again, and compares what they print.

  programs.py [--linkers bfd,lld,mold] [--seeds 1,2] [--lld DIR] [--shared] [NAME...]

Each is delinked with each seed as the order of its functions and data, linked by
each linker, and run on real inputs beside the original. Prints a table; the exit
status says whether all that were delinked gave the same output. A program that is
not installed is left out, one that delink refuses is listed with its reason.
With --shared each becomes a shared library, and another program calls its main().
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

SERVICES = "/etc/services"
TREE = "/usr/share/doc/bash"
# What is run: the program is {p}, the directory for results {d}.
RUNS = {
    "ls": ["{p} -lR /etc/alternatives /usr/share/doc/bash"],
    "sort": ["{p} -k2 -n " + SERVICES, "{p} -ru " + SERVICES],
    "cat": ["{p} -nA " + SERVICES],
    "grep": ["{p} -nE '^(s|t)[a-z]+.*tcp' " + SERVICES, "{p} -c udp " + SERVICES],
    "sed": ["{p} -nE 's/([a-z]+).*([0-9]+)/\\2 \\1/p' " + SERVICES],
    "mawk": ["{p} '{{n[$2 ~ /tcp/]++; s += length($0)}} END {{printf \"%d %d %.3f\\n\", n[0], n[1], s / 7}}' " + SERVICES],
    "gzip": ["{p} -c " + SERVICES, "{p} -c " + SERVICES + " | {p} -dc"],
    "xz": ["{p} -c " + SERVICES, "{p} -c " + SERVICES + " | {p} -dc"],
    "bzip2": ["{p} -c " + SERVICES, "{p} -c " + SERVICES + " | {p} -dc"],
    "tar": ["{p} --sort=name -cf - -C / usr/share/doc/bash etc/services"],
    "find": ["{p} " + TREE + " -type f -size +1 -printf '%s %p\\n'"],
    "diff": ["{p} -u " + SERVICES + " /etc/protocols || true"],
    "make": ["printf 'all: a b\\n\\techo $(words $^) $(subst a,x,$^)\\na b:\\n\\techo $@\\n' | {p} -s -f -"],
    "bash": ["{p} -c 'for i in {{1..20}}; do a[i]=$((i * i)); done; echo ${{a[@]}} ${{#a[@]}}; case $BASH_VERSION in 5*) printf \"%05d\\n\" 42;; esac'"],
    "dash": ["{p} -c 'i=0; while [ $i -lt 20 ]; do i=$((i + 1)); echo $((i % 7)); done'"],
    "file": ["{p} -b /bin/sh /etc/services /usr/share/doc/bash/*"],
    "bc": ["echo 'scale=40; 4*a(1); 2^200; sqrt(2)' | {p} -l"],
    "cmp": ["{p} -l " + SERVICES + " /etc/protocols | head -50 || true"],
    "openssl": ["{p} dgst -sha512 " + SERVICES, "{p} enc -aes-256-cbc -K 00 -iv 00 -in " + SERVICES + " 2>/dev/null | {p} dgst -sha256"],
    "objdump": ["{p} -d /bin/true | head -2000", "{p} -x /bin/true"],
    "patch": ["cp /etc/services {d}/f; diff -u /etc/services /etc/protocols >{d}/p; {p} -s {d}/f {d}/p && cat {d}/f"],
    "ninja": ["printf 'rule r\\n command = echo $out\\nbuild x: r\\nbuild y: r x\\n' >{d}/n; {p} -f {d}/n -n y"],
    "curl": ["{p} -s file://" + SERVICES],
    "perl": ["{p} -ne '$h{{$_}}++ for /(\\w+)/g; END {{print join(\" \", map {{\"$_=$h{{$_}}\"}} sort keys %h), \"\\n\"}}' " + SERVICES,
             "{p} -e 'use strict; my @a = map {{ {{n => $_, s => sprintf(\"%x\", $_)}} }} 1..50; print join(\",\", map {{$_->{{s}}}} sort {{$b->{{n}} <=> $a->{{n}}}} @a), \"\\n\"; eval {{die {{c => 3}}}}; print $@->{{c}}, \"\\n\"; local $_ = \"a1b22\"; tr/a-z/A-Z/; s/(\\d+)/<$1>/g; print'"],
    "git": ["rm -rf {d}/g; {p} init -q {d}/g && cp /etc/services {d}/g && cd {d}/g && {p} add . && GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' {p} -c user.name=n -c user.email=e commit -qm m && {p} log --stat && {p} cat-file -p HEAD:services | tail -3"],
}


# Loads the library argv[1] and calls its main() with what follows.
HOST = """
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
extern char **environ;
int main(int argc, char **argv) {
  void *library = dlopen(argv[1], RTLD_NOW);
  int (*call)(int, char **, char **) = library ? dlsym(library, "main") : 0;
  if (!call) return fprintf(stderr, "%s\\n", dlerror()), 99;
  exit(call(argc - 2, argv + 2, environ));
}
"""


def make_shared(path, name, seed, d):
    """A program that calls main() of a library; what delink says against it."""
    os.makedirs(d)
    status, _, err = run(f"delink --shared {path} -o {d}/lib.so --shuffle={seed} -q")
    if status:
        return err
    with open(f"{d}/host.c", "w") as f:
        f.write(HOST)
    run(f"cc -w {d}/host.c -o {d}/host")
    with open(f"{d}/{name}", "w") as f:
        f.write(f'#!/bin/sh\nexec {d}/host {d}/lib.so {d}/{name} "$@"\n')
    os.chmod(f"{d}/{name}", 0o755)
    return b""


def run(command, cwd=None):
    r = subprocess.run(["bash", "-c", command], capture_output=True, cwd=cwd,
                       env={**os.environ, "LC_ALL": "C", "TZ": "UTC"}, timeout=120)
    return r.returncode, r.stdout, r.stderr


def outputs(program, commands):
    out = []
    for c in commands:
        with tempfile.TemporaryDirectory() as d:
            status, text, _ = run(c.format(p=program, d=d))
            out.append((status, text.replace(d.encode(), b"DIR")))
    return out


def level(path):
    text = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    return "symbols" if " .symtab" in text else "stripped"


def check(name, args, work):
    path = os.path.realpath(shutil.which(name))
    expected = outputs(path, RUNS[name])
    if not all(text and status == 0 for status, text in expected):
        sys.exit(f"{name}: the original does not do what it is run for")
    results = []
    for seed in args.seeds.split(","):
        d = os.path.join(work, name + "." + seed)
        if args.shared:
            err = make_shared(path, name, seed, d)
        else:
            _, _, err = run(f"delink {path} -o {d} --shuffle={seed} -q")
        if err:
            return level(path), None, err.decode().split("\n")[0].split(": ", 2)[-1]
        if args.shared:
            results.append((seed, outputs(f"{d}/{name}", RUNS[name]) == expected))
            continue
        for linker in args.linkers.split(","):
            out = os.path.join(d, linker)
            os.makedirs(out)
            status, _, err = run(f"c++ @link.rsp -B{args.lld} -fuse-ld={linker} -o {out}/{name}", d)
            same = status == 0 and outputs(f"{out}/{name}", RUNS[name]) == expected
            results.append((f"{linker}/{seed}", same))
        shutil.rmtree(d)
    return level(path), results, ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--linkers", default="bfd,lld,mold")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--lld", default="/usr/lib/llvm-22/bin")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if not shutil.which("delink"):
        sys.exit("no delink in PATH")
    same = wrong = refused = 0
    with tempfile.TemporaryDirectory() as work:
        for name in args.names or RUNS:
            if not shutil.which(name):
                continue
            known, results, why = check(name, args, work)
            if results is None:
                refused += 1
                print(f"{name:10} {known:9} refused: {why}", flush=True)
                continue
            failed = [which for which, ok in results if not ok]
            same += not failed
            wrong += bool(failed)
            print(f"{name:10} {known:9} {len(results) - len(failed)} of {len(results)} the same"
                  + (" wrong: " + " ".join(failed) if failed else ""), flush=True)
    print(f"{same} the same, {wrong} wrong, {refused} refused")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
