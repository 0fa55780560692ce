//===- Record.cpp - What a patch did, kept in the patched file ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Record.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Compression.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using support::endian::read32le;
using support::endian::read64le;
using support::endian::write64le;

namespace relink {
namespace {

constexpr char magic[16] = {'r', 'e', 'l', 'i', 'n', 'k', ' ', 'r',
                            'e', 'c', 'o', 'r', 'd', 0,   '\r', '\n'};
constexpr uint32_t version = 1, hasSha = 1, inside = 2;
constexpr uint64_t mostDescription = uint64_t(16) << 20;

class Writer {
public:
  std::vector<uint8_t> bytes;
  void u32(uint32_t v) { number(v, 4); }
  void u64(uint64_t v) { number(v, 8); }
  void raw(ArrayRef<uint8_t> b) {
    bytes.insert(bytes.end(), b.begin(), b.end());
  }

private:
  void number(uint64_t v, unsigned size) {
    for (unsigned i = 0; i < size; ++i)
      bytes.push_back(v >> (8 * i));
  }
};

} // namespace

void normalizeEdits(std::vector<RecordedEdit> &edits) {
  llvm::sort(edits, [](auto &a, auto &b) { return a.offset < b.offset; });
  std::vector<RecordedEdit> out;
  for (const RecordedEdit &e : edits) {
    if (out.empty() || e.offset > out.back().offset + out.back().size)
      out.push_back(e);
    else
      out.back().size = std::max(out.back().offset + out.back().size,
                                 e.offset + e.size) -
                        out.back().offset;
  }
  edits = std::move(out);
}

std::vector<uint8_t> encodeRecord(const Record &r) {
  std::string text;
  raw_string_ostream(text) << json::Value(json::Object(r.description));
  std::vector<uint8_t> body = r.originals;
  body.insert(body.end(), text.begin(), text.end());
  SmallVector<uint8_t, 0> packed;
  compression::zstd::compress(body, packed, compression::zstd::BestSizeCompression);

  Writer w;
  w.raw(ArrayRef(reinterpret_cast<const uint8_t *>(magic), sizeof(magic)));
  w.u32(version);
  w.u32((r.original.sha ? hasSha : 0) | (r.isInside ? inside : 0));
  w.u64(r.original.size);
  w.u64(r.elfEnd);
  w.u64(r.tailOffset);
  w.u64(r.resultSize);
  w.u32(r.edits.size());
  w.u32(r.original.blocks.size());
  w.u32(body.size());
  w.u32(packed.size());
  w.raw(r.original.tree);
  w.raw(r.original.sha.value_or(Digest{}));
  w.raw(r.tailHash);
  for (const RecordedEdit &e : r.edits) {
    w.u64(e.offset);
    w.u64(e.size);
    w.u64(e.check);
  }
  for (uint64_t b : r.original.blocks)
    w.u64(b);
  w.raw(packed);
  return std::move(w.bytes);
}

namespace {

/// The record's bytes are hostile until they are checked against each other.
/// json::parse() calls itself for each bracket; ours nest three deep.
bool isFlat(StringRef text) {
  constexpr int most = 32;
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size() && depth <= most; ++i) {
    char c = text[i];
    if (c == '"')
      inString = !inString;
    else if (inString)
      i += c == '\\';
    else
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
  }
  return depth <= most;
}

class Reader {
public:
  Reader(const Image &file, ArrayRef<uint8_t> bytes, uint64_t offset)
      : file(file), bytes(bytes), offset(offset) {}
  Expected<Record> run();

private:
  Error error(const Twine &what) const {
    return makeError(file.path + ": its record of a patch, at " + hex(offset) +
                     ", can't be used: " + what);
  }
  Error readEdits(Record &r, uint32_t count) const;
  Error readBody(Record &r, ArrayRef<uint8_t> packed, uint64_t size) const;

