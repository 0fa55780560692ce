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
#include <atomic>

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
  auto sections = file->sections();
  if (!sections) {
    consumeError(sections.takeError());
    return;
  }
  for (const auto &s : *sections) {
    auto name = file->getSectionName(s);
    if (!name)
      consumeError(name.takeError());
    else if (*name == ".rodata" && s.sh_type == SHT_PROGBITS &&
             s.sh_offset <= bytes.size() && s.sh_size <= bytes.size() - s.sh_offset)
      constants = bytes.slice(s.sh_offset, s.sh_size);
  }
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

/// read() has checked them.
ArrayRef<Rela> ObjectFacts::relasOf(uint32_t section) const {
  uint32_t index = relocationsOf[section];
  if (!index)
    return {};
  const Shdr &h = headers[index];
  return {reinterpret_cast<const Rela *>(bytes.bytes_begin() + h.sh_offset),
          h.sh_size / sizeof(Rela)};
}

bool ObjectFacts::read(StringRef original, StringRef seenFile,
                       ZeroedMemory &memory) {
  bytes = original;
  seen = arrayRefFromStringRef(seenFile);
  auto file = object::ELFFile<ELFT>::create(original);
  auto other = object::ELFFile<ELFT>::create(seenFile);
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
  relocationsOf = memory.take<uint32_t>(headers.size());
  places = memory.take<const uint8_t *>(headers.size());
  listCopied(memory);
  keeps = memory.take<Keep>(headers.size());
  sectionNumbers = memory.take<uint32_t>(headers.size());
  if (!readSymbols(*file))
    return false;
  used = memory.take<bool>(symbols.size());
  symbolNumbers = memory.take<uint32_t>(symbols.size());
  for (const Shdr &h : headers) {
    if (h.sh_type != SHT_RELA || h.sh_info >= headers.size() ||
        !(headers[h.sh_info].sh_flags & SHF_ALLOC))
      continue;
    auto list = file->relas(h);
    if (!list) {
      consumeError(list.takeError());
      return false;
    }
    relocationsOf[h.sh_info] = &h - headers.data();
    relocations += list->size();
    for (const Rela &r : *list)
      if (r.getSymbol(false) >= symbols.size())
        return false;
  }
  inlined = InlinedCopies::read(original, memory);
  return true;
}

/// Those with bytes in the output, by offset.
void ObjectFacts::listCopied(ZeroedMemory &memory) {
  copied = memory.take<uint32_t>(seenHeaders.size());
  size_t count = 0;
  for (uint32_t i = 0; i < seenHeaders.size(); ++i) {
    const Shdr &h = seenHeaders[i];
    if ((h.sh_flags & SHF_ALLOC) && h.sh_type != SHT_NOBITS && h.sh_size)
      copied[count++] = i;
  }
  copied = copied.take_front(count);
  auto isBefore = [&](uint32_t a, uint32_t b) {
    return seenHeaders[a].sh_offset < seenHeaders[b].sh_offset;
  };
  if (!std::is_sorted(copied.begin(), copied.end(), isBefore))
    std::stable_sort(copied.begin(), copied.end(), isBefore);
}

uint32_t ObjectFacts::place(const Copy &copy, const LinkedFile &file,
                            uint32_t hint) {
  uint64_t offset = copy.from - seen.data();
  auto offsetAt = [&](uint32_t i) -> uint64_t {
    return seenHeaders[copied[i]].sh_offset;
  };
  if (hint >= copied.size() || offsetAt(hint) != offset ||
      (hint && offsetAt(hint - 1) == offset))
    hint = llvm::lower_bound(copied, offset,
                             [&](uint32_t s, uint64_t o) {
                               return seenHeaders[s].sh_offset < o;
                             }) -
           copied.begin();
  for (; hint < copied.size() && offsetAt(hint) == offset; ++hint)
    if (seenHeaders[copied[hint]].sh_size == copy.size && file.address(copy.to)) {
      // Of several the last, whichever thread is first.
      std::atomic_ref<const uint8_t *> place(places[copied[hint]]);
      const uint8_t *old = place.load(std::memory_order_relaxed);
      while (old < copy.to && !place.compare_exchange_weak(
                                  old, copy.to, std::memory_order_relaxed))
        ;
    }
  return hint;
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
  // lld merges none with relocations.
  bool isMerged = (h.sh_flags & SHF_MERGE) && relasOf(i).empty();
  // Of the compiler's table of entries EntryTable has made another, of offsets.
  bool isRemade = seenHeaders[i].sh_size < h.sh_size;
  if (isMerged || isRemade || !places[i] || contents(i).empty())
    return Keep::No;
  return Keep::Placed;
}

