"""Changes bytes inside of the packed blocks of a program's .patch.map.

    mutate-map.py APP OUT SEED COUNT COMMAND...

Makes COUNT changed programs, one after the other, under the name OUT, and runs
COMMAND on each: it has to end with status 0 or 1, within bounds.
"""
import ctypes
import os
import random
import struct
import subprocess
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
            self.blocks.append([kind, bytearray(call(zstd.ZSTD_decompress,
                                                     section[at:at + packed], unpacked)), n])
            at += packed

    def write(self, path, blocks):
        packed = [call(zstd.ZSTD_compress, b, len(b) + 1000, 1) for _, b, _ in blocks]
        section = self.start + struct.pack("<II", len(blocks), 16)
        for (kind, b, n), p in zip(blocks, packed):
            section += struct.pack("<IIII", kind, len(p), len(b), n)
        section += b"".join(packed)
        data = bytearray(self.data)
        struct.pack_into("<QQ", data, self.header + 24, len(data), len(section))
        open(path, "wb").write(data + section)


def main():
    app, out, seed, count, *command = sys.argv[1:]
    r = random.Random(int(seed))
    program = Program(app)
    program.write(out, program.blocks)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    statuses = set()
    for _ in range(int(count)):
        blocks = [[k, bytearray(b), n] for k, b, n in program.blocks]
        for _ in range(r.randint(1, 3)):
            # The details of objects are where most is.
            kind, data, _ = r.choice([b for b in blocks if b[1] and (b[0] == 2 or r.random() < .4)] or blocks)
            for _ in range(r.randint(1, 4)):
                at = r.randrange(len(data))
                data[at] = r.choice([0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1, r.randrange(256)])
            if r.random() < .1:
                del data[r.randrange(len(data)):]
        program.write(out, blocks)
        bounded = os.path.join(os.path.dirname(__file__), "bounded.py")
        done = subprocess.run([sys.executable, bounded, "0,1", *command],
                              capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stdout + done.stderr
        statuses.add("error: " in done.stdout + done.stderr)
    assert statuses == {True, False}, statuses


main()
