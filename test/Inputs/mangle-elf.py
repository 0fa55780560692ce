"""Breaks an x86-64 ELF file: mangle-elf.py IN OUT EDIT...

An edit is TARGET=VALUE, TARGET+=VALUE or TARGET^=VALUE. A target is
  e_entry              a field of the ELF header
  PT_LOAD[1].p_offset  a field of the second program header of that type
  .dynsym.sh_link      a field of a section header
  DT_STRSZ             the value of an entry of .dynamic
  DT_STRSZ.tag         its tag
  u32@DT_GNU_HASH+4    bytes, by link-time address
  u8@PT_INTERP[0]+3    bytes, by what a program header describes
and a value is a Python expression in which targets may stand in braces:
  PT_LOAD[1].p_vaddr={PT_LOAD[0].p_vaddr}
OUT is cut to SIZE bytes by the edit size=SIZE.
"""
import re
import struct
import sys

EHDR = {
    "e_osabi": (7, "B"), "e_type": (16, "H"), "e_machine": (18, "H"),
    "e_version": (20, "I"), "e_entry": (24, "Q"), "e_phoff": (32, "Q"),
    "e_shoff": (40, "Q"), "e_ehsize": (52, "H"), "e_phentsize": (54, "H"),
    "e_phnum": (56, "H"), "e_shentsize": (58, "H"), "e_shnum": (60, "H"),
    "e_shstrndx": (62, "H"),
}
PHDR = {
    "p_type": (0, "I"), "p_flags": (4, "I"), "p_offset": (8, "Q"),
    "p_vaddr": (16, "Q"), "p_filesz": (32, "Q"), "p_memsz": (40, "Q"),
    "p_align": (48, "Q"),
}
SHDR = {
    "sh_name": (0, "I"), "sh_type": (4, "I"), "sh_flags": (8, "Q"),
    "sh_addr": (16, "Q"), "sh_offset": (24, "Q"), "sh_size": (32, "Q"),
    "sh_link": (40, "I"), "sh_addralign": (48, "Q"),
}
PT = {
    "NULL": 0, "LOAD": 1, "DYNAMIC": 2, "INTERP": 3, "NOTE": 4, "PHDR": 6,
    "TLS": 7, "GNU_EH_FRAME": 0x6474E550, "GNU_STACK": 0x6474E551,
    "GNU_RELRO": 0x6474E552, "GNU_PROPERTY": 0x6474E553,
}
DT = {
    "NEEDED": 1, "PLTRELSZ": 2, "HASH": 4, "STRTAB": 5, "SYMTAB": 6, "RELA": 7,
    "RELASZ": 8, "RELAENT": 9, "STRSZ": 10, "SYMENT": 11, "INIT": 12,
    "SONAME": 14, "PLTREL": 20, "DEBUG": 21, "JMPREL": 23, "INIT_ARRAY": 25,
    "INIT_ARRAYSZ": 27, "FLAGS": 30, "RELRSZ": 35, "RELR": 36, "RELRENT": 37,
    "GNU_HASH": 0x6FFFFEF5, "VERSYM": 0x6FFFFFF0, "RELACOUNT": 0x6FFFFFF9,
    "FLAGS_1": 0x6FFFFFFB, "VERDEF": 0x6FFFFFFC, "VERDEFNUM": 0x6FFFFFFD,
    "VERNEED": 0x6FFFFFFE, "VERNEEDNUM": 0x6FFFFFFF,
}
WIDTH = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}

data = bytearray(open(sys.argv[1], "rb").read())


def get(place):
    return struct.unpack_from("<" + place[1], data, place[0])[0]


def header(field):
    return get(EHDR[field])


def segment(kind, index):
    at = [
        header("e_phoff") + i * 56
        for i in range(header("e_phnum"))
        if get((header("e_phoff") + i * 56, "I")) == PT[kind]
    ]
    return at[index]


def section(name):
    start, count = header("e_shoff"), header("e_shnum")
    names = get((start + 64 * header("e_shstrndx") + 24, "Q"))
    for at in range(start, start + 64 * count, 64):
        if data[names + get((at, "I")) :].startswith(name.encode() + b"\0"):
            return at
    sys.exit("no section " + name)


def dynamic(tag):
    at = get((segment("DYNAMIC", 0) + 8, "Q"))
    while get((at, "Q")) not in (tag, 0):
        at += 16
    return at


def offset(address):
    for i in range(header("e_phnum")):
        p = header("e_phoff") + i * 56
        skip = address - get((p + 16, "Q"))
        if get((p, "I")) == 1 and 0 <= skip < get((p + 32, "Q")):
            return get((p + 8, "Q")) + skip
    sys.exit("no byte at %#x" % address)


def place(target):
    """File offset and struct format of a target."""
    if target in EHDR:
        return EHDR[target]
    if m := re.fullmatch(r"PT_(\w+)\[(\d+)\]\.(\w+)", target):
        at, form = PHDR[m[3]]
        return segment(m[1], int(m[2])) + at, form
    if m := re.fullmatch(r"(\..+)\.(sh_\w+)", target):
        at, form = SHDR[m[2]]
        return section(m[1]) + at, form
    if m := re.fullmatch(r"DT_(\w+?)(\.tag)?", target):
        return dynamic(DT[m[1]]) + (0 if m[2] else 8), "Q"
    if m := re.fullmatch(r"(u\d+)@(DT_\w+|PT_\w+\[\d+\]|\.[\w.]+)(.*)", target):
        field = {"D": "", "P": ".p_vaddr", ".": ".sh_addr"}[m[2][0]]
        return offset(get(place(m[2] + field)) + value(m[3] or "0")), WIDTH[m[1]]
    sys.exit("what is " + target + "?")


def value(text):
    return eval(re.sub(r"\{(.*?)\}", lambda m: str(get(place(m[1]))), text))


for edit in sys.argv[3:]:
    target, operator, text = re.fullmatch(r"(.+?)(\+=|\^=|=)(.*)", edit).groups()
    if target == "size":
        del data[value(text) :]
        continue
    at, form = place(target)
    new = value(text)
    if operator == "+=":
        new += get((at, form))
    elif operator == "^=":
        new ^= get((at, form))
    struct.pack_into("<" + form, data, at, new % (1 << 8 * struct.calcsize(form)))
open(sys.argv[2], "wb").write(data)