  const Image &file;
  ArrayRef<uint8_t> bytes; ///< from the record's start to the file's end
  uint64_t offset;
};

Error Reader::readEdits(Record &r, uint32_t count) const {
  uint64_t end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t *p = &bytes[editsOffset + i * editEntrySize];
    RecordedEdit e = {read64le(p), read64le(p + 8), read64le(p + 16)};
    if (e.offset < end || e.offset > r.elfEnd || e.size > r.elfEnd - e.offset)
      return error("a changed range lies outside of the original");
    end = e.offset + e.size;
    r.edits.push_back(e);
  }
  return Error::success();
}

Error Reader::readBody(Record &r, ArrayRef<uint8_t> packed,
                       uint64_t size) const {
  uint64_t changed = 0;
  for (const RecordedEdit &e : r.edits)
    changed += e.size;
  if (size < changed || size - changed > mostDescription)
    return error("its size is wrong");
  SmallVector<uint8_t, 0> body;
  if (Error e = compression::zstd::decompress(packed, body, size))
    return error(toString(std::move(e)));
  if (body.size() != size)
    return error("it is truncated");
  r.originals.assign(body.begin(), body.begin() + changed);
  StringRef description = toStringRef(ArrayRef(body).drop_front(changed));
  if (!isFlat(description))
    return error("its description is nested too deeply");
  auto text = json::parse(description);
  if (!text)
    return error(toString(text.takeError()));
  if (auto *o = text->getAsObject())
    r.description = std::move(*o);
  return Error::success();
}

Expected<Record> Reader::run() {
  const uint8_t *p = bytes.data();
  Record r;
  r.offset = offset;
  if (uint32_t v = read32le(p + 16); v != version)
    return error("it has version " + Twine(v) + ", expected " + Twine(version));
  r.original.size = read64le(p + 24);
  r.elfEnd = read64le(p + 32);
  r.tailOffset = read64le(p + 40);
  r.resultSize = read64le(p + resultSizeOffset);
  uint32_t edits = read32le(p + 56), blocks = read32le(p + 60);
  uint64_t unpacked = read32le(p + 64), packed = read32le(p + 68);
  llvm::copy(bytes.slice(72, 32), r.original.tree.begin());
  r.isInside = read32le(p + 20) & inside;
  if (read32le(p + 20) & hasSha) {
    r.original.sha.emplace();
    llvm::copy(bytes.slice(104, 32), r.original.sha->begin());
  }
  llvm::copy(bytes.slice(tailHashOffset, 32), r.tailHash.begin());
  uint64_t blocksAt = editsOffset + edits * editEntrySize;
  uint64_t packedAt = blocksAt + uint64_t(blocks) * 8;
  if (packedAt > bytes.size() || packed > bytes.size() - packedAt)
    return error("it is truncated");
  r.size = packedAt + packed;
  uint64_t size = file.bytes().size();
  if (r.resultSize != size || r.original.size < r.elfEnd ||
      (r.elfEnd > r.tailOffset && !r.isInside) ||
      r.tailOffset > offset || r.payloadSize() > size - offset - r.size ||
      blocks != divideCeil(r.original.size, hashBlock) ||
      (r.isInside && (r.original.size != size || r.elfEnd != size ||
                      r.tailOffset != offset)))
    return error("it is of a file of another size; has the patched file been "
                 "stripped or edited since?");
  for (uint32_t i = 0; i < blocks; ++i)
    r.original.blocks.push_back(read64le(p + blocksAt + i * 8));
  if (Error e = readEdits(r, edits))
    return e;
  if (Error e = readBody(r, bytes.slice(packedAt, packed), unpacked))
    return e;
  return r;
}

bool startsRecord(ArrayRef<uint8_t> bytes) {
  return bytes.size() >= editsOffset &&
         memcmp(bytes.data(), magic, sizeof(magic)) == 0;
}

} // namespace

