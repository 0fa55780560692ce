//===- DelinkMap.cpp - Relocations that the map of ld.relink has ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The map has each relocation as the inputs had it, and where their sections lie.
// So it says what --emit-relocs would say, also of a stripped program: which
// fields are addresses, of which symbol. Where a symbol lies is known of sections
// whose bytes are in the program; of .bss and of merged strings the map only says
// that they are meant, and the value is in the fields that refer to them.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "MapObject.h"
#include "PatchMap.h"
#include "Record.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Endian.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

class MapReader {
public:
  MapReader(Program &program, PatchMap &map)
      : program(program), image(program.image), map(map) {}
  /// Empty if the map says all; else what it lacks.
  Expected<std::string> readDetails();
  Error read();

private:
  struct Input {
    MapDetails details;
    std::string name;
    /// By section: where one that takes no bytes lies, if that is known.
    std::vector<std::optional<uint64_t>> bases;
  };
  /// Of a symbol, as far as the map tells.
  struct Meaning {
    const MapSymbol *symbol = nullptr;
    Input *input = nullptr;      ///< that defines it; null: none
    std::optional<uint64_t> address;
  };
  void listGlobals();
  void readLoaded();
  Meaning meaningOf(Input &input, const MapSymbol &s);
  std::optional<uint64_t> addressIn(const MapSection::Relocation &r,
                                    uint64_t place) const;
  std::optional<uint64_t> addressBySlot(const MapSection::Relocation &r,
                                        uint64_t place) const;
  Error learnBases(Input &input);
  void listSymbols();
  Error add(Input &input, uint64_t place, const MapSection::Relocation &r);
  unsigned indexOf(const Section *s) const {
    return s ? s - image.sections.data() : 0;
  }
  template <typename F> Error forEach(Input &input, F visit);

  Program &program;
  const Image &image;
  PatchMap &map;
  std::vector<Input> inputs;
  struct Definition {
    Input *input;
    const MapSymbol *symbol;
  };
  StringMap<Definition> globals;
  AddressMap<std::optional<uint64_t>> loaded; ///< by slot
};

/// Fields that hold a symbol's address, or the distance to it; in bytes.
unsigned addressSize(uint32_t type) {
  switch (type) {
  case R_X86_64_64:
  case R_X86_64_PC64:
    return 8;
  case R_X86_64_32:
  case R_X86_64_32S:
  case R_X86_64_PC32:
  case R_X86_64_PLT32:
    return 4;
  default:
    return 0;
  }
}

Expected<std::string> MapReader::readDetails() {
  auto record = readRecord(image);
  if (!record || *record) {
    consumeError(record.takeError());
    return "it was patched since it was linked";
  }
  if (!map.hasPrefix())
    return "its constants are not what was linked";
  for (const auto &[i, input] : enumerate(map.inputs())) {
    if (input.kind != map::InputKind::Object)
      return "it says nothing of what was made of " + input.name();
    auto details = map.details(i);
    if (!details)
      return details.takeError();
    if (!*details)
      return "it says nothing of " + input.name();
    if (hashContents(image, **details) != (*details)->check)
      return "the program has not the code and data that " + input.name() +
             " was linked with";
    size_t count = (*details)->sections.size();
    inputs.push_back({std::move(**details), input.name(), {}});
    inputs.back().bases.resize(count);
  }
  return std::string();
}

/// As linkers choose: the first that is not weak, else the first.
void MapReader::listGlobals() {
  auto isWeak = [](const MapSymbol &s) {
    return s.info >> 4 == STB_WEAK || s.home == MapSymbol::Home::Common;
  };
  for (Input &input : inputs)
    for (const MapSymbol &s : input.details.symbols) {
      if (s.info >> 4 == STB_LOCAL || s.home == MapSymbol::Home::Undefined)
        continue;
      auto [it, isNew] = globals.try_emplace(s.name, Definition{&input, &s});
      if (!isNew && isWeak(*it->second.symbol) && !isWeak(s))
        it->second = {&input, &s};
    }
}

MapReader::Meaning MapReader::meaningOf(Input &input, const MapSymbol &s) {
  Meaning m{&s, &input, std::nullopt};
  if (s.info >> 4 != STB_LOCAL) {
    auto it = globals.find(s.name);
    if (it == globals.end())
      return {&s, nullptr, std::nullopt};
    m = {it->second.symbol, it->second.input, std::nullopt};
  }
  if (m.symbol->home == MapSymbol::Home::Undefined)
    m.input = nullptr;
  if (m.symbol->home == MapSymbol::Home::Absolute)
    m.address = m.symbol->value;
  if (m.symbol->home != MapSymbol::Home::Section)
    return m;
  const MapSection &section = m.input->details.sections[m.symbol->section];
  if (section.kind == map::SectionKind::Placed)
    m.address = section.address + m.symbol->value;
  else if (auto base = m.input->bases[m.symbol->section])
    m.address = *base + m.symbol->value;
  return m;
}

