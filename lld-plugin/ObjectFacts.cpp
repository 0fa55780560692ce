//===- ObjectFacts.cpp - What the map says of one object ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ObjectFacts.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {

using Shdr = ObjectFacts::ELFT::Shdr;
using Sym = ObjectFacts::ELFT::Sym;
using Rela = ObjectFacts::ELFT::Rela;

LinkedFile::LinkedFile(ArrayRef<uint8_t> bytes) : bytes(bytes) {
  auto file = object::ELFFile<ObjectFacts::ELFT>::create(toStringRef(bytes));
  if (!file) {
    consumeError(file.takeError());
    return;
  }
  auto segments = file->program_headers();
  if (!segments) {
    consumeError(segments.takeError());
    return;
  }
  for (const auto &p : *segments)
    if (p.p_type == PT_LOAD)
      loads.push_back({p.p_offset, p.p_filesz, p.p_vaddr});
  llvm::sort(loads, [](auto &a, auto &b) { return a.offset < b.offset; });
}

std::optional<uint64_t> LinkedFile::address(const uint8_t *at) const {
  uint64_t offset = at - bytes.data();
  auto load = llvm::upper_bound(
      loads, offset, [](uint64_t o, const Load &l) { return o < l.offset; });
  if (load == loads.begin() || offset - (--load)->offset >= load->size)
    return std::nullopt;
  return load->address + (offset - load->offset);
}

StringRef ObjectFacts::sectionName(uint32_t i) const {
  uint32_t at = headers[i].sh_name;
  StringRef all = toStringRef(sectionNames);
  return all.drop_front(std::min<size_t>(at, all.size())).split('\0').first;
}

ArrayRef<uint8_t> ObjectFacts::contents(uint32_t i) const {
  const Shdr &h = headers[i];
  if (h.sh_type == SHT_NOBITS || h.sh_offset > bytes.size() ||
      h.sh_size > bytes.size() - h.sh_offset)
    return {};
  return arrayRefFromStringRef(bytes).slice(h.sh_offset, h.sh_size);
}

bool ObjectFacts::isFrame(uint32_t i) const {
  uint32_t type = headers[i].sh_type;
  return (type == SHT_PROGBITS || type == SHT_X86_64_UNWIND) &&
         sectionName(i) == ".eh_frame";
}

bool ObjectFacts::readSymbols(const object::ELFFile<ELFT> &file) {
  for (const Shdr &h : headers) {
    if (h.sh_type == SHT_SYMTAB_SHNDX) {
      auto table = file.getSHNDXTable(h, headers);
      if (!table) {
        consumeError(table.takeError());
        return false;
      }
      extended = *table;
    }
    if (h.sh_type != SHT_SYMTAB)
      continue;
    auto table = file.symbols(&h);
    auto names = file.getStringTableForSymtab(h, headers);
    if (!table || !names) {
      consumeError(table.takeError());
      consumeError(names.takeError());
      return false;
    }
    symbols = *table;
    strings = *names;
  }
  for (uint32_t i = 1; i < symbols.size(); ++i) {
    const Sym &s = symbols[i];
    if (s.st_name >= strings.size())
      return false;
    if (s.getType() == STT_FILE && source.empty())
      source = strings.drop_front(s.st_name).split('\0').first;
    functions += s.getType() == STT_FUNC && s.st_shndx != SHN_UNDEF;
  }
  return true;
}

