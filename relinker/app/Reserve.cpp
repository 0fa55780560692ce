//===- Reserve.cpp - What ld.relink reserved in a program -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reserve.h"
#include "Error.h"
#include "ReserveSpace.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;

namespace relink {
namespace {

struct Descriptor {
  ArrayRef<uint8_t> bytes;
  uint64_t address = 0, offset = 0; ///< of bytes
};

/// The descriptor of the note of type 1 in a PT_NOTE (gABI, "Note Section").
std::optional<Descriptor> findNote(const Image &image, const Phdr &segment) {
  ArrayRef<uint8_t> all = image.bytesAt(segment.p_vaddr, segment.p_filesz);
  uint64_t align = segment.p_align == 8 ? 8 : 4, at = 0;
  while (at + 12 <= all.size()) {
    auto *head = reinterpret_cast<const ulittle32_t *>(all.data() + at);
    uint64_t nameSize = head[0], descSize = head[1];
    uint64_t desc = alignTo(at + 12 + nameSize, align);
    if (desc > all.size() || descSize > all.size() - desc)
      return std::nullopt;
    if (head[2] == reserveNoteType && nameSize == sizeof(noteOwner) &&
        !memcmp(all.data() + at + 12, noteOwner, nameSize))
      return Descriptor{all.slice(desc, descSize), segment.p_vaddr + desc,
                        uint64_t(all.data() - image.bytes().data()) + desc};
    at = alignTo(desc + descSize, align);
  }
  return std::nullopt;
}

class Reader {
public:
  Reader(const Image &image, Descriptor note) : image(image), note(note) {}
  Expected<Reserve> read();

private:
  Error readPools(uint64_t at, unsigned count, unsigned size);
  Error readSpares(uint64_t at, unsigned count, unsigned size);
  Error readTables(const Header &h);
  void readDynamicRoom();
  Error error(const Twine &what) const {
    return makeError(image.path + ": its .note.relink " + what +
                     "\n>>> remedy: link it again with ld.relink");
  }
  /// Unsigned: distances wrap at the top of the address space.
  uint64_t place(uint64_t field, int64_t distance) const {
    return note.address + field + uint64_t(distance);
  }

