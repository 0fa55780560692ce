//===- PatchMap.cpp - What ld.relink says a program was made of -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchMap.h"
#include "Error.h"
#include "MapCursor.h"
#include "MapDetailsReader.h"
#include "PrefixPacking.h"
#include "llvm/Support/Compression.h"

using namespace llvm;
using namespace relink::map;

namespace relink {

Error PatchMap::error(const Twine &what) const {
  return makeError(path + ": its " + sectionName + " " + what +
                   "\n>>> remedy: link it again with ld.relink; to patch it as it is, "
                   "--no-map");
}

Error PatchMap::readBlocks() {
  if (bytes.size() < sizeof(Header))
    return error("is too short");
  auto *h = reinterpret_cast<const Header *>(bytes.data());
  if (memcmp(h->magic, magic, sizeof(magic)))
    return error("is no map");
  formatVersion = h->version;
  if (formatVersion < oldestVersion || formatVersion > map::formatVersion)
    return error("has version " + Twine(formatVersion) + ", expected " +
                 Twine(map::formatVersion));
  uint64_t entry = h->blockEntrySize, at = sizeof(Header);
  uint64_t data = at + h->blockCount * entry;
  if (entry < sizeof(BlockEntry) || data > bytes.size())
    return error("is shorter than its table of blocks");
  for (uint32_t i = 0; i < h->blockCount; ++i, at += entry) {
    auto *b = reinterpret_cast<const BlockEntry *>(bytes.data() + at);
    if (b->packed > bytes.size() - data)
      return error("is truncated");
    uint32_t kind = b->kind;
    blocks.push_back({BlockKind(kind & ~map::isPrefixed),
                      bool(kind & map::isPrefixed), bytes.slice(data, b->packed),
                      b->unpacked, b->count, false, {}, {}});
    data += b->packed;
  }
  uint64_t number = 0;
  for (Block &b : blocks) {
    if (b.kind == BlockKind::Definers)
      definers.push_back(&b);
    if (b.kind == BlockKind::Objects)
      groups.push_back({&b, {}, {}});
    if (b.kind == BlockKind::Details && !groups.empty())
      groups.back().parts.push_back(&b);
    if (b.kind != BlockKind::Names)
      continue;
    names.push_back({number, &b});
    number += b.count;
  }
  return Error::success();
}

Expected<SmallVector<uint8_t, 0>> PatchMap::unpack(const Block &b) const {
  uint64_t most = std::min(mostUnpacked, blockBase + mostRatio * b.packed.size());
  if (b.unpacked > most)
    return error("has a block of " + Twine(b.unpacked) + " bytes, at most " +
                 Twine(most) + " are read");
  if (b.isPrefixed) {
    auto data = unpackWithPrefix(prefix, b.packed, b.unpacked);
    return data ? std::move(data)
                : error("can't be unpacked: " + toString(data.takeError()));
  }
  SmallVector<uint8_t, 0> out;
  if (Error e = compression::zstd::decompress(b.packed, out, b.unpacked))
    return error("can't be unpacked: " + toString(std::move(e)));
  if (out.size() != b.unpacked)
    return error("has a block of another size than it says");
  return out;
}

/// Of several the last counts.
Error PatchMap::readPrefix(const Block &b) {
  auto data = unpack(b);
  if (!data)
    return data.takeError();
  MapCursor in(*data);
  uint64_t address = in.number(), size = in.number();
  ArrayRef<uint8_t> check = in.raw(sizeof(uint64_t));
  if (!in.isGood() || size > mostPrefix)
    return error("has a truncated prefix, or a large one");
  prefix = image->bytesAt(address, size);
  if (xxh3_64bits(prefix) != support::endian::read64le(check.data()))
    prefix = {};
  return Error::success();
}

/// Whether the program has what its parts are packed with.
bool PatchMap::isReadable(const DetailGroup &group) const {
  return !prefix.empty() ||
         none_of(group.parts, [](const Block *b) { return b->isPrefixed; });
}

bool PatchMap::hasPrefix() const {
  return all_of(groups, [&](const DetailGroup &g) { return isReadable(g); });
}

Error PatchMap::open(Block &b) {
  if (b.isOpen)
    return Error::success();
  auto data = unpack(b);
  if (!data)
    return data.takeError();
  b.isOpen = true;
  b.bytes = std::move(*data);
  if (b.kind != BlockKind::Names)
    return Error::success();
  for (size_t at = 0; at < b.bytes.size();) {
    b.starts.push_back(at);
    const void *end = memchr(&b.bytes[at], 0, b.bytes.size() - at);
    if (!end)
      return error("has a name without an end");
    at = static_cast<const uint8_t *>(end) - b.bytes.data() + 1;
  }
  return b.starts.size() == b.count ? Error::success()
                                    : error("has another number of names than it "
                                            "says");
}

Expected<StringRef> PatchMap::nameOf(uint64_t number) {
  auto next = llvm::upper_bound(names, number, [](uint64_t n, const auto &known) {
    return n < known.first;
  });
  if (next == names.begin())
    return error("names a name that it lacks");
  const auto &[first, block] = *--next;
  if (number - first >= block->count)
    return error("names a name that it lacks");
  if (Error e = open(*block))
    return e;
  return StringRef(
      reinterpret_cast<const char *>(&block->bytes[block->starts[number - first]]));
}

Expected<std::multimap<uint64_t, StringRef>> PatchMap::folds() {
  std::multimap<uint64_t, StringRef> out;
  uint64_t address = 0;
  for (Block &b : blocks) {
    if (b.kind != BlockKind::Folds)
      continue;
    if (Error e = open(b))
      return e;
    MapCursor in(b.bytes);
    for (uint64_t i = 0; i < b.count && in.isGood(); ++i) {
      address += in.number();
      auto name = nameOf(in.number());
      if (!name)
        return name.takeError();
      out.insert({address, *name});
    }
    if (!in.isGood())
      return error("has a truncated list of folded functions");
  }
  return out;
}

bool PatchMap::hasInlining() const {
  return any_of(blocks, [](const Block &b) { return b.kind == BlockKind::Inlined; });
}

Error PatchMap::readInlining(
    function_ref<Error(size_t input, const MapInlining &)> visit) {
  size_t input = 0;
  for (const Block &b : blocks) {
    if (b.kind != BlockKind::Inlined)
      continue;
    auto data = unpack(b);
    if (!data)
      return data.takeError();
    MapCursor in(*data);
    for (uint64_t i = 0; i < b.count; ++i, ++input) {
      if (input >= allInputs.size())
        return error("has inlined copies of more objects than it lists");
      auto inlining = MapInlining::read(in);
      if (!inlining)
        return error(toString(inlining.takeError()));
      if (Error e = visit(input, *inlining))
        return e;
    }
  }
  return Error::success();
}

Expected<AddressMap<StringRef>>
PatchMap::namesThat(function_ref<bool(StringRef)> isWanted) {
  AddressMap<StringRef> out;
  for (auto &[first, block] : names) {
    if (Error e = open(*block))
      return e;
    for (size_t i = 0; i < block->starts.size(); ++i) {
      StringRef name =
          reinterpret_cast<const char *>(&block->bytes[block->starts[i]]);
      if (isWanted(name))
        out[first + i] = name;
    }
  }
  return out;
}

Expected<StringMap<size_t>> PatchMap::definersOf(const StringSet<> &wanted) {
  StringMap<size_t> out;
  for (size_t i = 0; i < names.size() && i < definers.size(); ++i) {
    Block &block = *names[i].second;
    if (Error e = open(block))
      return e;
    SmallVector<uint32_t> found;
    for (const uint32_t &start : block.starts)
      if (wanted.contains(reinterpret_cast<const char *>(&block.bytes[start])))
        found.push_back(&start - block.starts.data());
    if (found.empty())
      continue;
    if (Error e = open(*definers[i]))
      return e;
    MapCursor in(definers[i]->bytes);
    uint32_t at = 0;
    for (uint32_t n : found) {
      for (; at < n && in.isGood(); ++at)
        (void)in.number();
      uint64_t input = in.number();
      ++at;
      if (input > allInputs.size())
        return error("names an input that it lacks");
      if (input)
        out[reinterpret_cast<const char *>(&block.bytes[block.starts[n]])] =
            input - 1;
    }
  }
  return out;
}

/// Each part's length for each input; every length takes a byte, so that a lie
/// ends with them.
Error PatchMap::readLengths(DetailGroup &group) {
  if (!group.ends.empty() || group.parts.empty())
    return Error::success();
  constexpr size_t mostParts = 64;
  if (group.lengths->count > allInputs.size() || group.parts.size() > mostParts)
    return error("has more objects than it lists");
  if (Error e = open(*group.lengths))
    return e;
  MapCursor in(group.lengths->bytes);
  std::vector<uint64_t> at(group.parts.size());
  for (uint64_t i = 0; i < group.lengths->count && in.isGood(); ++i)
    for (uint64_t &end : at) {
      uint64_t length = in.number();
      if (length > mostUnpacked)
        return error("has a part of an object that is too long");
      group.ends.push_back(end += length);
    }
  return in.isGood() ? Error::success() : error("has a truncated object");
}

Error PatchMap::openParts(DetailGroup &group) {
  if (Error e = readLengths(group))
    return e;
  if (group.ends.empty())
    return Error::success();
  ArrayRef<uint64_t> ends = ArrayRef(group.ends).take_back(group.parts.size());
  for (auto [part, end] : zip_equal(group.parts, ends)) {
    if (Error e = open(*part))
      return e;
    if (part->bytes.size() != end)
      return error("has objects of other lengths than it says");
  }
  return Error::success();
}

Expected<SmallVector<uint8_t, 0>> PatchMap::detailBytes(size_t input) {
  for (DetailGroup &group : groups) {
    if (input >= group.lengths->count) {
      input -= group.lengths->count;
      continue;
    }
    if (!isReadable(group))
      break;
    if (Error e = openParts(group))
      return e;
    SmallVector<uint8_t, 0> out;
    size_t count = group.ends.empty() ? 0 : group.parts.size();
    for (size_t part = 0; part < count; ++part) {
      uint64_t from = input ? group.ends[(input - 1) * count + part] : 0,
               to = group.ends[input * count + part];
      auto *bytes = group.parts[part]->bytes.data();
      out.append(bytes + from, bytes + to);
    }
    return out;
  }
  return SmallVector<uint8_t, 0>();
}

Expected<bool> PatchMap::tellsOfAll() {
  if (any_of(allInputs, [](const MapInput &m) { return m.kind == InputKind::Bitcode; }))
    return false;
  size_t told = 0;
  for (DetailGroup &group : groups) {
    if (!isReadable(group))
      return false;
    if (Error e = readLengths(group))
      return e;
    size_t parts = group.parts.size();
    uint64_t begin = 0; // of an input's first part
    for (size_t at = 0; at < group.ends.size(); at += parts) {
      told += group.ends[at] != begin;
      begin = group.ends[at];
    }
  }
  return told == allInputs.size();
}

Expected<std::optional<MapDetails>> PatchMap::details(size_t input) {
  auto data = detailBytes(input);
  if (!data)
    return data.takeError();
  if (data->empty())
    return std::nullopt;
  MapDetails out;
  out.bytes = std::move(*data);
  auto name = [&](uint64_t number) { return nameOf(number); };
  auto wrong = [&](const Twine &what) { return error(what); };
  auto bytesAt = [&](uint64_t address, uint64_t size) {
    return image->bytesAt(address, size);
  };
  if (Error e = MapDetailsReader(out, name, bytesAt, wrong).read())
    return e;
  return out;
}

Error PatchMap::readInputs(const Block &block) {
  auto data = unpack(block);
  if (!data)
    return data.takeError();
  MapCursor in(*data);
  for (uint64_t i = 0; i < block.count && in.isGood(); ++i) {
    MapInput m;
    uint64_t kind = in.number();
    m.kind = InputKind(kind);
    if (in.isGood() && (kind < 1 || kind > 2))
      return error("names an input of an unknown kind");
    ArrayRef<uint8_t> digest = in.raw(m.hash.size());
    llvm::copy(digest, m.hash.begin());
    m.size = in.number();
    m.functions = in.number();
    m.relocations = in.number();
    m.path = in.string();
    m.member = in.string();
    m.source = in.string();
    allInputs.push_back(std::move(m));
  }
  return in.isGood() ? Error::success() : error("has a truncated list of inputs");
}

Expected<std::optional<PatchMap>> PatchMap::read(const Image &image) {
  const Section *s = image.section(sectionName);
  if (!s)
    return std::nullopt;
  PatchMap m;
  m.path = image.path;
  m.image = &image;
  if (s->type == ELF::SHT_NOBITS || s->offset > image.bytes().size() ||
      s->size > image.bytes().size() - s->offset)
    return m.error("is not in the file");
  m.bytes = image.bytes().slice(s->offset, s->size);
  if (Error e = m.readBlocks())
    return e;
  for (const Block &b : m.blocks)
    if (b.kind == BlockKind::Prefix && !b.isPrefixed)
      if (Error e = m.readPrefix(b))
        return e;
  for (const Block &b : m.blocks)
    if (b.kind == BlockKind::Inputs)
      if (Error e = m.readInputs(b))
        return e;
  return m;
}

} // namespace relink