/// FDEs with a relocation behind that of the function's start.
void ObjectFacts::readFrames() {
  for (uint32_t i = 1; i < headers.size(); ++i) {
    if (!isFrame(i))
      continue;
    ArrayRef<uint8_t> data = contents(i);
    ArrayRef<Rela> all = relasOf(i);
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

void ObjectFacts::choose(ZeroedMemory &memory) {
  for (uint32_t i = 1; i < headers.size(); ++i) {
    keeps[i] = keepOf(i);
    if (keeps[i] == Keep::Placed)
      for (const Rela &r : relasOf(i))
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
    uint16_t index = symbols[i].st_shndx; // others may refer to these
    bool isDefined = keeps[home] == Keep::Placed || keeps[home] == Keep::NoBits ||
                     (symbols[i].getBinding() != STB_LOCAL &&
                      (index == SHN_ABS || index == SHN_COMMON));
    uint8_t type = symbols[i].getType();
    if ((isDefined && type != STT_SECTION) || type == STT_FILE)
      use(i);
  }
  if (!used.empty())
    used[0] = false; // stands for no symbol
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] != Keep::No)
      sectionNumbers[i] = ++keptSections;
  orderSymbols(memory);
  chooseInlined();
  names = memory.take<Name>(keptSections + order.size() +
                            2 * inlined.functions.size() +
                            inlined.callers.size());
  Name *next = names.data();
  auto add = [&](StringRef text, bool defines) {
    *next++ = {text, uint32_t(xxh3_64bits(text)), 0, defines};
  };
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] != Keep::No)
      add(sectionName(i), false);
  for (uint32_t i : order) {
    const Sym &s = symbols[i];
    Keep home = keeps[sectionOf(i)];
    add(s.getType() == STT_SECTION
            ? ""
            : strings.drop_front(s.st_name).split('\0').first,
        s.getBinding() != STB_LOCAL &&
            (home == Keep::Placed || home == Keep::NoBits));
  }
  for (const InlinedCopies::Function &f : inlined.functions) {
    add(f.name, false);
    add(f.file, false);
  }
  for (const InlinedCopies::Caller &c : inlined.callers)
    add(c.name, false);
}

bool ObjectFacts::isPlaced(const InlinedCopies::Place &p) const {
  return p.section < headers.size() && keeps[p.section] == Keep::Placed &&
         p.offset <= headers[p.section].sh_size;
}

/// Code that was collected, or lost to another object's COMDAT, holds no copies.
void ObjectFacts::chooseInlined() {
  auto isGone = [&](const InlinedCopies::Place &p) { return !isPlaced(p); };
  erase_if(inlined.callers, [&](InlinedCopies::Caller &c) {
    erase_if(c.starts, isGone);
    return c.starts.empty();
  });
  SmallVector<InlinedCopies::Function, 0> &all = inlined.functions;
  std::vector<uint32_t> numbers(all.size()); // of those that are kept, from 1
  for (InlinedCopies::Caller &c : inlined.callers)
    for (auto &[function, times] : c.copies)
      numbers[function] = 1;
  size_t count = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!numbers[i])
      continue;
    if (count != i)
      all[count] = std::move(all[i]);
    numbers[i] = ++count;
  }
  all.resize(count);
  for (InlinedCopies::Caller &c : inlined.callers)
    for (auto &[function, times] : c.copies)
      function = numbers[function] - 1;
}

