//===- MapDetailsReader.cpp - Reads what a map says of an object ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapDetailsReader.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::map;

namespace relink {

Error MapDetailsReader::readDifferences(MapSection &s) {
  uint64_t end = 0;
  for (uint64_t count = in.number(); count && in.isGood(); --count) {
    uint64_t gap = in.number(), size = in.number();
    ArrayRef<uint8_t> bytes = in.raw(size);
    if (gap > s.size - end || size > s.size - end - gap)
      return error("changes bytes outside of a section");
    s.differences.push_back({end + gap, bytes});
    end += gap + size;
  }
  return Error::success();
}

/// Its columns are read; what no section can have is refused.
Error MapDetailsReader::checkSection(const MapSection &s) const {
  if (s.kind < SectionKind::Placed || s.kind > SectionKind::NoBits)
    return error("has a section of an unknown kind");
  if (!isPowerOf2_64(s.align))
    return error("has a section with alignment " + Twine(s.align));
  return Error::success();
}

/// \p next is the number behind that of the name before.
Error MapDetailsReader::readName(uint64_t &next, StringRef &out) {
  next += in.signedNumber();
  auto name = nameOf(next++);
  if (!name)
    return name.takeError();
  out = *name;
  return Error::success();
}

Error MapDetailsReader::readSections() {
  uint64_t count = in.number();
  if (count > in.left() / 7) // fields of one
    return truncated();
  out.sections.resize(count);
  uint64_t number = 0;
  for (MapSection &s : out.sections)
    if (Error e = readName(number, s.name))
      return e;
  auto column = [&](auto read) {
    for (MapSection &s : out.sections)
      read(s, in.number());
  };
  column([](MapSection &s, uint64_t v) { s.type = v; });
  column([](MapSection &s, uint64_t v) { s.flags = v; });
  column([](MapSection &s, uint64_t v) { s.align = std::max<uint64_t>(v, 1); });
  column([](MapSection &s, uint64_t v) { s.entrySize = v; });
  column([](MapSection &s, uint64_t v) { s.size = v; });
  column([](MapSection &s, uint64_t v) {
    s.kind = SectionKind(std::min<uint64_t>(v, UINT8_MAX));
  });
  if (!in.isGood())
    return truncated();
  uint64_t address = 0;
  for (MapSection &s : out.sections) {
    if (Error e = checkSection(s))
      return e;
    if (s.kind != SectionKind::Placed)
      continue;
    s.address = alignTo(address, s.align) + in.signedNumber();
    address = s.address + s.size;
  }
  for (MapSection &s : out.sections)
    if (s.kind == SectionKind::Placed)
      if (Error e = readDifferences(s))
        return e;
  for (MapSection &s : out.sections)
    if (s.kind == SectionKind::Contents)
      s.contents = in.raw(s.size);
  return Error::success();
}

Error MapDetailsReader::checkSymbol(const MapSymbol &s) const {
  if (s.home != MapSymbol::Home::Section)
    return Error::success();
  if (s.section >= out.sections.size())
    return error("has a symbol in a section that it lacks");
  uint64_t size = out.sections[s.section].size;
  if (s.value > size || s.size > size - s.value)
    return error("has a symbol outside of its section");
  return Error::success();
}

static bool isInSection(const MapSymbol &s) {
  return s.home == MapSymbol::Home::Section && (s.info & 15) != STT_SECTION;
}

/// That of a section's only symbol, often the section's own, as the difference.
Error MapDetailsReader::readSizes() {
  std::vector<unsigned> counts(out.sections.size());
  for (const MapSymbol &s : out.symbols)
    if (isInSection(s)) {
      if (s.section >= counts.size())
        return error("has a symbol in a section that it lacks");
      ++counts[s.section];
    }
  for (MapSymbol &s : out.symbols) {
    s.size = in.number();
    if (isInSection(s) && counts[s.section] == 1)
      s.size ^= out.sections[s.section].size;
  }
  return Error::success();
}

Error MapDetailsReader::readSymbols() {
  uint64_t count = in.number();
  if (count > in.left() / 6)
    return truncated();
  out.symbols.resize(count);
  for (MapSymbol &s : out.symbols)
    s.info = in.number();
  for (MapSymbol &s : out.symbols)
    s.other = in.number();
  std::vector<uint64_t> homes;
  for (MapSymbol &s : out.symbols) {
    uint64_t home = (homes.empty() ? 0 : homes.back()) + in.signedNumber();
    homes.push_back(home);
    if (home > homeSections) {
      s.home = MapSymbol::Home::Section;
      s.section = std::min<uint64_t>(home - homeSections - 1, UINT32_MAX);
    } else if (home != homeUndefined) {
      s.home = home == homeAbsolute ? MapSymbol::Home::Absolute
                                    : MapSymbol::Home::Common;
    }
  }
  if (Error e = readSizes())
    return e;
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    MapSymbol &s = out.symbols[i];
    if (!i || homes[i] != homes[i - 1])
      end = 0;
    if (isInSection(s) && (out.sections[s.section].flags & SHF_EXECINSTR))
      end = alignTo(end, out.sections[s.section].align);
    s.value = end + in.signedNumber();
    end = s.value + s.size;
  }
  uint64_t number = 0;
  for (MapSymbol &s : out.symbols) {
    if (Error e = readName(number, s.name))
      return e;
    if (Error e = checkSymbol(s))
      return e;
  }
  return Error::success();
}