/// Where the symbol lies by what goes through its GOT slot, or did so before the
/// linker wrote another instruction (psABI, B.2): those with an immediate operand
/// of 4 bytes have its address, the others the distance to it or to the slot.
std::optional<uint64_t>
MapReader::addressBySlot(const MapSection::Relocation &r, uint64_t place) const {
  ArrayRef<uint8_t> bytes = image.bytesAt(place - 2, 6);
  if (!isGotType(r.type) || bytes.size() < 6)
    return std::nullopt;
  int64_t value = int32_t(read32le(&bytes[2]));
  bool isImmediate = bytes[1] >> 6 == 3 &&
                     (bytes[0] == 0xc7 || bytes[0] == 0xf7 || bytes[0] == 0x81);
  if (isImmediate)
    return value;
  uint64_t target = value + place - r.addend;
  const Section *s = image.sectionAt(target);
  if (!s || !s->name.starts_with(".got"))
    return target;
  if (auto it = loaded.find(target); it != loaded.end())
    return it->second;
  ArrayRef<uint8_t> slot = image.bytesAt(target, 8);
  if (slot.empty() || !read64le(slot.data()))
    return std::nullopt;
  return read64le(slot.data());
}

/// The addresses that the loader puts into slots; none where a library has it.
void MapReader::readLoaded() {
  for (ArrayRef<Rela> table : loaderRelocations(image))
    for (const Rela &r : table)
      loaded[r.r_offset] = r.getType(false) == R_X86_64_RELATIVE
                               ? std::optional<uint64_t>(r.r_addend)
                               : std::nullopt;
}

/// The symbol's address by what the field holds. A position-independent program
/// has its absolute addresses elsewhere.
std::optional<uint64_t> MapReader::addressIn(const MapSection::Relocation &r,
                                             uint64_t place) const {
  unsigned size = addressSize(r.type);
  ArrayRef<uint8_t> bytes = image.bytesAt(place, size);
  if (!size || bytes.size() < size)
    return addressBySlot(r, place);
  bool isDistance = r.type == R_X86_64_PC32 || r.type == R_X86_64_PLT32 ||
                    r.type == R_X86_64_PC64;
  if (!isDistance && image.isPositionIndependent())
    return std::nullopt;
  uint64_t value = size == 8 ? read64le(bytes.data())
                   : r.type == R_X86_64_32
                       ? uint64_t(read32le(bytes.data()))
                       : int64_t(int32_t(read32le(bytes.data())));
  return value - r.addend + (isDistance ? place : 0);
}

template <typename F> Error MapReader::forEach(Input &input, F visit) {
  for (const MapSection &s : input.details.sections)
    for (const MapSection::Relocation &r : s.relocations)
      if (r.symbol && r.type != R_X86_64_NONE)
        if (Error e = visit(s.address + r.offset, r))
          return e;
  return Error::success();
}

/// All that refers to a section without bytes has to agree on where it is.
Error MapReader::learnBases(Input &input) {
  return forEach(input, [&](uint64_t place, const MapSection::Relocation &r) -> Error {
    Meaning m = meaningOf(input, input.details.symbols[r.symbol - 1]);
    if (!m.input || m.symbol->home != MapSymbol::Home::Section ||
        (m.symbol->info & 15) == STT_TLS)
      return Error::success();
    const MapSection &section = m.input->details.sections[m.symbol->section];
    auto address = addressIn(r, place);
    if (section.kind != map::SectionKind::NoBits || !address ||
        (section.flags & SHF_TLS))
      return Error::success();
    uint64_t base = *address - m.symbol->value;
    std::optional<uint64_t> &known = m.input->bases[m.symbol->section];
    if (known && *known != base)
      return program.error("its map contradicts itself: " + section.name + " of " +
                           m.input->name + " is at " + hex(*known) + ", and at " +
                           hex(base) + " for " + program.describe(place));
    known = base;
    return Error::success();
  });
}