bool ObjectFacts::read(StringRef original, StringRef seen) {
  bytes = original;
  seenBase = seen.bytes_begin();
  auto file = object::ELFFile<ELFT>::create(original);
  auto other = object::ELFFile<ELFT>::create(seen);
  if (!file || !other) {
    consumeError(file.takeError());
    consumeError(other.takeError());
    return false;
  }
  auto table = file->sections(), otherTable = other->sections();
  if (!table || !otherTable || table->size() != otherTable->size() ||
      table->empty()) {
    consumeError(table.takeError());
    consumeError(otherTable.takeError());
    return false;
  }
  headers = *table;
  isX86_64 = file->getHeader().e_machine == EM_X86_64;
  seenHeaders = *otherTable;
  uint32_t names = file->getHeader().e_shstrndx;
  if (names == SHN_XINDEX)
    names = headers[0].sh_link;
  if (names >= headers.size())
    return false;
  sectionNames = contents(names);
  relas.resize(headers.size());
  places.resize(headers.size());
  if (!readSymbols(*file))
    return false;
  for (const Shdr &h : headers) {
    if (h.sh_type != SHT_RELA || h.sh_info >= headers.size() ||
        !(headers[h.sh_info].sh_flags & SHF_ALLOC))
      continue;
    auto list = file->relas(h);
    if (!list) {
      consumeError(list.takeError());
      return false;
    }
    relas[h.sh_info] = *list;
    relocations += list->size();
    for (const Rela &r : *list)
      if (r.getSymbol(false) >= symbols.size())
        return false;
  }
  return true;
}

void ObjectFacts::place(ArrayRef<Copy> copies, const LinkedFile &file) {
  for (uint32_t i = 0; i < seenHeaders.size(); ++i) {
    const Shdr &h = seenHeaders[i];
    if (!(h.sh_flags & SHF_ALLOC) || h.sh_type == SHT_NOBITS || !h.sh_size)
      continue;
    const uint8_t *from = seenBase + h.sh_offset;
    auto copy = llvm::lower_bound(
        copies, from, [](const Copy &c, const uint8_t *f) { return c.from < f; });
    for (; copy != copies.end() && copy->from == from; ++copy)
      if (copy->size == h.sh_size && file.address(copy->to))
        places[i] = copy->to;
  }
}

uint32_t ObjectFacts::sectionOf(uint32_t i) const {
  uint32_t index = symbols[i].st_shndx;
  if (index == SHN_XINDEX)
    index = i < extended.size() ? uint32_t(extended[i]) : 0;
  else if (index >= SHN_LORESERVE)
    return 0;
  return index < headers.size() ? index : 0;
}

/// As far as the section alone tells; mergeable ones are kept if something that
/// is kept refers to them.
ObjectFacts::Keep ObjectFacts::keepOf(uint32_t i) const {
  const Shdr &h = headers[i];
  if (!(h.sh_flags & SHF_ALLOC) || !h.sh_size || h.sh_type == SHT_NOTE ||
      isFrame(i) || (h.sh_flags & SHF_COMPRESSED))
    return Keep::No;
  if (h.sh_type == SHT_NOBITS)
    return Keep::NoBits;
  if ((h.sh_flags & SHF_MERGE) || !places[i] || contents(i).empty())
    return Keep::No;
  return Keep::Placed;
}

/// FDEs with a relocation behind that of the function's start.
void ObjectFacts::readFrames() {
  for (uint32_t i = 1; i < headers.size(); ++i) {
    if (!isFrame(i))
      continue;
    ArrayRef<uint8_t> data = contents(i);
    ArrayRef<Rela> all = relas[i];
    auto isBefore = [](const Rela &a, const Rela &b) {
      return a.r_offset < b.r_offset;
    };
    if (!llvm::is_sorted(all, isBefore))
      continue;
    size_t next = 0;
    for (uint64_t at = 0; at + 8 <= data.size();) {
      uint64_t length = read32le(&data[at]), end = at + 4 + length;
      if (!length || length == UINT32_MAX || end > data.size())
        break;
      while (next < all.size() && all[next].r_offset < at + 8)
        ++next;
      if (read32le(&data[at + 4]) && next + 1 < all.size() &&
          all[next].r_offset == at + 8 && all[next + 1].r_offset < end)
        frames.push_back({&all[next], &all[next + 1]});
      at = end;
    }
  }
}