Error MapDetailsReader::readRelocations() {
  std::vector<MapSection *> placed;
  for (MapSection &s : out.sections)
    if (s.kind == SectionKind::Placed)
      placed.push_back(&s);
  std::vector<uint64_t> counts;
  uint64_t total = 0;
  for (size_t i = 0; i < placed.size(); ++i) {
    counts.push_back(std::min<uint64_t>(in.number(), UINT32_MAX));
    total += counts.back();
  }
  if (total > in.left() / 4)
    return truncated();
  for (size_t i = 0; i < placed.size(); ++i) {
    uint64_t offset = 0;
    for (uint64_t n = counts[i]; n && in.isGood(); --n) {
      offset += in.signedNumber();
      if (offset >= placed[i]->size)
        return error("has a relocation outside of its section");
      placed[i]->relocations.emplace_back().offset = offset;
    }
  }
  auto column = [&](auto read) {
    for (MapSection *s : placed)
      for (MapSection::Relocation &r : s->relocations)
        read(r);
  };
  column([&](MapSection::Relocation &r) { r.type = in.number(); });
  bool isRight = true;
  column([&](MapSection::Relocation &r) {
    r.symbol = in.number();
    isRight &= r.symbol <= out.symbols.size();
  });
  if (!isRight)
    return error("has a relocation to a symbol that it lacks");
  for (MapSection *s : placed)
    for (MapSection::Relocation &r : s->relocations)
      r.addend = uint64_t(in.signedNumber()) + addendInProgram(*s, r);
  return Error::success();
}

/// What the program says that the addend is, if it does.
int64_t MapDetailsReader::addendInProgram(const MapSection &section,
                                          const MapSection::Relocation &r) const {
  unsigned size = distanceSize(r.type);
  if (!size || !r.symbol || size > section.size - r.offset)
    return 0;
  const MapSymbol &symbol = out.symbols[r.symbol - 1];
  if (symbol.home != MapSymbol::Home::Section ||
      out.sections[symbol.section].kind != SectionKind::Placed)
    return 0;
  uint64_t place = section.address + r.offset;
  ArrayRef<uint8_t> field = bytesAt(place, size);
  if (field.size() != size)
    return 0;
  return addendIn(field, place,
                  out.sections[symbol.section].address + symbol.value);
}

Error MapDetailsReader::readFrames() {
  for (uint64_t count = in.number(); count && in.isGood(); --count) {
    MapFrame f;
    f.function = in.number();
    f.functionAddend = in.signedNumber();
    f.table = in.number();
    f.tableAddend = in.signedNumber();
    if (f.function > out.symbols.size() || f.table > out.symbols.size() ||
        !f.function || !f.table)
      return in.isGood() ? error("has an exception table of nothing")
                         : truncated();
    out.frames.push_back(f);
  }
  return Error::success();
}

Error MapDetailsReader::read() {
  if (Error e = readSections())
    return e;
  if (Error e = readSymbols())
    return e;
  if (Error e = readRelocations())
    return e;
  if (Error e = readFrames())
    return e;
  ArrayRef<uint8_t> check = in.raw(sizeof(out.check));
  if (!in.isGood())
    return truncated();
  out.check = support::endian::read64le(check.data());
  return Error::success();
}

} // namespace relink
