#!/usr/bin/env python3
"""Scores what delink recovered against the relocations that the linker kept.

  score-delink.py LIST TWIN.Q

LIST is what `delink --references` wrote of the program, TWIN.Q the same program
linked with --emit-relocs. A place is counted once. Kept relocations of the
start-up objects and of what linkers resolve without the place's help are left
out, and so is what lies within one function: both are no reference between
pieces.
"""
import bisect
import collections
import re
import subprocess
import sys

def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout

STARTUP = {"_start", "_init", "_fini", "frame_dummy", "deregister_tm_clones",
           "register_tm_clones", "__do_global_dtors_aux"}
LEFT_OUT = re.compile(r"\.rela\.(dyn|plt|init|fini|debug.*|comment|note.*|gnu.*)$")

def main():
    found = {}
    for line in open(sys.argv[1]):
        place, kind, meaning, target, symbol, evidence = line.rstrip("\n").split("\t")
        found[int(place, 16)] = (int(target, 16), meaning, evidence)

    twin = sys.argv[2]
    sections = []
    for line in run("llvm-readelf", "-SW", twin).splitlines():
        m = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+([0-9a-f]+)\s+\S+\s+([0-9a-f]+)\s+\S+\s+(\S*)", line)
        # .tbss takes no addresses.
        if m and "A" in m[4] and m[1] != ".tbss":
            sections.append((int(m[2], 16), int(m[3], 16), m[1], m[4]))
    functions = []
    dropped = []
    for line in run("llvm-readelf", "-sW", twin).splitlines():
        f = line.split()
        if len(f) < 8 or f[3] not in ("FUNC", "IFUNC") or f[6] == "UND":
            continue
        start, size = int(f[1], 16), int(f[2], 0)
        functions.append((start, size))
        # crt1.o has one that does nothing; another is part of a static libc.
        if f[7] in STARTUP or f[7] == "_dl_relocate_static_pie" and size < 16:
            dropped.append((start, max(size, 1)))
    functions.sort()

    def function_of(address):
        i = bisect.bisect_right(functions, (address, 1 << 62)) - 1
        if i >= 0 and address - functions[i][0] < functions[i][1]:
            return functions[i][0]
        return None

    def kind_of(name, relocation):
        if "TPOFF" in relocation or "TLS" in relocation or "DTP" in relocation:
            return "thread-local"
        if name.startswith(".rela.eh_frame") or name.startswith(".rela.gcc_except"):
            return "unwind"
        if name.startswith((".rela.rodata", ".rela.data.rel.ro")) and "PC32" in relocation:
            return "jump table"
        if name.startswith(".rela.text"):
            return "call" if "PLT32" in relocation else "data in code"
        return "pointer"

    # Code without a size in the symbol table: crtbegin's.
    def in_startup(address):
        for start, size in dropped:
            if start <= address < start + max(size, 1):
                return True
        return False
    sized = [f[0] for f in functions if f[1]]
    dropped = [(s, n if n > 1 else next((x for x in sorted(f[0] for f in functions) if x > s), s + 64) - s)
               for s, n in dropped]

    truth = {}
    name = None
    relocations = {}
    for line in run("llvm-readelf", "-rW", twin).splitlines():
        m = re.match(r"Relocation section '(\S+)'", line)
        if m:
            name = m[1]
            continue
        m = re.match(r"([0-9a-f]{16})\s+[0-9a-f]+\s+R_X86_64_(\S+)\s+(\S+)?", line)
        if not m or name is None or LEFT_OUT.match(name):
            continue
        relocations[int(m[1], 16)] = (name, m[2])
    places = sorted(relocations)
    executable = " INTERP " in run("llvm-readelf", "-lW", twin)

    def section_of(address):
        for s, n, sname, f in sections:
            if s <= address < s + n:
                return sname
        return None

    total, hit, missed, extra = (collections.Counter() for _ in range(4))
    lost = []
    bytes_at = reader(twin, sections)
    low, high = min(s[0] for s in sections), max(s[0] + s[1] for s in sections)
    low = 0 if low < 0x10000 else low # position-independent
    for place in places:
        name, relocation = relocations[place]
        # At fixed addresses the words say which symbols are numbers: absolute ones,
        # and those that nothing defines; thread-local ones too.
        if low and relocation in ("64", "32", "32S"):
            value = int.from_bytes(bytes_at(place, 8 if relocation == "64" else 4), "little")
            if not low <= value <= high:
                continue
        if relocation == "GOTTPOFF" and \
                int.from_bytes(bytes_at(place, 4), "little", signed=True) < -0x10000:
            continue
        if relocation == "NONE" or in_startup(place):
            continue
        # A relaxed sequence keeps relocations that mean nothing any more.
        if "PLT32" in relocation and place in relocations and \
                any(relocations.get(place - d, ("", ""))[1] in ("TLSGD", "TLSLD")
                    for d in (8, 7, 6, 5)):
            continue
        if "PLT32" in relocation or "PC32" in relocation:
            value = int.from_bytes(bytes_at(place, 4), "little", signed=True)
            target = place + value
            # Within one function and not to its start.
            if name.startswith(".rela.text"):
                end = place + 4 + value
                own = function_of(place)
                if own is not None and function_of(end) == own and end != own:
                    continue
            # Both ends move together.
            if name.startswith(".rela.rodata") and \
                    section_of(target) == section_of(place):
                continue
            if name.startswith(".rela.eh_frame") and (in_startup(target) or
                    (section_of(target) or "").startswith(".plt")):
                continue
        if name.startswith((".rela.init_array", ".rela.fini_array")):
            if in_startup(int.from_bytes(bytes_at(place, 8), "little")):
                continue
        # In executables these become offsets from the thread pointer: of
        # general-dynamic code the field moves to that of its call, of local-dynamic code it goes.
        if "TLSLD" in relocation and executable or \
                "DTPOFF32" in relocation and not executable:
            continue
        if "TLSGD" in relocation and executable:
            place += 8
        kind = kind_of(name, relocation)
        # Tables of addresses, in programs at fixed ones.
        if low and kind == "pointer" and relocation == "64":
            value = int.from_bytes(bytes_at(place, 8), "little")
            if function_of(value) not in (None, value):
                kind = "jump table"
        total[kind] += 1
        if place in found:
            hit[kind] += 1
        else:
            missed[kind] += 1
            lost.append((place, kind, relocation, name))
    spurious = []
    for place, (target, meaning, evidence) in sorted(found.items()):
        # What the assembler resolved itself: a function's call of itself, and of
        # another one in its section.
        if place in relocations or (meaning == "address" and
                                    target == function_of(place)):
            continue
        section = section_of(place) or ""
        if section.startswith((".got", ".plt", ".init", ".fini", ".dynamic")):
            continue
        extra[evidence] += 1
        spurious.append((place, evidence, section))
    for kind in ("call", "data in code", "jump table", "pointer", "unwind", "thread-local"):
        if total[kind]:
            print(f"{kind}: {hit[kind]} of {total[kind]}")
    print(f"spurious: {sum(extra.values())}")
    if any(evidence == "assumed address" for _, _, evidence in found.values()):
        print(f"spurious and assumed: {extra['assumed address']}")
    for place, kind, relocation, name in lost[:20]:
        print(f"  missed {place:#x} {kind} {relocation} in {name}")
    for place, evidence, section in spurious[:20]:
        print(f"  spurious {place:#x} by {evidence} in {section}")
    return bool(lost or spurious)

def reader(path, sections):
    data = open(path, "rb").read()
    table = {}
    for line in run("llvm-readelf", "-SW", path).splitlines():
        m = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)", line)
        if m and m[2] != "NOBITS":
            table[int(m[3], 16)] = (int(m[5], 16), int(m[4], 16))
    def at(address, size):
        for start, (length, offset) in table.items():
            if start and start <= address < start + length:
                return data[offset + address - start:offset + address - start + size]
        return b"\0" * size
    return at

if __name__ == "__main__":
    sys.exit(main())