  const Image &image;
  Descriptor note;
  Reserve out;
};

Error Reader::readPools(uint64_t at, unsigned count, unsigned size) {
  for (unsigned i = 0; i < count; ++i, at += size) {
    auto *p = reinterpret_cast<const Pool *>(note.bytes.data() + at);
    ReservePool pool;
    if (!p->kind || p->kind > poolKinds)
      continue; // a later version's
    pool.kind = PoolKind(uint16_t(p->kind));
    pool.address = place(at + offsetof(Pool, distance), p->distance);
    pool.size = p->size;
    pool.used = p->used;
    pool.sizeField = note.offset + at + offsetof(Pool, size);
    pool.usedField = note.offset + at + offsetof(Pool, used);
    const Phdr *load = image.loadAt(pool.address);
    uint64_t inside = load ? pool.address - load->p_vaddr : 0;
    if (!load || pool.size > load->p_memsz - inside || pool.used > pool.size)
      return error("has a " + Twine(poolNames[p->kind - 1]) + " pool at " +
                   hex(pool.address) + " of " + Twine(pool.size) +
                   " bytes, which is not in the program");
    if (!image.bytesAt(pool.address, pool.size).empty())
      pool.offset = image.fileOffset(pool.address);
    else if (pool.kind != PoolKind::Bss)
      return error("has a " + Twine(poolNames[p->kind - 1]) + " pool at " +
                   hex(pool.address) + ", which is not in the file");
    out.pools.push_back(pool);
  }
  return Error::success();
}

/// A spare note that lld joined with a neighbour is no header that can be
/// taken.
Error Reader::readSpares(uint64_t at, unsigned count, unsigned size) {
  for (unsigned i = 0; i < count; ++i, at += size) {
    auto *s = reinterpret_cast<const Spare *>(note.bytes.data() + at);
    uint64_t address = place(at + offsetof(Spare, distance), s->distance);
    auto header = llvm::find_if(image.segments, [&](const Phdr &p) {
      return p.p_type == PT_NOTE && p.p_vaddr == address &&
             p.p_filesz == s->size;
    });
    if (header != image.segments.end())
      out.spareHeaders.push_back(header - image.segments.begin());
  }
  return Error::success();
}

Expected<Reserve> Reader::read() {
  if (note.bytes.size() < leastHeaderSize)
    return error("is too short");
  auto *h = reinterpret_cast<const Header *>(note.bytes.data());
  out.version = h->version;
  if (!h->version || h->headerSize < leastHeaderSize ||
      h->poolSize < sizeof(Pool) || h->spareSize < sizeof(Spare))
    return error("has records shorter than those of version 1");
  uint64_t pools = h->headerSize;
  uint64_t spares = pools + uint64_t(h->poolCount) * h->poolSize;
  if (spares + uint64_t(h->spareCount) * h->spareSize > note.bytes.size())
    return error("is shorter than the records it has");
  out.paddingBytes = h->paddingBytes;
  out.paddingPercent = h->paddingPercent;
  if (h->hotPatchKind <= unsigned(HotPatchKind::Mixed))
    out.hotPatch = HotPatchKind(h->hotPatchKind);
  out.entryNops = h->entryNops;
  out.prefixNops = h->prefixNops;
  out.codeObjects = h->codeObjects;
  out.readyObjects = h->readyObjects;
  if (Error e = readPools(pools, h->poolCount, h->poolSize))
    return e;
  if (Error e = readSpares(spares, h->spareCount, h->spareSize))
    return e;
  if (h->headerSize >= sizeof(Header))
    if (Error e = readTables(*h))
      return e;
  readDynamicRoom();
  out.record = findRecordPool(image);
  return std::move(out);
}

Error Reader::readTables(const Header &h) {
  auto isThere = [&](uint64_t address, uint64_t size) {
    return !image.bytesAt(address, size).empty();
  };
  if (h.constructors) {
    out.constructorCount = h.constructors;
    out.constructors = place(offsetof(Header, constructorDistance),
                             h.constructorDistance);
    if (!isThere(out.constructors, out.constructorCount * 8))
      return error("has words of .init_array at " + hex(out.constructors) +
                   ", which is not in the file");
  }
  uint64_t from = place(offsetof(Header, entriesDistance), h.entriesDistance);
  uint64_t to = place(offsetof(Header, entriesEndDistance), h.entriesEndDistance);
  if (to > from) {
    out.entryTable = from;
    out.entryTableSize = to - from;
    if (!isThere(from, to - from))
      return error("has a table of hot-patch entries at " + hex(from) +
                   ", which is not in the file");
  }
  if (h.slotDistance)
    out.slot = place(offsetof(Header, slotDistance), h.slotDistance);
  if (h.frameRows && h.frameRows <= mostFrameRows) {
    out.frameRows = h.frameRows;
    out.frameSize = h.frameSize;
    out.frames = place(offsetof(Header, frameDistance), h.frameDistance);
    if (!isThere(out.frames, out.frameSize))
      return error("has room in .eh_frame at " + hex(out.frames) +
                   ", which is not in the file");
  }
  return Error::success();
}

void Reader::readDynamicRoom() {
  ArrayRef<Sym> symbols = image.dynamicSymbols();
  for (unsigned i = 1; i < symbols.size(); ++i) {
    if (symbols[i].st_shndx != SHN_UNDEF || symbols[i].st_value)
      continue;
    StringRef name = image.dynamicName(symbols[i]);
    if (name.starts_with(spareSymbolPrefix))
      out.spareSymbols.push_back(i);
    else if (name.starts_with(stringRoomPrefix))
      out.stringRoom = i;
  }
}

const char *toString(HotPatchKind kind) {
  switch (kind) {
  case HotPatchKind::NotLookedAt:
    return "not looked at";
  case HotPatchKind::None:
    return "none";
  case HotPatchKind::Uniform:
    return "uniform";
  case HotPatchKind::Mixed:
    return "mixed";
  }
  llvm_unreachable("all kinds are named");
}

} // namespace

const ReservePool *Reserve::pool(PoolKind kind) const {
  for (const ReservePool &p : pools)
    if (p.kind == kind)
      return &p;
  return nullptr;
}

bool Reserve::isInPool(uint64_t address) const {
  return llvm::any_of(pools, [&](const ReservePool &p) {
    return address >= p.address && address - p.address < p.size;
  });
}

bool isReserveSymbol(StringRef name) {
  return name.starts_with(spareSymbolPrefix) ||
         name.starts_with(stringRoomPrefix);
}

Expected<std::optional<Reserve>> readReserve(const Image &image) {
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_NOTE)
      if (auto note = findNote(image, p)) {
        Expected<Reserve> r = Reader(image, *note).read();
        if (!r)
          return r.takeError();
        return std::move(*r);
      }
  return std::nullopt;
}

