//===- PatchMapWriter.cpp - Makes the map of a link -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchMapWriter.h"
#include "CopyLog.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/Compression.h"
#include "llvm/Support/Parallel.h"

using namespace llvm;
using namespace relink::map;

namespace relink {

/// Of a block before it is packed: what is read for one object is unpacked with
/// its neighbors.
constexpr size_t blockSize = 256 << 10;

void PatchMapWriter::add(StringRef name, const MapObject &object) {
  bool isBitcode = identify_magic(object.bytes) == file_magic::bitcode;
  Entry &e = entries.emplace_back();
  e.object = object;
  e.kind = isBitcode ? InputKind::Bitcode : InputKind::Object;
  byName[name].push_back(&e);
  threads.async([&e] { look(e); });
}

void PatchMapWriter::look(Entry &e) {
  e.hash = sha256(arrayRefFromStringRef(e.object.original));
  e.isRead = e.kind == InputKind::Object &&
             e.facts.read(e.object.original, e.object.bytes);
}

/// All sections that lld prints so.
SmallVector<PatchMapWriter::SectionPlace, 1>
PatchMapWriter::sectionsNamed(StringRef name) {
  SmallVector<SectionPlace, 1> out;
  auto [file, section] = name.rsplit(":(");
  section.consume_back(")");
  auto it = byName.find(file);
  if (it == byName.end())
    return out;
  for (Entry *e : it->second) {
    if (e->isRead && e->sections.empty())
      for (uint32_t i = 0; i < e->facts.sectionCount(); ++i)
        e->sections[e->facts.sectionName(i)].push_back(i);
    for (uint32_t i : e->sections.lookup(section))
      out.push_back({e, i});
  }
  return out;
}

/// Where several sections have the name, those that have the code.
void PatchMapWriter::applyFolds() {
  SmallVector<SectionPlace, 1> keptPlaces;
  const std::string *last = nullptr; // many are folded into one
  for (const auto &[kept, removed] : folds) {
    if (!last || *last != kept)
      keptPlaces = sectionsNamed(kept);
    last = &kept;
    for (const SectionPlace &k : keptPlaces) {
      const uint8_t *at = k.entry->facts.placeOf(k.section);
      ArrayRef<uint8_t> code = k.entry->facts.contents(k.section);
      if (!at)
        continue;
      for (const SectionPlace &r : sectionsNamed(removed))
        if (!r.entry->facts.placeOf(r.section) &&
            r.entry->facts.contents(r.section) == code) {
          r.entry->facts.fold(r.section, at);
          shared.push_back(r);
        }
      if (!shared.empty())
        shared.push_back(k);
    }
  }
}

void PatchMapWriter::listFolds(const LinkedFile &file) {
  for (const SectionPlace &s : shared) {
    const ObjectFacts &f = s.entry->facts;
    uint64_t address = *file.address(f.placeOf(s.section));
    for (auto [offset, name] : f.functionsIn(s.section))
      foldList.push_back({address + offset, name});
  }
  llvm::sort(foldList);
  foldList.erase(llvm::unique(foldList), foldList.end());
}

/// In the order in which the inputs have them, so that neighbors are used
/// together.
void PatchMapWriter::numberNames() {
  DenseMap<CachedHashStringRef, uint32_t> numbers;
  size_t most = 0;
  for (const Entry &e : entries)
    most += e.facts.names.size();
  numbers.reserve(most / 4);
  uint32_t input = 0;
  for (Entry &e : entries) {
    ++input;
    ObjectFacts &f = e.facts;
    f.nameNumbers.reserve(f.names.size());
    for (size_t i = 0; i < f.names.size(); ++i) {
      auto [it, isNew] = numbers.try_emplace(f.names[i], names.size());
      if (isNew) {
        names.push_back(f.names[i].val());
        definers.push_back(0);
      }
      f.nameNumbers.push_back(it->second);
      // Of several, such as COMDATs in .bss, lld takes the first.
      if (f.defines[i] && !definers[it->second])
        definers[it->second] = input;
    }
  }
}

/// Cuts the records of a kind into blocks; \p sizeOf says about how large each
/// is.
void PatchMapWriter::addBlocks(BlockKind kind, size_t count,
                               function_ref<size_t(size_t)> sizeOf) {
  size_t size = blockSize;
  for (size_t i = 0; i < count; ++i) {
    if (size >= blockSize) {
      blocks.push_back({kind, uint32_t(i), 0, 0, {}});
      size = 0;
    }
    size += sizeOf(i);
    ++blocks.back().count;
  }
}

void PatchMapWriter::encodeInput(MapEncoder &out, const Entry &e) const {
  out.number(uint64_t(e.kind));
  out.raw(e.hash);
  out.number(e.object.original.size());
  out.number(e.facts.functions);
  out.number(e.facts.relocations);
  out.string(e.object.path);
  out.string(e.object.member);
  out.string(e.facts.source);
}

std::vector<uint8_t> PatchMapWriter::encode(const Block &b) const {
  MapEncoder out;
  out.bytes.reserve(blockSize * 2);
  uint64_t last = 0; // address of a fold, if the block is the first of them
  if (b.kind == BlockKind::Folds && b.first)
    last = foldList[b.first - 1].first;
  for (uint32_t i = b.first; i < b.first + b.count; ++i)
    switch (b.kind) {
    case BlockKind::Inputs:
      encodeInput(out, entries[i]);
      break;
    case BlockKind::Objects:
      out.number(entries[i].details.size());
      out.raw(entries[i].details);
      break;
    case BlockKind::Names:
      out.raw(arrayRefFromStringRef(names[i]));
      out.bytes.push_back(0);
      break;
    case BlockKind::Definers:
      out.number(definers[i]);
      break;
    case BlockKind::Folds:
      out.number(foldList[i].first - last);
      out.number(foldList[i].second);
      last = foldList[i].first;
      break;
    }
  return std::move(out.bytes);
}

std::vector<uint8_t> PatchMapWriter::pack() {
  // A few milliseconds are worth it only where the link takes no more.
  constexpr size_t small = 4;
  int level = blocks.size() <= small ? 6 : 1;
  parallelFor(0, blocks.size(), [&](size_t i) {
    std::vector<uint8_t> bytes = encode(blocks[i]);
    blocks[i].unpacked = bytes.size();
    compression::zstd::compress(bytes, blocks[i].packed, level);
  });
  Header h;
  memset(&h, 0, sizeof(h));
  memcpy(h.magic, magic, sizeof(magic));
  h.version = formatVersion;
  h.blockCount = blocks.size();
  h.blockEntrySize = sizeof(BlockEntry);
  MapEncoder out;
  out.structure(h);
  for (const Block &block : blocks) {
    BlockEntry b;
    b.kind = uint32_t(block.kind);
    b.packed = block.packed.size();
    b.unpacked = block.unpacked;
    b.count = block.count;
    out.structure(b);
  }
  for (const Block &block : blocks)
    out.raw(block.packed);
  return std::move(out.bytes);
}

std::vector<uint8_t> PatchMapWriter::finish(ArrayRef<uint8_t> file) {
  std::vector<Copy> copies = takeCopies();
  LinkedFile linked(file);
  threads.wait();
  auto each = [&](auto visit) {
    parallelFor(0, entries.size(), [&](size_t i) {
      if (entries[i].isRead)
        visit(entries[i]);
    });
  };
  each([&](Entry &e) { e.facts.place(copies, linked); });
  applyFolds();
  each([&](Entry &e) { e.facts.choose(); });
  numberNames();
  listFolds(linked);
  each([&](Entry &e) {
    e.details = e.facts.encode(linked);
    if (e.details.size() > mostUnpacked / 2)
      e.details.clear(); // readers would refuse it
  });
  addBlocks(BlockKind::Inputs, entries.size(), [](size_t) { return 128; });
  addBlocks(BlockKind::Objects, entries.size(),
            [&](size_t i) { return entries[i].details.size(); });
  size_t firstNames = blocks.size();
  addBlocks(BlockKind::Names, names.size(),
            [&](size_t i) { return names[i].size() + 1; });
  for (size_t i = firstNames, end = blocks.size(); i < end; ++i)
    blocks.push_back(
        {BlockKind::Definers, blocks[i].first, blocks[i].count, 0, {}});
  addBlocks(BlockKind::Folds, foldList.size(), [](size_t) { return 8; });
  return pack();
}

} // namespace relink