/// By what keeps the differences of neighbors small: section symbols, locals of
/// each source file behind its STT_FILE, what is defined for others, each by
/// place, and then what is not defined here.
void ObjectFacts::orderSymbols(ZeroedMemory &memory) {
  struct Key {
    uint32_t group, section;
    uint64_t value;
    uint32_t index;
    bool operator<(const Key &o) const {
      return std::tie(group, section, value, index) <
             std::tie(o.group, o.section, o.value, o.index);
    }
  };
  constexpr uint32_t globals = UINT32_MAX - 1, others = UINT32_MAX;
  SmallVector<Key> keys;
  keys.reserve(llvm::count(used, true));
  uint32_t file = 1;
  for (uint32_t i = 1; i < symbols.size(); ++i) {
    const Sym &s = symbols[i];
    if (s.getType() == STT_FILE)
      ++file;
    if (!used[i])
      continue;
    uint32_t section = sectionNumbers[sectionOf(i)];
    if (s.getType() == STT_SECTION)
      keys.push_back({0, section, 0, i});
    else if (s.getType() == STT_FILE)
      keys.push_back({file, 0, 0, i});
    else if (s.getBinding() == STB_LOCAL)
      keys.push_back({file, section, s.st_value, i});
    else if (section)
      keys.push_back({globals, section, s.st_value, i});
    else
      keys.push_back({others, 0, 0, i});
  }
  std::sort(keys.begin(), keys.end()); // llvm::sort calls qsort for these
  order = memory.take<uint32_t>(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    firstOther += keys[i].group != others;
    order[i] = keys[i].index;
  }
}

/// Names are numbered: what is not defined here goes by them.
void ObjectFacts::numberSymbols() {
  MutableArrayRef<Name> all = symbolNames();
  SmallVector<std::pair<uint32_t, uint32_t>> tail;
  for (size_t i = firstOther; i < order.size(); ++i)
    tail.push_back({all[i].number, order[i]});
  std::sort(tail.begin(), tail.end());
  for (size_t i = 0; i < tail.size(); ++i)
    std::tie(all[firstOther + i].number, order[firstOther + i]) = tail[i];
  for (size_t i = 0; i < order.size(); ++i)
    symbolNumbers[order[i]] = i + 1;
}

/// Names that are new to the map are numbered as they come.
void ObjectFacts::encodeNames(MapEncoder &out, ArrayRef<Name> list) {
  uint64_t next = 0;
  for (const Name &n : list) {
    out.signedNumber(n.number - next);
    next = uint64_t(n.number) + 1;
  }
}

void ObjectFacts::encodeSections(MapEncoder &out, const LinkedFile &file) const {
  std::vector<uint32_t> kept;
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] != Keep::No)
      kept.push_back(i);
  out.number(kept.size());
  encodeNames(out, names.take_front(kept.size()));
  auto column = [&](auto value) {
    for (uint32_t i : kept)
      out.number(value(headers[i]));
  };
  column([](const Shdr &h) { return h.sh_type; });
  column([](const Shdr &h) { return h.sh_flags; });
  column([](const Shdr &h) { return h.sh_addralign; });
  column([](const Shdr &h) { return h.sh_entsize; });
  column([](const Shdr &h) { return h.sh_size; });
  for (uint32_t i : kept)
    out.number(uint64_t(keeps[i]));
  uint64_t address = 0;
  for (uint32_t i : kept) {
    if (keeps[i] != Keep::Placed)
      continue;
    uint64_t here = *file.address(places[i]);
    address = alignTo(address, std::max<uint64_t>(headers[i].sh_addralign, 1));
    out.signedNumber(here - address);
    address = here + headers[i].sh_size;
  }
  for (uint32_t i : kept)
    if (keeps[i] == Keep::Placed)
      encodeDifferences(out, i);
  out.cut();
  for (uint32_t i : kept)
    if (keeps[i] == Keep::Contents)
      out.raw(contents(i));
  out.cut();
}

