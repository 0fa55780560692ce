"""A program's .patch.map, its blocks unpacked: docs/format.md."""
import ctypes
import struct
import sys

zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_compress.restype = zstd.ZSTD_decompress.restype = ctypes.c_size_t


def call(function, data, room, *more):
    out = ctypes.create_string_buffer(room)
    size = function(out, ctypes.c_size_t(room), bytes(data),
                    ctypes.c_size_t(len(data)), *more)
    assert size <= room, "zstd failed"
    return out.raw[:size]


class Program:
    def __init__(self, path):
        self.data = open(path, "rb").read()
        table, = struct.unpack_from("<Q", self.data, 40)
        count, names = struct.unpack_from("<HH", self.data, 60)
        strings, = struct.unpack_from("<Q", self.data, table + 64 * names + 24)
        for i in range(count):
            self.header = table + 64 * i
            name, = struct.unpack_from("<I", self.data, self.header)
            if self.data.startswith(b".patch.map\0", strings + name):
                break
        else:
            sys.exit("no .patch.map")
        at, size = struct.unpack_from("<QQ", self.data, self.header + 24)
        section = self.data[at:at + size]
        self.start = section[:24]
        blocks, entry = struct.unpack_from("<II", section, 24)
        at = 32 + blocks * entry
        self.blocks = []
        for i in range(blocks):
            kind, packed, unpacked, n = struct.unpack_from("<IIII", section, 32 + i * entry)
            data = section[at:at + packed]
            if not kind >> 31:  # with a prefix it stays as it is
                data = call(zstd.ZSTD_decompress, data, unpacked)
            self.blocks.append([kind, bytearray(data), n])
            at += packed

    def write(self, path, blocks):
        assert not any(kind >> 31 for kind, _, _ in blocks)
        packed = [call(zstd.ZSTD_compress, b, len(b) + 1000, 1) for _, b, _ in blocks]
        section = self.start + struct.pack("<II", len(blocks), 16)
        for (kind, b, n), p in zip(blocks, packed):
            section += struct.pack("<IIII", kind, len(p), len(b), n)
        section += b"".join(packed)
        data = bytearray(self.data)
        struct.pack_into("<QQ", data, self.header + 24, len(data), len(section))
        open(path, "wb").write(data + section)