void ObjectFacts::choose() {
  keeps.resize(headers.size());
  used.resize(symbols.size());
  for (uint32_t i = 1; i < headers.size(); ++i) {
    keeps[i] = keepOf(i);
    if (keeps[i] == Keep::Placed)
      for (const Rela &r : relas[i])
        use(r.getSymbol(false));
  }
  readFrames();
  erase_if(frames, [&](const Frame &f) {
    uint32_t function = f.function->getSymbol(false),
             table = f.table->getSymbol(false);
    bool kept = keeps[sectionOf(function)] == Keep::Placed &&
                keeps[sectionOf(table)] == Keep::Placed;
    if (kept)
      use(function), use(table);
    return !kept;
  });
  for (uint32_t i = 1; i < symbols.size(); ++i) {
    uint32_t home = sectionOf(i);
    const Shdr &h = headers[home];
    if (used[i] && home && keeps[home] == Keep::No &&
        (h.sh_flags & SHF_MERGE) && !contents(home).empty())
      keeps[home] = Keep::Contents;
    bool isDefined = keeps[home] == Keep::Placed || keeps[home] == Keep::NoBits;
    uint8_t type = symbols[i].getType();
    if ((isDefined && type != STT_SECTION) || type == STT_FILE)
      use(i);
  }
  if (!used.empty())
    used[0] = false; // stands for no symbol
  uint32_t count = 0;
  sectionNumbers.resize(headers.size());
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] != Keep::No) {
      sectionNumbers[i] = ++count;
      names.emplace_back(sectionName(i));
      defines.push_back(false);
    }
  count = 0;
  symbolNumbers.resize(symbols.size());
  for (uint32_t i = 1; i < symbols.size(); ++i)
    if (used[i]) {
      symbolNumbers[i] = ++count;
      names.emplace_back(
          symbols[i].getType() == STT_SECTION
              ? ""
              : strings.drop_front(symbols[i].st_name).split('\0').first);
      Keep home = keeps[sectionOf(i)];
      defines.push_back(symbols[i].getBinding() != STB_LOCAL &&
                        (home == Keep::Placed || home == Keep::NoBits));
    }
}

void ObjectFacts::encodeSections(MapEncoder &out, const LinkedFile &file) const {
  out.number(llvm::count_if(keeps, [](Keep k) { return k != Keep::No; }));
  uint64_t address = 0;
  size_t name = 0;
  for (uint32_t i = 1; i < headers.size(); ++i) {
    if (keeps[i] == Keep::No)
      continue;
    const Shdr &h = headers[i];
    out.number(nameNumbers[name++]);
    out.number(h.sh_type);
    out.number(h.sh_flags);
    out.number(h.sh_addralign);
    out.number(h.sh_entsize);
    out.number(h.sh_size);
    out.number(uint64_t(keeps[i]));
    if (keeps[i] == Keep::Contents)
      out.raw(contents(i));
    if (keeps[i] != Keep::Placed)
      continue;
    uint64_t here = *file.address(places[i]);
    out.signedNumber(here - address);
    address = here + h.sh_size;
    encodeDifferences(out, i);
  }
}

/// Bytes outside of relocated fields that are not those of the object: the
/// linker has written other instructions.
void ObjectFacts::encodeDifferences(MapEncoder &out, uint32_t section) const {
  ArrayRef<uint8_t> ours = contents(section);
  const uint8_t *theirs = places[section];
  MapEncoder list;
  uint64_t count = 0, last = 0;
  auto write = [&](uint64_t from, uint64_t to) {
    list.number(from - last);
    list.number(to - from);
    list.raw(ours.slice(from, to - from));
    last = to;
    ++count;
  };
  auto compare = [&](uint64_t from, uint64_t to) {
    if (from >= to || !memcmp(&ours[from], theirs + from, to - from))
      return;
    while (ours[from] == theirs[from])
      ++from;
    while (ours[to - 1] == theirs[to - 1])
      --to;
    write(from, to);
  };
  auto isZero = [](uint8_t b) { return !b; };
  uint64_t at = 0;
  for (const Rela &r : relas[section]) {
    uint64_t from = std::min<uint64_t>(r.r_offset, ours.size()),
             to = std::min<uint64_t>(
                 from + map::fieldSize(r.getType(false)), ours.size());
    compare(at, from);
    from = std::max(at, from);
    // Readers take it for zero, which it is but in what people make up.
    if (isX86_64 && from < to && !all_of(ours.slice(from, to - from), isZero))
      write(from, to);
    at = std::max(at, to);
  }
  compare(at, ours.size());
  out.number(count);
  out.raw(list.bytes);
}

