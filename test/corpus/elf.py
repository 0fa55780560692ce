"""The little of an ELF file that the corpus runner needs to choose a function."""

import struct

PT_LOAD, PT_INTERP, PT_GNU_EH_FRAME = 1, 3, 0x6474E550
SHT_SYMTAB, SHT_DYNSYM = 2, 11
STT_FUNC, STB_LOCAL = 2, 0
EM_X86_64, ET_EXEC, ET_DYN = 62, 2, 3


class NotProgram(Exception):
    """Not an x86-64 program or library."""


class Elf:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        d = self.data
        if len(d) < 64 or d[:6] != b"\x7fELF\x02\x01":
            raise NotProgram(path)
        kind, machine = struct.unpack_from("<HH", d, 16)
        if machine != EM_X86_64 or kind not in (ET_EXEC, ET_DYN):
            raise NotProgram(path)
        self.entry, phoff, shoff = struct.unpack_from("<QQQ", d, 24)
        phnum, _, shnum, names = struct.unpack_from("<HHHH", d, 56)
        # (type, offset, address, size in the file)
        self.segments = []
        for i in range(phnum):
            type_, _, off, addr, _, size = struct.unpack_from("<IIQQQQ", d, phoff + i * 56)
            self.segments.append((type_, off, addr, size))
        # (type, offset, size, link)
        self.sections = []
        self.stubs = []  # ranges of the PLTs, which .eh_frame describes like functions
        for i in range(shnum):
            name, type_, _, addr, off, size, link = struct.unpack_from("<IIQQQQI", d, shoff + i * 64)
            self.sections.append((type_, off, size, link))
            (base,) = struct.unpack_from("<Q", d, shoff + names * 64 + 24)
            if d[base + name : base + name + 4] == b".plt":
                self.stubs.append(range(addr, addr + size))
        self.interpreter = ""
        for type_, off, _, size in self.segments:
            if type_ == PT_INTERP:
                self.interpreter = d[off : off + size].rstrip(b"\0").decode()

    def offset(self, address):
        for type_, off, addr, size in self.segments:
            if type_ == PT_LOAD and addr <= address < addr + size:
                return off + address - addr
        return None

    def symbols(self, table):
        """(name, address, size, is local) of the functions of a table."""
        for type_, off, size, link in self.sections:
            if type_ != table:
                continue
            names = self.sections[link][1]
            for at in range(off, off + size, 24):
                name, info, _, shndx, value, length = struct.unpack_from("<IBBHQQ", self.data, at)
                if info & 15 == STT_FUNC and shndx and length:
                    end = self.data.index(b"\0", names + name)
                    yield (self.data[names + name : end].decode(errors="replace"),
                           value, length, info >> 4 == STB_LOCAL)

    def unwind(self):
        """{start: size} of the functions in .eh_frame, by .eh_frame_hdr."""
        found = {}
        for type_, off, addr, size in self.segments:
            if type_ != PT_GNU_EH_FRAME or self.data[off : off + 4] != b"\x01\x1b\x03\x3b":
                continue
            (count,) = struct.unpack_from("<I", self.data, off + 8)
            for i in range(min(count, (size - 12) // 8)):
                start, fde = struct.unpack_from("<ii", self.data, off + 12 + i * 8)
                at = self.offset(addr + fde)
                if at is None:
                    continue
                # A pcrel sdata4 start, as compilers write it, then the length.
                begin, length = struct.unpack_from("<iI", self.data, at + 8)
                if addr + fde + 8 + begin == addr + start and not any(
                        addr + start in stubs for stubs in self.stubs):
                    found[addr + start] = length
        return found

    def main(self):
        """What _start passes to __libc_start_main, or None."""
        at = self.offset(self.entry)
        if at is None:
            return None
        code = self.data[at : at + 64]
        lea = code.find(b"\x48\x8d\x3d")  # lea main(%rip), %rdi
        if lea >= 0:
            (distance,) = struct.unpack_from("<i", code, lea + 3)
            return self.entry + lea + 7 + distance
        mov = code.find(b"\x48\xc7\xc7")  # mov $main, %rdi
        if mov >= 0:
            return struct.unpack_from("<I", code, mov + 3)[0]
        return None