/// Bytes outside of relocated fields that are not those of the object: the
/// linker has written other instructions.
void ObjectFacts::encodeDifferences(MapEncoder &out, uint32_t section) const {
  ArrayRef<uint8_t> ours = contents(section);
  const uint8_t *theirs = places[section];
  SmallVector<std::pair<uint64_t, uint64_t>> list;
  auto write = [&](uint64_t from, uint64_t to) { list.push_back({from, to}); };
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
  for (const Rela &r : relasOf(section)) {
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
  out.number(list.size());
  uint64_t last = 0;
  for (auto [from, to] : list) {
    out.number(from - last);
    out.number(to - from);
    out.raw(ours.slice(from, to - from));
    last = to;
  }
}

void ObjectFacts::encodeSymbols(MapEncoder &out) const {
  std::vector<uint64_t> homes;
  for (uint32_t i : order) {
    const Sym &s = symbols[i];
    homes.push_back(s.st_shndx == SHN_ABS      ? map::homeAbsolute
                    : s.st_shndx == SHN_COMMON ? map::homeCommon
                    : sectionOf(i) && sectionNumbers[sectionOf(i)]
                        ? map::homeSections + sectionNumbers[sectionOf(i)]
                        : map::homeUndefined);
  }
  out.number(order.size());
  for (uint32_t i : order)
    out.number(symbols[i].st_info);
  for (uint32_t i : order)
    out.number(symbols[i].st_other);
  uint64_t last = 0;
  for (uint64_t home : homes)
    out.signedNumber(home - std::exchange(last, home));
  out.cut();
  auto isKnown = [&](size_t i) { return homes[i] != map::homeUndefined; };
  // Symbols come section by section, but for those that stand for one.
  SmallVector<unsigned> counts(keptSections + 1);
  auto section = [&](size_t i) -> uint64_t {
    bool isPlaced = homes[i] > map::homeSections &&
                    symbols[order[i]].getType() != STT_SECTION;
    return isPlaced ? homes[i] - map::homeSections : 0;
  };
  for (size_t i = 0; i < order.size(); ++i)
    ++counts[section(i)];
  for (size_t i = 0; i < order.size(); ++i) {
    uint64_t size = isKnown(i) ? uint64_t(symbols[order[i]].st_size) : 0;
    bool isAlone = section(i) && counts[section(i)] == 1;
    out.number(isAlone ? size ^ headers[sectionOf(order[i])].sh_size : size);
  }
  out.cut();
  uint64_t end = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const Sym &s = symbols[order[i]];
    if (!i || homes[i] != homes[i - 1])
      end = 0;
    uint64_t value = isKnown(i) ? uint64_t(s.st_value) : 0;
    const Shdr &home = headers[sectionOf(order[i])];
    if (section(i) && (home.sh_flags & SHF_EXECINSTR))
      end = alignTo(end, std::max<uint64_t>(home.sh_addralign, 1));
    out.signedNumber(value - end);
    end = isKnown(i) ? value + s.st_size : 0;
  }
  out.cut();
  encodeNames(out, symbolNames());
  out.cut();
}

void ObjectFacts::encodeRelocations(MapEncoder &out,
                                    const LinkedFile &file) const {
  std::vector<ArrayRef<Rela>> all;
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed)
      all.push_back(relasOf(i));
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
  out.cut();
  column([&](const Rela &r, int64_t &) { out.number(r.getType(false)); });
  out.cut();
  column([&](const Rela &r, int64_t &) {
    out.number(symbolNumbers[r.getSymbol(false)]);
  });
  out.cut();
  SmallVector<uint64_t, 0> addresses(headers.size()); // of what is placed
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed)
      addresses[i] = *file.address(places[i]);
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed)
      for (const Rela &r : relasOf(i))
        out.signedNumber(r.r_addend - addendInOutput(r, i, addresses));
  out.cut();
}