void ObjectFacts::encodeSymbols(MapEncoder &out) const {
  std::vector<const Sym *> kept;
  std::vector<uint64_t> homes;
  for (uint32_t i = 1; i < symbols.size(); ++i) {
    if (!used[i])
      continue;
    const Sym &s = symbols[i];
    kept.push_back(&s);
    homes.push_back(s.st_shndx == SHN_ABS      ? map::homeAbsolute
                    : s.st_shndx == SHN_COMMON ? map::homeCommon
                    : sectionOf(i) && sectionNumbers[sectionOf(i)]
                        ? map::homeSections + sectionNumbers[sectionOf(i)]
                        : map::homeUndefined);
  }
  out.number(kept.size());
  for (const Sym *s : kept)
    out.number(s->st_info);
  for (const Sym *s : kept)
    out.number(s->st_other);
  for (uint64_t home : homes)
    out.number(home);
  for (size_t i = 0; i < kept.size(); ++i)
    out.number(homes[i] == map::homeUndefined ? 0 : kept[i]->st_value);
  for (size_t i = 0; i < kept.size(); ++i)
    out.number(homes[i] == map::homeUndefined ? 0 : kept[i]->st_size);
  int64_t last = 0;
  size_t first = nameNumbers.size() - kept.size();
  for (uint32_t n : ArrayRef(nameNumbers).drop_front(first)) {
    out.signedNumber(n - last);
    last = n;
  }
}

void ObjectFacts::encodeRelocations(MapEncoder &out) const {
  std::vector<ArrayRef<Rela>> all;
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed)
      all.push_back(relas[i]);
  auto column = [&](auto write) {
    for (ArrayRef<Rela> list : all) {
      int64_t last = 0;
      for (const Rela &r : list)
        write(r, last);
    }
  };
  for (ArrayRef<Rela> list : all)
    out.number(list.size());
  column([&](const Rela &r, int64_t &last) {
    out.signedNumber(int64_t(r.r_offset) - last);
    last = r.r_offset;
  });
  column([&](const Rela &r, int64_t &) { out.number(r.getType(false)); });
  column([&](const Rela &r, int64_t &) {
    out.number(symbolNumbers[r.getSymbol(false)]);
  });
  column([&](const Rela &r, int64_t &) { out.signedNumber(r.r_addend); });
}

void ObjectFacts::encodeFrames(MapEncoder &out) const {
  out.number(frames.size());
  for (const Frame &f : frames)
    for (const Rela *r : {f.function, f.table}) {
      out.number(symbolNumbers[r->getSymbol(false)]);
      out.signedNumber(r->r_addend);
    }
}

std::vector<std::pair<uint64_t, uint32_t>>
ObjectFacts::functionsIn(uint32_t section) const {
  std::vector<std::pair<uint64_t, uint32_t>> out;
  size_t name = llvm::count_if(keeps, [](Keep k) { return k != Keep::No; });
  for (uint32_t i = 1; i < symbols.size(); ++i) {
    if (!used[i])
      continue;
    if (symbols[i].getType() == STT_FUNC && sectionOf(i) == section)
      out.push_back({symbols[i].st_value, nameNumbers[name]});
    ++name;
  }
  return out;
}

std::vector<uint8_t> ObjectFacts::encode(const LinkedFile &file) const {
  MapEncoder out;
  encodeSections(out, file);
  encodeSymbols(out);
  encodeRelocations(out);
  encodeFrames(out);
  std::vector<uint64_t> hashes;
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed)
      hashes.push_back(xxh3_64bits(contents(i)));
  support::ulittle64_t check;
  check = map::hashOfHashes(hashes);
  out.structure(check);
  return std::move(out.bytes);
}

} // namespace relink
