//===- MapObject.cpp - An object as it was, from the map ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapObject.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {

/// As in ObjectReader.cpp.
constexpr uint64_t mostEntry = 4096;

/// A section of kind Placed as it was in the object; empty if it is not in the
/// program.
static std::vector<uint8_t> bytesOf(const Image &app, const MapSection &s) {
  ArrayRef<uint8_t> bytes = app.bytesAt(s.address, s.size);
  if (bytes.size() != s.size)
    return {};
  std::vector<uint8_t> out = bytes.vec();
  for (const MapSection::Relocation &r : s.relocations) {
    uint64_t size = std::min<uint64_t>(map::fieldSize(r.type), s.size - r.offset);
    std::fill_n(out.begin() + r.offset, size, 0);
  }
  for (const MapSection::Difference &d : s.differences)
    llvm::copy(d.bytes, out.begin() + d.offset);
  return out;
}

bool definesOneOf(const MapSymbol &s, const StringSet<> &names) {
  return s.home == MapSymbol::Home::Section && s.info >> 4 != STB_LOCAL &&
         names.contains(s.name);
}

Error MapObjectBuilder::error(const Twine &what) const {
  return makeError(app.path + ": its " + map::sectionName + " " + what +
                   "\n>>> of " + input.name() + "\n>>> remedy: --no-map");
}

/// Its section too, if no other object can define it.
void MapObjectBuilder::keep(const MapSymbol &s, SmallVectorImpl<size_t> &open) {
  keepsSymbol[&s - details.symbols.data()] = true;
  bool isLocal = s.info >> 4 == STB_LOCAL;
  if (!isLocal || s.home != MapSymbol::Home::Section || keepsSection[s.section])
    return;
  keepsSection[s.section] = true;
  open.push_back(s.section);
}

void MapObjectBuilder::keepOnly(const StringSet<> &names) {
  keepsSection.assign(keepsSection.size(), false);
  keepsSymbol.assign(keepsSymbol.size(), false);
  keepsFrame.assign(keepsFrame.size(), false);
  SmallVector<size_t> open;
  for (const MapSymbol &s : details.symbols)
    if (definesOneOf(s, names) && !keepsSection[s.section]) {
      keepsSection[s.section] = true;
      open.push_back(s.section);
    }
  auto symbol = [&](uint32_t number) -> const MapSymbol & {
    return details.symbols[number - 1];
  };
  while (!open.empty()) {
    for (const MapSection::Relocation &r :
         details.sections[open.pop_back_val()].relocations)
      if (r.symbol)
        keep(symbol(r.symbol), open);
    for (size_t i = 0; i < details.frames.size(); ++i) {
      const MapFrame &f = details.frames[i];
      const MapSymbol &function = symbol(f.function);
      if (keepsFrame[i] || function.home != MapSymbol::Home::Section ||
          !keepsSection[function.section])
        continue;
      keepsFrame[i] = true;
      keep(function, open);
      keep(symbol(f.table), open);
    }
  }
  for (size_t i = 0; i < details.symbols.size(); ++i) {
    const MapSymbol &s = details.symbols[i];
    if ((s.home == MapSymbol::Home::Section && keepsSection[s.section]) ||
        (s.info & 15) == STT_FILE)
      keepsSymbol[i] = true;
  }
}

Error MapObjectBuilder::addBytes(const MapSection &from, ObjectSection &to) {
  if (from.kind == map::SectionKind::Contents)
    to.data.assign(from.contents.begin(), from.contents.end());
  if (from.kind != map::SectionKind::Placed)
    return Error::success();
  total += from.size;
  to.data = bytesOf(app, from);
  if (to.data.size() != from.size || total > app.bytes().size())
    return error("has section " + from.name + " at " + hex(from.address) +
                 ", which is not in the program");
  to.address = from.address;
  return Error::success();
}

Error MapObjectBuilder::addSections() {
  for (const MapSection &s : details.sections) {
    sections.push_back(nullptr);
    if (!keepsSection[&s - details.sections.data()])
      continue;
    ObjectSection &out = object->addSection(
        s.name, s.type,
        s.flags & ~uint64_t(SHF_GROUP | SHF_INFO_LINK | SHF_LINK_ORDER));
    sections.back() = &out;
    out.align = s.align;
    out.entrySize = s.entrySize;
    out.size = s.size;
    if ((out.isMergeable() && out.entrySize > mostEntry) ||
        out.isNoBits() != (s.kind == map::SectionKind::NoBits))
      return error("has a section " + s.name + " that no object has");
    if (Error e = addBytes(s, out))
      return e;
  }
  return Error::success();
}

