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
#include <set>

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
  for (Entry *e : it->second)
    for (uint32_t i = 1; e->isRead && i < e->facts.sectionCount(); ++i)
      if (e->facts.sectionName(i) == section)
        out.push_back({e, i});
  return out;
}

/// Where several sections have the name, those that have the code.
void PatchMapWriter::applyFolds() {
  for (const auto &[kept, removed] : folds)
    for (const SectionPlace &k : sectionsNamed(kept)) {
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

void PatchMapWriter::encodeFolds(const LinkedFile &file) {
  std::set<std::pair<uint64_t, uint32_t>> all; ///< addresses and names
  for (const SectionPlace &s : shared) {
    const ObjectFacts &f = s.entry->facts;
    uint64_t address = *file.address(f.placeOf(s.section));
    for (auto [offset, name] : f.functionsIn(s.section))
      all.insert({address + offset, name});
  }
  uint64_t last = 0;
  for (auto [address, name] : all) {
    MapEncoder out;
    out.number(address - last);
    out.number(name);
    last = address;
    std::vector<uint8_t> &to = blockWithRoom(BlockKind::Folds).bytes;
    to.insert(to.end(), out.bytes.begin(), out.bytes.end());
  }
}

/// In the order in which the inputs have them, so that neighbors are used
/// together.
void PatchMapWriter::numberNames() {
  DenseMap<CachedHashStringRef, uint32_t> numbers;
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

PatchMapWriter::Block &PatchMapWriter::blockWithRoom(BlockKind kind) {
  if (blocks.empty() || blocks.back().kind != kind ||
      blocks.back().bytes.size() >= blockSize)
    blocks.push_back({kind, {}, 0, {}});
  ++blocks.back().count;
  return blocks.back();
}

void PatchMapWriter::encodeInputs() {
  MapEncoder out;
  for (const Entry &e : entries) {
    out.number(uint64_t(e.kind));
    out.raw(e.hash);
    out.number(e.object.original.size());
    out.number(e.facts.functions);
    out.number(e.facts.relocations);
    out.string(e.object.path);
    out.string(e.object.member);
    out.string(e.facts.source);
  }
  blocks.push_back(
      {BlockKind::Inputs, std::move(out.bytes), uint32_t(entries.size()), {}});
}

void PatchMapWriter::encodeObjects() {
  for (Entry &e : entries) {
    MapEncoder out;
    if (e.details.size() > mostUnpacked / 2)
      e.details.clear(); // readers would refuse it
    out.number(e.details.size());
    out.raw(e.details);
    std::vector<uint8_t> &to = blockWithRoom(BlockKind::Objects).bytes;
    to.insert(to.end(), out.bytes.begin(), out.bytes.end());
    e.details = {};
  }
}

void PatchMapWriter::encodeNames() {
  size_t first = blocks.size();
  for (StringRef name : names) {
    std::vector<uint8_t> &to = blockWithRoom(BlockKind::Names).bytes;
    to.insert(to.end(), name.bytes_begin(), name.bytes_end());
    to.push_back(0);
  }
  ArrayRef<uint32_t> rest = definers;
  for (size_t i = first, end = blocks.size(); i < end; ++i) {
    MapEncoder out;
    for (uint32_t input : rest.take_front(blocks[i].count))
      out.number(input);
    rest = rest.drop_front(blocks[i].count);
    blocks.push_back(
        {BlockKind::Definers, std::move(out.bytes), blocks[i].count, {}});
  }
}

std::vector<uint8_t> PatchMapWriter::pack() {
  parallelFor(0, blocks.size(), [&](size_t i) {
    compression::zstd::compress(blocks[i].bytes, blocks[i].packed,
                                compression::zstd::BestSpeedCompression);
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
    b.unpacked = block.bytes.size();
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
  each([&](Entry &e) { e.details = e.facts.encode(linked); });
  encodeInputs();
  encodeObjects();
  encodeNames();
  encodeFolds(linked);
  return pack();
}

} // namespace relink