/// What the output says that the addend is, if it does.
int64_t ObjectFacts::addendInOutput(const Rela &r, uint32_t section,
                                    ArrayRef<uint64_t> addresses) const {
  unsigned size = isX86_64 ? map::distanceSize(r.getType(false)) : 0;
  uint32_t home = sectionOf(r.getSymbol(false));
  if (!size || keeps[home] != Keep::Placed ||
      r.r_offset > headers[section].sh_size ||
      size > headers[section].sh_size - r.r_offset)
    return 0;
  const uint8_t *place = places[section] + r.r_offset;
  return map::addendIn({place, size}, addresses[section] + r.r_offset,
                       addresses[home] + symbols[r.getSymbol(false)].st_value);
}

void ObjectFacts::encodeFrames(MapEncoder &out) const {
  out.number(frames.size());
  for (const Frame &f : frames)
    for (const Rela *r : {f.function, f.table}) {
      out.number(symbolNumbers[r->getSymbol(false)]);
      out.signedNumber(r->r_addend);
    }
}

void ObjectFacts::encodeInlined(MapEncoder &out, const LinkedFile &file) const {
  out.number(uint64_t(inlined.known));
  if (!hasInlining())
    return;
  ArrayRef<Name> all = inlinedNames();
  ArrayRef<InlinedCopies::Function> functions = inlined.functions;
  ArrayRef<InlinedCopies::Caller> callers = inlined.callers;
  auto writeNames = [&](size_t from, size_t step, size_t count) {
    int64_t next = 0;
    for (size_t i = 0; i < count; ++i) {
      int64_t number = all[from + i * step].number;
      out.signedNumber(number - next);
      next = number + 1;
    }
  };
  out.number(functions.size());
  writeNames(0, 2, functions.size());
  writeNames(1, 2, functions.size());
  for (const InlinedCopies::Function &f : functions)
    out.number(f.flags);
  out.number(callers.size());
  writeNames(2 * functions.size(), 1, callers.size());
  for (const InlinedCopies::Caller &c : callers)
    out.number(c.starts.size());
  uint64_t last = 0;
  for (const InlinedCopies::Caller &c : callers)
    for (const InlinedCopies::Place &p : c.starts) {
      uint64_t address = *file.address(places[p.section]) + p.offset;
      out.signedNumber(address - std::exchange(last, address));
    }
  for (const InlinedCopies::Caller &c : callers)
    out.number(c.copies.size());
  for (const InlinedCopies::Caller &c : callers) {
    uint32_t next = 0;
    for (auto [function, times] : c.copies) {
      out.signedNumber(int64_t(function) - next);
      next = function + 1;
    }
  }
  for (const InlinedCopies::Caller &c : callers)
    for (auto [function, times] : c.copies)
      out.number(times);
}

std::vector<std::pair<uint64_t, uint32_t>>
ObjectFacts::functionsIn(uint32_t section) const {
  std::vector<std::pair<uint64_t, uint32_t>> out;
  ArrayRef<Name> all = symbolNames();
  for (size_t i = 0; i < order.size(); ++i)
    if (symbols[order[i]].getType() == STT_FUNC && sectionOf(order[i]) == section)
      out.push_back({symbols[order[i]].st_value, all[i].number});
  return out;
}

void ObjectFacts::encode(MapEncoder &out, const LinkedFile &file) {
  numberSymbols();
  encodeSections(out, file);
  encodeSymbols(out);
  encodeRelocations(out, file);
  encodeFrames(out);
  std::vector<uint64_t> hashes;
  uint64_t addends = 0;
  for (uint32_t i = 1; i < headers.size(); ++i)
    if (keeps[i] == Keep::Placed) {
      hashes.push_back(xxh3_64bits(contents(i)));
      for (const Rela &r : relasOf(i))
        addends = map::mixAddend(addends, r.r_addend);
    }
  hashes.push_back(addends);
  support::ulittle64_t check;
  check = map::hashOfHashes(hashes);
  out.structure(check);
  out.cut();
}

} // namespace relink
