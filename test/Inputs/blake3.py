"""BLAKE3, 256 bits, as hex: the specification's rules, for small inputs."""
import struct

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
START, END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF
MIXES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def rotate(x, n):
    return x >> n | (x << (32 - n)) & MASK


def compress(chaining, words, counter, length, flags):
    s = list(chaining) + list(IV[:4]) + [counter & MASK, counter >> 32, length, flags]
    m = list(words)
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(MIXES):
            for word, first, second in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                s[a] = (s[a] + s[b] + word) & MASK
                s[d] = rotate(s[d] ^ s[a], first)
                s[c] = (s[c] + s[d]) & MASK
                s[b] = rotate(s[b] ^ s[c], second)
        m = [m[i] for i in ORDER]
    return tuple(s[i] ^ s[i + 8] for i in range(8))


def chunk(data, counter, flags):
    chaining, blocks = IV, [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    for i, block in enumerate(blocks):
        last = i == len(blocks) - 1
        chaining = compress(chaining, struct.unpack("<16I", block.ljust(64, b"\0")),
                            counter, len(block),
                            (START if i == 0 else 0) | (END | flags if last else 0))
    return chaining


def tree(data, counter, flags):
    if len(data) <= 1024:
        return chunk(data, counter, flags)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    pair = tree(data[:left], counter, 0) + tree(data[left:], counter + left // 1024, 0)
    return compress(IV, pair, 0, 64, PARENT | flags)


def blake3(data):
    return struct.pack("<8I", *tree(data, 0, ROOT)).hex()


# The specification's own test vectors.
assert blake3(b"").startswith("af1349b9f5f9a1a6a0404dea36dcc949")