void MapObjectBuilder::addSymbols() {
  std::string file;
  symbols.push_back(nullptr);
  for (const MapSymbol &s : details.symbols) {
    symbols.push_back(nullptr);
    if (!keepsSymbol[&s - details.symbols.data()])
      continue;
    uint8_t type = s.info & 15;
    ObjectSection *home =
        s.home == MapSymbol::Home::Section ? sections[s.section] : nullptr;
    if (type == STT_FILE)
      file = s.name.str();
    if (type == STT_SECTION && home)
      symbols.back() = &object->sectionSymbol(*home);
    if (type == STT_FILE || type == STT_SECTION)
      continue;
    ObjectSymbol &out = object->addSymbol(s.name);
    symbols.back() = &out;
    out.type = type;
    out.binding = s.info >> 4;
    out.visibility = s.other & 3;
    out.section = home;
    if (s.home != MapSymbol::Home::Section || home) {
      out.value = s.value;
      out.size = s.size;
    }
    if (home)
      out.kind = ObjectSymbol::Kind::Defined;
    else if (s.home == MapSymbol::Home::Absolute)
      out.kind = ObjectSymbol::Kind::Absolute;
    else if (s.home == MapSymbol::Home::Common)
      out.kind = ObjectSymbol::Kind::Common;
    if (out.isLocal())
      out.file = file;
  }
}

void MapObjectBuilder::addRelocations() {
  for (size_t i = 0; i < sections.size(); ++i) {
    if (!sections[i])
      continue;
    std::vector<ObjectRelocation> &out = sections[i]->relocations;
    for (const MapSection::Relocation &r : details.sections[i].relocations)
      out.push_back({r.offset, r.type, symbols[r.symbol], r.addend});
    stable_sort(out, [](auto &a, auto &b) { return a.offset < b.offset; });
  }
}

/// Of .eh_frame only which exception table a function has: one CIE of no
/// contents, and FDEs with the fields that are looked at.
void MapObjectBuilder::addFrames() {
  size_t count = llvm::count(keepsFrame, true);
  if (!count)
    return;
  constexpr uint32_t cieSize = 8, fdeSize = 20, tableField = 16;
  ObjectSection &s = object->addSection(".eh_frame", SHT_PROGBITS, SHF_ALLOC);
  s.align = 8;
  s.data.resize(cieSize + count * fdeSize);
  s.size = s.data.size();
  write32le(&s.data[0], cieSize - 4);
  uint32_t at = cieSize;
  for (const MapFrame &f : details.frames) {
    if (!keepsFrame[&f - details.frames.data()])
      continue;
    write32le(&s.data[at], fdeSize - 4);
    write32le(&s.data[at + 4], at + 4); // back to the CIE
    s.relocations.push_back({at + 8, R_X86_64_PC32, symbols[f.function],
                             f.functionAddend});
    s.relocations.push_back({at + tableField, R_X86_64_PC32, symbols[f.table],
                             f.tableAddend});
    at += fdeSize;
  }
}

Expected<std::unique_ptr<Object>> MapObjectBuilder::build() {
  object->name = input.name();
  if (Error e = addSections())
    return e;
  addSymbols();
  addRelocations();
  addFrames();
  return std::move(object);
}

uint64_t hashContents(const Image &app, const MapDetails &details) {
  std::vector<uint64_t> hashes;
  uint64_t total = 0, addends = 0;
  for (const MapSection &s : details.sections) {
    if (s.kind != map::SectionKind::Placed)
      continue;
    if (s.size > app.bytes().size() || (total += s.size) > app.bytes().size())
      return 0;
    hashes.push_back(xxh3_64bits(bytesOf(app, s)));
    for (const MapSection::Relocation &r : s.relocations)
      addends = map::mixAddend(addends, r.addend);
  }
  hashes.push_back(addends);
  return map::hashOfHashes(hashes);
}

} // namespace relink
