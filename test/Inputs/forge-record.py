"""Puts a forged record of a patch behind a program: forge-record.py APP OUT FIELD=VALUE...

Without fields it is a record that can be listed, though its hashes are wrong.
Fields are those of docs/format.md:
  size end tail result edits blocks unpacked packed   numbers in the header
  edit     OFFSET:SIZE of the one changed range
  text     a Python expression for the description
  repeat   a Python expression (byte, count): the body as a run of one byte
"""
import struct
import sys


def frame(body):
    """zstd (RFC 8878): blocks of at most 128 KiB, raw or, for runs, RLE."""
    byte, count = body if isinstance(body, tuple) else (None, len(body))
    out = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", count)
    step = 128 << 10
    for at in range(0, max(count, 1), step):
        size = min(step, count - at)
        last = at + step >= count
        kind = 0 if byte is None else 1
        out += struct.pack("<I", last | kind << 1 | size << 3)[:3]
        out += body[at : at + size] if byte is None else byte
    return out


app = open(sys.argv[1], "rb").read()
fields = dict(f.split("=", 1) for f in sys.argv[3:])
number = lambda name, default: eval(fields[name]) if name in fields else default

edits = [tuple(eval(v) for v in fields["edit"].split(":"))] if "edit" in fields else []
body = eval(fields["repeat"]) if "repeat" in fields else eval(fields.get("text", "b'{}'"))
unpacked = body[1] if isinstance(body, tuple) else len(body)
packed = frame(body)
blocks = -(-len(app) // 65536)
start = -(-len(app) // 8) * 8
size = 168 + 24 * len(edits) + 8 * blocks + len(packed)
record = b"relink record\0\r\n" + struct.pack(
    "<IIQQQQIIII", 1, 0, number("size", len(app)), number("end", len(app)),
    number("tail", start), number("result", start + size),
    number("edits", len(edits)), number("blocks", blocks),
    number("unpacked", unpacked) & 0xFFFFFFFF, number("packed", len(packed)))
record += bytes(96)
for offset, length in edits:
    record += struct.pack("<QQQ", offset, length, 0)
record += bytes(8 * blocks) + packed
open(sys.argv[2], "wb").write(app.ljust(start, b"\0") + record)
