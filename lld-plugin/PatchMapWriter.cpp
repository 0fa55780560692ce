//===- PatchMapWriter.cpp - Makes the map of a link -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchMapWriter.h"
#include "CopyLog.h"
#include "PrefixPacking.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/Compression.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <numeric>

using namespace llvm;
using namespace relink::map;

namespace relink {

/// Of a block before it is packed: what is read for one object is unpacked with
/// its neighbors.
constexpr size_t blockSize = 512 << 10;

void PatchMapWriter::add(StringRef name, const MapObject &object) {
  bool isBitcode = identify_magic(object.bytes) == file_magic::bitcode;
  Entry &e = entries.emplace_back();
  e.object = object;
  e.kind = isBitcode ? InputKind::Bitcode : InputKind::Object;
  byName[name].push_back(&e);
  tasks.async([this, &e] { look(e); });
}

void PatchMapWriter::look(Entry &e) {
  e.hash = blake3(arrayRefFromStringRef(e.object.original));
  e.isRead = e.kind == InputKind::Object &&
             e.facts.read(e.object.original, e.object.bytes, memory);
}

ArrayRef<uint8_t> PatchMapWriter::Entry::part(unsigned i) const {
  if (i >= cuts.size())
    return {};
  uint32_t from = i ? cuts[i - 1] : 0;
  return details.slice(from, cuts[i] - from);
}

/// Copies come thread by thread in the order of the output, where neighbors are
/// of one object, and its next section.
void PatchMapWriter::place(const LinkedFile &file) {
  std::vector<std::pair<const uint8_t *, ObjectFacts *>> starts;
  for (Entry &e : entries)
    if (e.isRead)
      starts.push_back({e.facts.seenBytes().begin(), &e.facts});
  std::sort(starts.begin(), starts.end());
  std::vector<ArrayRef<Copy>> lists = takeCopies();
  parallelFor(0, lists.size(), [&](size_t i) {
    ObjectFacts *near = nullptr;
    uint32_t hint = 0;
    for (const Copy &c : lists[i]) {
      if (!near || c.from < near->seenBytes().begin() ||
          c.from >= near->seenBytes().end()) {
        auto next = llvm::upper_bound(starts, c.from, [](auto *f, const auto &s) {
          return f < s.first;
        });
        if (next == starts.begin())
          continue;
        near = std::prev(next)->second;
        hint = 0;
      }
      hint = near->place(c, file, hint);
    }
  });
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

/// Names of some hashes.
struct PatchMapWriter::NameShard {
  struct Place {
    uint32_t input, index; ///< where the name is first
    uint32_t definer;      ///< as in `definers`
    uint32_t number;
  };
  MutableArrayRef<Place> list;
  size_t count = 0;
  void find(std::deque<Entry> &entries, size_t shard, size_t shards,
            ZeroedMemory &memory);
};

/// Leaves each name's place in `list` for its number.
void PatchMapWriter::NameShard::find(std::deque<Entry> &entries, size_t shard,
                                     size_t shards, ZeroedMemory &memory) {
  size_t most = 0;
  for (Entry &e : entries)
    most += llvm::count_if(e.facts.names, [&](const ObjectFacts::Name &n) {
      return n.hash % shards == shard;
    });
  list = memory.take<Place>(most);
  // An open table, at most half full: 0, or the place in `list` plus 1.
  size_t mask = PowerOf2Ceil(2 * most + 1) - 1;
  MutableArrayRef<uint32_t> table = memory.take<uint32_t>(mask + 1);
  auto nameAt = [&](const Place &p) -> const ObjectFacts::Name & {
    return entries[p.input].facts.names[p.index];
  };
  uint32_t input = 0;
  for (Entry &e : entries) {
    MutableArrayRef<ObjectFacts::Name> names = e.facts.names;
    for (uint32_t i = 0; i < names.size(); ++i) {
      ObjectFacts::Name &n = names[i];
      if (n.hash % shards != shard)
        continue;
      size_t at = (n.hash / shards) & mask;
      for (; table[at]; at = (at + 1) & mask) {
        const ObjectFacts::Name &known = nameAt(list[table[at] - 1]);
        if (known.hash == n.hash && known.text == n.text)
          break;
      }
      if (!table[at]) {
        list[count++] = {input, i, 0, 0};
        table[at] = count;
      }
      n.number = table[at] - 1;
      // Of several, such as COMDATs in .bss, lld takes the first.
      Place &place = list[n.number];
      if (n.defines && !place.definer)
        place.definer = input + 1;
    }
    ++input;
  }
}

/// In the order in which the inputs have them, so that neighbors are used
/// together.
void PatchMapWriter::numberNames() {
  constexpr size_t mostShards = 16;
  size_t count = std::clamp<size_t>(parallel::getThreadCount(), 1, mostShards);
  std::vector<NameShard> shards(count);
  parallelFor(0, count,
              [&](size_t i) { shards[i].find(entries, i, count, memory); });

  // How many names each input is the first to have.
  std::vector<uint32_t> firsts(entries.size() + 1);
  for (const NameShard &s : shards)
    for (const NameShard::Place &p : s.list.take_front(s.count))
      ++firsts[p.input + 1];
  std::partial_sum(firsts.begin(), firsts.end(), firsts.begin());
  names = memory.take<StringRef>(firsts.back());
  definers = memory.take<uint32_t>(firsts.back());
  auto placeOf = [&](const ObjectFacts::Name &n) -> NameShard::Place & {
    return shards[n.hash % count].list[n.number];
  };
  parallelFor(0, entries.size(), [&](size_t input) {
    uint32_t number = firsts[input];
    ArrayRef<ObjectFacts::Name> all = entries[input].facts.names;
    for (const ObjectFacts::Name &n : all) {
      NameShard::Place &p = placeOf(n);
      if (p.input != input || p.index != &n - all.data())
        continue;
      p.number = number;
      names[number] = n.text;
      definers[number++] = p.definer;
    }
  });
  parallelFor(0, entries.size(), [&](size_t input) {
    for (ObjectFacts::Name &n : entries[input].facts.names)
      n.number = placeOf(n).number;
  });
}

/// Cuts the records of a kind into blocks; \p sizeOf says about how large each
/// is.
void PatchMapWriter::addBlocks(BlockKind kind, size_t count,
                               function_ref<size_t(size_t)> sizeOf) {
  size_t size = blockSize;
  for (size_t i = 0; i < count; ++i) {
    if (size >= blockSize) {
      Block b;
      b.kind = kind;
      b.first = i;
      blocks.push_back(std::move(b));
      size = 0;
    }
    size += sizeOf(i);
    ++blocks.back().count;
  }
}

/// Behind each block of lengths those of the parts.
void PatchMapWriter::addDetails() {
  size_t first = blocks.size();
  addBlocks(BlockKind::Objects, entries.size(),
            [&](size_t i) { return entries[i].details.size(); });
  std::vector<Block> lengths(std::make_move_iterator(blocks.begin() + first),
                             std::make_move_iterator(blocks.end()));
  blocks.erase(blocks.begin() + first, blocks.end());
  for (Block &b : lengths) {
    Block part;
    part.kind = BlockKind::Details;
    part.first = b.first;
    part.count = b.count;
    blocks.push_back(std::move(b));
    for (part.part = 0; part.part < ObjectFacts::parts; ++part.part)
      blocks.push_back(part);
  }
}

/// None where no object has DWARF.
void PatchMapWriter::addInlined() {
  if (any_of(entries, [](const Entry &e) { return e.facts.hasInlining(); }))
    addBlocks(BlockKind::Inlined, entries.size(),
              [&](size_t i) { return entries[i].inlined.size() + 1; });
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

void PatchMapWriter::encode(MapEncoder &out, const Block &b) const {
  uint64_t last = 0; // address of a fold, if the block is the first of them
  if (b.kind == BlockKind::Folds && b.first)
    last = foldList[b.first - 1].first;
  for (uint32_t i = b.first; i < b.first + b.count; ++i)
    switch (b.kind) {
    case BlockKind::Inputs:
      encodeInput(out, entries[i]);
      break;
    case BlockKind::Objects:
      for (unsigned part = 0; part < ObjectFacts::parts; ++part)
        out.number(entries[i].part(part).size());
      break;
    case BlockKind::Details:
      out.raw(entries[i].part(b.part));
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
    case BlockKind::Inlined:
      if (entries[i].inlined.empty())
        ObjectFacts::encodeUnknown(out);
      else
        out.raw(entries[i].inlined);
      break;
    case BlockKind::Prefix:
      break; // encodePrefix()
    }
}

/// The block that says where the prefix is takes about 50 bytes.
bool PatchMapWriter::isWorthPrefix(const LinkedFile &file) const {
  constexpr size_t least = 512;
  size_t contents = 0;
  for (const Entry &e : entries)
    contents += e.part(ObjectFacts::contentsPart).size();
  return contents >= least && !file.constants.empty() &&
         file.constants.size() <= mostPrefix && file.address(file.constants.data());
}

void PatchMapWriter::encodePrefix(MapEncoder &out, const LinkedFile &file) const {
  support::ulittle64_t check;
  check = xxh3_64bits(file.constants);
  out.number(*file.address(file.constants.data()));
  out.number(file.constants.size());
  out.structure(check);
}

SmallVector<uint8_t, 0> PatchMapWriter::pack(const LinkedFile &file) {
  // A few milliseconds are worth it only where the link takes no more.
  constexpr size_t small = 20;
  bool isSmall = blocks.size() <= small;
  int level = isSmall ? 19 : 1;
  if (isSmall && isWorthPrefix(file)) {
    for (Block &b : blocks)
      b.isPrefixed = b.kind == BlockKind::Details && b.part == ObjectFacts::contentsPart;
    Block prefix;
    prefix.kind = BlockKind::Prefix;
    prefix.count = 1;
    blocks.push_back(std::move(prefix));
  }
  parallelFor(0, blocks.size(), [&](size_t i) {
    static thread_local MapEncoder out;
    static thread_local SmallVector<uint8_t, 0> packed;
    out.clear();
    Block &b = blocks[i];
    b.kind == BlockKind::Prefix ? encodePrefix(out, file) : encode(out, b);
    b.unpacked = out.bytes.size();
    if (b.isPrefixed)
      packed = cantFail(packWithPrefix(file.constants, out.bytes));
    else
      compression::zstd::compress(out.bytes, packed, level);
    b.packed = memory.copy(ArrayRef<uint8_t>(packed));
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
    b.kind = uint32_t(block.kind) | (block.isPrefixed ? isPrefixed : 0);
    b.packed = block.packed.size();
    b.unpacked = block.unpacked;
    b.count = block.count;
    out.structure(b);
  }
  for (const Block &block : blocks)
    out.raw(block.packed);
  return std::move(out.bytes);
}

SmallVector<uint8_t, 0> PatchMapWriter::finish(ArrayRef<uint8_t> file) {
  LinkedFile linked(file);
  tasks.wait();
  auto each = [&](auto visit) {
    parallelFor(0, entries.size(), [&](size_t i) {
      if (entries[i].isRead)
        visit(entries[i]);
    });
  };
  place(linked);
  applyFolds();
  each([&](Entry &e) { e.facts.choose(memory); });
  numberNames();
  listFolds(linked);
  each([&](Entry &e) {
    // Of one thread, so that it need not grow for each object.
    static thread_local MapEncoder out;
    out.clear();
    e.facts.encode(out, linked);
    if (out.bytes.size() <= mostUnpacked / 2) { // or readers would refuse it
      e.details = memory.copy(ArrayRef<uint8_t>(out.bytes));
      e.cuts = memory.copy(ArrayRef<uint32_t>(out.cuts));
    }
    if (!e.facts.hasInlining())
      return;
    out.clear();
    e.facts.encodeInlined(out, linked);
    if (out.bytes.size() <= mostUnpacked / 2)
      e.inlined = memory.copy(ArrayRef<uint8_t>(out.bytes));
  });
  addBlocks(BlockKind::Inputs, entries.size(), [](size_t) { return 128; });
  addDetails();
  size_t firstNames = blocks.size();
  addBlocks(BlockKind::Names, names.size(),
            [&](size_t i) { return names[i].size() + 1; });
  for (size_t i = firstNames, end = blocks.size(); i < end; ++i) {
    Block b = blocks[i];
    b.kind = BlockKind::Definers;
    blocks.push_back(std::move(b));
  }
  addBlocks(BlockKind::Folds, foldList.size(), [](size_t) { return 8; });
  addInlined();
  return pack(linked);
}

} // namespace relink