/// Size of the record at the start of \p bytes, as it states it; 0 if that can't
/// be.
static uint64_t sizeOf(ArrayRef<uint8_t> bytes) {
  if (!startsRecord(bytes))
    return 0;
  uint64_t size = editsOffset + uint64_t(read32le(&bytes[56])) * editEntrySize +
                  uint64_t(read32le(&bytes[60])) * 8 + read32le(&bytes[68]);
  return size <= bytes.size() ? size : 0;
}

static bool isInside(ArrayRef<uint8_t> record) {
  return read32le(&record[20]) & inside;
}

std::optional<RecordPool> findRecordPool(const Image &file) {
  for (const Section &s : file.sections) {
    if (s.name != recordSection || s.isAlloc() || s.offset % 8 ||
        s.offset > file.bytes().size() || s.size > file.bytes().size() - s.offset)
      continue;
    ArrayRef<uint8_t> bytes = file.bytes().slice(s.offset, s.size);
    uint64_t at = 0;
    while (at < s.size)
      if (uint64_t size = sizeOf(bytes.drop_front(at));
          size && isInside(bytes.drop_front(at)))
        at = alignTo(at + size, 8);
      else
        break;
    // What a patch appended has the same name, and is no pool.
    if (at >= s.size || llvm::all_of(bytes.drop_front(at), [](uint8_t b) { return !b; }))
      return RecordPool{s.offset, s.size, std::min(at, s.size)};
  }
  return std::nullopt;
}

/// Where the newest record may be, the likeliest first.
static SmallVector<uint64_t, 3> findRecords(const Image &file) {
  SmallVector<uint64_t, 3> out;
  if (auto pool = findRecordPool(file)) {
    uint64_t at = 0, last = 0;
    while (at < pool->used) {
      last = at;
      at += alignTo(sizeOf(file.bytes().drop_front(pool->offset + at)), 8);
    }
    if (pool->used)
      out.push_back(pool->offset + last);
  }
  out.push_back(alignTo(file.elfEnd, 8));
  // An older patch's record lies in front of a newer one's.
  const Section *found = nullptr;
  for (const Section &s : file.sections)
    if (s.name == recordSection && (!found || s.offset > found->offset))
      found = &s;
  if (found)
    out.push_back(found->offset);
  return out;
}

Expected<std::optional<Record>> readRecord(const Image &file) {
  SmallVector<uint64_t, 3> candidates = findRecords(file);
  for (uint64_t offset : candidates) {
    if (offset > file.bytes().size())
      continue;
    ArrayRef<uint8_t> bytes = file.bytes().drop_front(offset);
    if (!startsRecord(bytes))
      continue;
    // That of an older patch is part of the original of a newer one.
    bool isNewest = read64le(&bytes[resultSizeOffset]) == file.bytes().size();
    if (isNewest || offset == candidates.back()) {
      auto record = Reader(file, bytes, offset).run();
      if (!record)
        return record.takeError();
      return std::optional(std::move(*record));
    }
  }
  return std::nullopt;
}

Digest hashTail(ArrayRef<uint8_t> file, const Record &r) {
  uint64_t hashAt = r.offset + tailHashOffset;
  uint64_t start = r.isInside ? r.offset : r.elfEnd;
  uint64_t end = r.isInside ? r.offset + r.size : file.size() - r.payloadSize();
  BLAKE3 h;
  h.update(file.slice(start, hashAt - start));
  h.update(Digest{});
  uint64_t from = hashAt + sizeof(Digest);
  h.update(file.slice(from, end - from));
  return h.final<32>();
}

std::vector<uint8_t> restore(ArrayRef<uint8_t> file, const Record &r) {
  std::vector<uint8_t> out(file.take_front(r.elfEnd));
  const uint8_t *from = r.originals.data();
  for (const RecordedEdit &e : r.edits) {
    std::copy_n(from, e.size, out.begin() + e.offset);
    from += e.size;
  }
  if (r.isInside)
    std::fill_n(out.begin() + r.offset, r.size, 0);
  ArrayRef<uint8_t> payload = file.take_back(r.payloadSize());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

} // namespace relink