Error MapReader::add(Input &input, uint64_t place,
                     const MapSection::Relocation &r) {
  Meaning m = meaningOf(input, input.details.symbols[r.symbol - 1]);
  KeptRelocation k;
  k.type = r.type;
  k.addend = r.addend;
  k.symbolType = m.symbol->info & 15;
  if (k.symbolType != STT_SECTION)
    k.name = m.symbol->name;
  bool isThread = k.symbolType == STT_TLS;
  std::optional<uint64_t> address = m.address;
  if (!address && !isThread)
    address = addressIn(r, place);
  if (m.input && m.symbol->home == MapSymbol::Home::Absolute) {
    k.section = SHN_ABS;
    k.value = *address;
  } else if (m.input && isThread) {
    const Phdr *tls = image.segmentOfType(PT_TLS);
    k.section = indexOf(tls ? image.sectionAt(tls->p_vaddr) : nullptr);
  } else if (address) {
    const Section *s = image.sectionAt(*address);
    // What no input defines is the linker's, such as the end of a section, or a
    // library's, or nowhere.
    bool isImport = !m.input && (!*address || (s && isPltName(s->name)));
    if (!m.input && !isImport && !s)
      s = image.sectionAt(*address - 1);
    if (m.input && m.symbol->home == MapSymbol::Home::Section)
      if (const MapSection &from = m.input->details.sections[m.symbol->section];
          from.kind == map::SectionKind::Placed)
        s = image.sectionAt(from.address); // not what follows its end
    // A PLT entry whose address is taken is the symbol's.
    if (!isImport || r.type != R_X86_64_PLT32)
      k.value = *address;
    if (!isImport)
      k.section = indexOf(s);
    if (k.symbolType == STT_SECTION) {
      // Merged strings are moved one by one: where the whole reference leads.
      if (!m.address)
        s = image.sectionAt(*address + r.addend);
      k.section = indexOf(s);
      k.value = s ? s->address : 0;
      k.addend += *address - k.value;
    }
  } else if (m.input) {
    return Error::success(); // it is a dynamic relocation's, or a slot's
  }
  program.kept[place] = k;
  return Error::success();
}

/// What the program's own table would say, which strip has removed.
void MapReader::listSymbols() {
  const Phdr *tls = image.segmentOfType(PT_TLS);
  for (Input &input : inputs)
    for (const MapSymbol &s : input.details.symbols) {
      uint8_t type = s.info & 15, binding = s.info >> 4, visibility = s.other & 3;
      bool isOwn = s.home == MapSymbol::Home::Section && !s.name.empty() &&
                   type != STT_SECTION && type != STT_FILE;
      if (!isOwn || meaningOf(input, s).symbol != &s) // another one is chosen
        continue;
      const MapSection &from = input.details.sections[s.section];
      std::optional<uint64_t> address = meaningOf(input, s).address;
      const Section *home = from.kind == map::SectionKind::Placed
                                ? image.sectionAt(from.address)
                            : address ? image.sectionAt(*address)
                                      : nullptr;
      if (!address || !home || (type == STT_TLS && !tls))
        continue;
      if (visibility == STV_HIDDEN || visibility == STV_INTERNAL)
        binding = STB_LOCAL; // as linkers do
      program.mapSymbols.push_back(
          {s.name.str(), *address - (type == STT_TLS ? tls->p_vaddr : 0), s.size,
           type, binding, visibility, indexOf(home)});
    }
}

Error MapReader::read() {
  listGlobals();
  readLoaded();
  for (Input &input : inputs)
    if (Error e = learnBases(input))
      return e;
  for (Input &input : inputs)
    if (Error e = forEach(input, [&](uint64_t place, const auto &r) {
          return add(input, place, r);
        }))
      return e;
  listSymbols();
  program.keptEvidence = Evidence::Map;
  return Error::success();
}

} // namespace

Error readMapRelocations(Program &program) {
  auto map = PatchMap::read(program.image);
  auto unused = [&](Error e) {
    program.remarks.push_back("its map is not used: " + toString(std::move(e)));
    return Error::success();
  };
  if (!map)
    return unused(map.takeError());
  if (!*map || program.image.header.e_machine != EM_X86_64)
    return Error::success();
  program.map = std::make_shared<PatchMap>(std::move(**map));
  MapReader reader(program, *program.map);
  auto lacks = reader.readDetails();
  if (!lacks)
    return unused(lacks.takeError());
  if (!lacks->empty()) {
    program.remarks.push_back("its map is not used: " + *lacks);
    return Error::success();
  }
  return reader.read();
}

} // namespace relink