void printReserve(const Image &image, const Reserve &r, raw_ostream &os) {
  ReserveSpace space(image, r);
  os << image.path << ": reserve, version " << r.version << "\n";
  for (const ReservePool &p : r.pools) {
    os << formatv("  {0,-8} {1} free of {2} bytes at {3}",
                  poolNames[unsigned(p.kind) - 1], space.pool(p.kind).room(), p.size,
                  hex(p.address));
    if (p.offset)
      os << ", offset " << hex(*p.offset);
    os << "\n";
  }
  os << formatv("  {0,-8} {1} spare program headers\n", "headers",
                r.spareHeaders.size());
  os << formatv("  {0,-8} room for {1} unwind records ({2} bytes), {3} imports, "
                "{4} constructors\n",
                "tables", space.spareRows, space.framesEnd - space.framesStart,
                r.spareSymbols.size(), space.constructors());
  if (r.record)
    os << formatv("  {0,-8} {1} free of {2} bytes, offset {3}\n", "record",
                  r.record->size - r.record->used, r.record->size,
                  hex(r.record->offset));
  if (r.paddingPercent)
    os << formatv("  {0,-8} {1} % behind each function section\n", "padding",
                  r.paddingPercent);
  else
    os << formatv("  {0,-8} {1} bytes behind each function section\n",
                  "padding", r.paddingBytes);
  os << formatv("  {0,-8} ", "hotpatch");
  if (r.hotPatch == HotPatchKind::NotLookedAt)
    os << "not looked at\n";
  else if (r.hotPatch == HotPatchKind::None)
    os << "no entries in " << r.codeObjects << " objects\n";
  else
    os << formatv("entries in {0} of {1} objects, {2}: {3} bytes of nops in "
                  "front, {4} behind\n",
                  r.readyObjects, r.codeObjects,
                  r.hotPatch == HotPatchKind::Mixed ? "at least" : "each",
                  r.prefixNops, r.entryNops);
  if (r.entryTable)
    os << formatv("  {0,-8} {1} at {2}\n", "entries", r.entryTableSize / 4,
                  hex(r.entryTable));
}

json::Value toJson(const Image &image, const Reserve &r) {
  ReserveSpace space(image, r);
  json::Array pools, headers;
  for (const ReservePool &p : r.pools) {
    json::Object pool{{"kind", poolNames[unsigned(p.kind) - 1]},
                      {"address", p.address},
                      {"size", p.size},
                      {"used", p.used},
                      {"free", space.pool(p.kind).room()}};
    if (p.offset)
      pool["offset"] = *p.offset;
    pools.push_back(std::move(pool));
  }
  for (unsigned index : r.spareHeaders)
    headers.push_back(index);
  json::Value record = nullptr;
  if (r.record)
    record = json::Object{{"offset", r.record->offset},
                          {"size", r.record->size},
                          {"used", r.record->used}};
  return json::Object{{"file", image.path},
                      {"version", r.version},
                      {"pools", std::move(pools)},
                      {"spareHeaders", std::move(headers)},
                      {"unwindRecords", space.spareRows},
                      {"imports", r.spareSymbols.size()},
                      {"constructors", space.constructors()},
                      {"record", std::move(record)},
                      {"paddingBytes", r.paddingBytes},
                      {"paddingPercent", r.paddingPercent},
                      {"hotPatch", json::Object{{"kind", toString(r.hotPatch)},
                                                {"entryNops", r.entryNops},
                                                {"prefixNops", r.prefixNops},
                                                {"objects", r.codeObjects},
                                                {"ready", r.readyObjects},
                                                {"table", r.entryTable},
                                                {"entries", r.entryTableSize / 4}}}};
}

} // namespace relink
