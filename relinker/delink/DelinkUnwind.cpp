//===- DelinkUnwind.cpp - References of unwind tables ---------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// .eh_frame (LSB, "Exception Frames") and the language-specific data of C++
// (Itanium C++ ABI, "Exception Handling Tables") say themselves what they refer
// to and how, so nothing here is inferred.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Support/DataExtractor.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace llvm::dwarf;
using support::endian::read32le;

namespace relink {
namespace {

class UnwindReader {
public:
  UnwindReader(Program &program, const Section &section)
      : program(program), section(section),
        data(program.image.bytesAt(section.address, section.size), true, 8) {}

  Error readRecords();
  Error readReferences();

private:
  struct Cie {
    bool augmented = false, lsda = false, signal = false;
    uint8_t pointers = DW_EH_PE_absptr, lsdaPointers = DW_EH_PE_omit;
    uint64_t personality = 0; ///< address of the field
    uint8_t personalityPointers = DW_EH_PE_omit;
  };
  Expected<Cie> readCie(uint64_t address);
  Error readLsda(uint64_t address);
  Error refer(uint64_t place, uint8_t encoding, uint64_t anchor = 0);

  Program &program;
  const Section &section;
  DataExtractor data;
  AddressMap<Cie> cies;
};

/// Bytes of a pointer, 0 for forms that are not fixed-size addresses.
unsigned sizeOf(uint8_t encoding) {
  switch (encoding & 0x0f) {
  case DW_EH_PE_absptr:
  case DW_EH_PE_udata8:
  case DW_EH_PE_sdata8:
    return 8;
  case DW_EH_PE_udata4:
  case DW_EH_PE_sdata4:
    return 4;
  default:
    return 0;
  }
}

/// The address that the field at \p place holds; nothing if it is null.
Expected<std::optional<uint64_t>> readPointer(const Program &program,
                                              uint64_t place, uint8_t encoding) {
  unsigned size = sizeOf(encoding);
  ArrayRef<uint8_t> bytes = program.image.bytesAt(place, size);
  uint8_t base = encoding & 0x70;
  if (!size || bytes.empty() || (base != DW_EH_PE_pcrel && base != 0))
    return program.error("not supported yet: the pointer encoding " +
                         hex(encoding) + " in unwind tables at " + hex(place));
  uint64_t value = size == 8 ? support::endian::read64le(bytes.data())
                   : (encoding & DW_EH_PE_signed)
                       ? int64_t(int32_t(read32le(bytes.data())))
                       : read32le(bytes.data());
  if (!value)
    return std::nullopt;
  return base ? value + place : value;
}

Error UnwindReader::refer(uint64_t place, uint8_t encoding, uint64_t anchor) {
  auto value = readPointer(program, place, encoding);
  if (!value)
    return value.takeError();
  bool relative = encoding & DW_EH_PE_pcrel;
  // Absolute ones of a PIE have dynamic relocations, which say more.
  if (!*value || (!relative && program.image.isPositionIndependent()))
    return Error::success();
  Reference r;
  r.place = place;
  r.evidence = Evidence::Unwind;
  r.target = **value;
  bool wide = sizeOf(encoding) == 8;
  r.type = relative ? (wide ? R_X86_64_PC64 : R_X86_64_PC32)
                    : (wide ? R_X86_64_64 : R_X86_64_32);
  if (anchor)
    r.anchor = anchor;
  else
    program.interpret(r);
  program.references.push_back(r);
  return Error::success();
}

Error UnwindReader::readRecords() {
  uint64_t at = 0;
  while (at + 4 <= section.size) {
    DataExtractor::Cursor c(at);
    uint64_t length = data.getU32(c);
    consumeError(c.takeError());
    if (length == 0) { // crtend's end mark
      at += 4;
      continue;
    }
    if (length == 0xffffffff)
      return program.error("not supported yet: 64-bit records in .eh_frame");
    if (length < 4 || at + 4 + length > section.size)
      return program.error(".eh_frame has a record at " +
                           hex(section.address + at) + " that leaves it");
    UnwindRecord r;
    r.address = section.address + at;
    r.size = length + 4;
    uint32_t id = read32le(data.getData().bytes_begin() + at + 4);
    if (id) {
      r.cie = r.address + 4 - id;
      auto cie = readCie(r.cie);
      if (!cie)
        return cie.takeError();
      auto start = readPointer(program, r.address + 8, cie->pointers);
      if (!start)
        return start.takeError();
      unsigned size = sizeOf(cie->pointers);
      auto bytes = program.image.bytesAt(r.address + 8 + size, size);
      if (bytes.empty() || r.size < 8 + 2 * size)
        return program.error(".eh_frame has a short record at " + hex(r.address));
      r.isSignal = cie->signal;
      r.start = start->value_or(0) + r.isSignal;
      r.length = size == 8 ? support::endian::read64le(bytes.data())
                           : read32le(bytes.data());
      r.length -= r.isSignal && r.length;
    }
    program.frames.push_back(r);
    at += r.size;
  }
  return Error::success();
}

Expected<UnwindReader::Cie> UnwindReader::readCie(uint64_t address) {
  if (auto it = cies.find(address); it != cies.end())
    return it->second;
  if (!section.contains(address) || address + 8 > section.address + section.size)
    return program.error(".eh_frame has an FDE whose CIE lies outside, at " +
                         hex(address));
  DataExtractor::Cursor c(address - section.address + 8);
  Cie cie;
  uint8_t version = data.getU8(c);
  StringRef augmentation = data.getCStrRef(c);
  data.getULEB128(c);
  data.getSLEB128(c);
  version == 1 ? data.getU8(c) : data.getULEB128(c);
  if (augmentation.consume_front("z")) {
    cie.augmented = true;
    data.getULEB128(c);
    for (char a : augmentation) {
      if (a == 'R')
        cie.pointers = data.getU8(c);
      else if (a == 'S') {
        cie.signal = true;
      } else if (a == 'L') {
        cie.lsda = true;
        cie.lsdaPointers = data.getU8(c);
      } else if (a == 'P') {
        cie.personalityPointers = data.getU8(c);
        cie.personality = section.address + c.tell();
        data.skip(c, sizeOf(cie.personalityPointers));
      }
    }
  }
  if (Error e = c.takeError())
    return program.error(".eh_frame has a broken CIE at " + hex(address) + ": " +
                         toString(std::move(e)));
  cies[address] = cie;
  return cie;
}

/// LLVM's functions for LEB128 numbers don't look where they start.
static bool isInside(const DataExtractor &data, DataExtractor::Cursor &c) {
  return c && c.tell() <= data.size();
}

/// Call sites count from the function's start; only the table of types holds
/// addresses, and how long it is only the actions tell.
Error UnwindReader::readLsda(uint64_t address) {
  const Section *s = program.image.sectionAt(address);
  if (!s || s->type == SHT_NOBITS)
    return program.error("an FDE names exception data outside of the sections, at " +
                         hex(address));
  DataExtractor table(program.image.bytesAt(s->address, s->size), true, 8);
  DataExtractor::Cursor c(address - s->address);
  uint8_t startEncoding = table.getU8(c);
  if (startEncoding != DW_EH_PE_omit) {
    if (Error e = refer(s->address + c.tell(), startEncoding))
      return joinErrors(std::move(e), c.takeError());
    table.skip(c, sizeOf(startEncoding));
  }
  uint8_t typeEncoding = table.getU8(c);
  uint64_t types = 0;
  if (typeEncoding != DW_EH_PE_omit) {
    types = table.getULEB128(c);
    types += c.tell();
  }
  uint8_t siteEncoding = table.getU8(c);
  uint64_t sitesEnd = table.getULEB128(c);
  sitesEnd += c.tell();
  int64_t mostTypes = 0;
  auto field = [&] {
    switch (siteEncoding & 0x0f) {
    case DW_EH_PE_uleb128:
      return table.getULEB128(c);
    default:
      return table.getUnsigned(c, std::max(sizeOf(siteEncoding), 4u));
    }
  };
  while (c && c.tell() < sitesEnd) {
    field(), field(), field();
    uint64_t action = table.getULEB128(c);
    // An action's displacement to the next counts from its own place.
    DataExtractor::Cursor a(sitesEnd + action - 1);
    for (unsigned n = 0; action && isInside(table, a) && n < 4096; ++n) {
      int64_t filter = table.getSLEB128(a);
      uint64_t place = a.tell();
      int64_t next = table.getSLEB128(a);
      mostTypes = std::max(mostTypes, filter);
      // Exception specifications: indices of types behind the table.
      if (filter < 0 && typeEncoding != DW_EH_PE_omit) {
        DataExtractor::Cursor f(types + uint64_t(-filter) - 1);
        for (uint64_t index; isInside(table, f) && (index = table.getULEB128(f));)
          mostTypes = std::max<int64_t>(mostTypes, std::min<uint64_t>(index, 1 << 20));
        consumeError(f.takeError());
      }
      if (!next)
        break;
      a.seek(place + next);
    }
    consumeError(a.takeError());
  }
  if (Error e = c.takeError())
    return program.error("broken exception data at " + hex(address) + ": " +
                         toString(std::move(e)));
  unsigned size = sizeOf(typeEncoding);
  // Parts of a function have its whole table, also types that no call site of
  // theirs reaches. Actions fill what is in front of it, but for padding.
  for (DataExtractor::Cursor a(sitesEnd);
       isInside(table, a) && size && a.tell() + mostTypes * size < types;) {
    int64_t filter = table.getSLEB128(a);
    table.getSLEB128(a);
    if (uint64_t end = a.tell() + filter * size; a && filter > 0 && end <= types)
      mostTypes = std::max(mostTypes, filter);
    if (!a) {
      consumeError(a.takeError());
      break;
    }
  }
  if (mostTypes && (typeEncoding == DW_EH_PE_omit || !size ||
                    uint64_t(mostTypes) * size > types))
    return program.error("broken exception data at " + hex(address) +
                         ": its types lie outside");
  for (int64_t i = 1; i <= mostTypes; ++i)
    if (Error e = refer(s->address + types - i * size, typeEncoding))
      return e;
  return Error::success();
}

Error UnwindReader::readReferences() {
  for (const UnwindRecord &f : program.frames) {
    if (!f.cie)
      continue;
    Piece *piece = program.pieceAt(f.start);
    if (!piece || piece->dropped)
      continue;
    Cie cie = cies.lookup(f.cie);
    if (Error e = refer(f.address + 8, cie.pointers, f.isSignal ? f.start : 0))
      return e;
    if (!cie.lsda)
      continue;
    DataExtractor::Cursor c(f.address - section.address + 8 +
                            2 * sizeOf(cie.pointers));
    if (!isInside(data, c))
      return program.error("broken frame record at " + hex(f.address));
    data.getULEB128(c);
    uint64_t place = section.address + c.tell();
    if (Error e = c.takeError())
      return e;
    auto lsda = readPointer(program, place, cie.lsdaPointers);
    if (!lsda)
      return lsda.takeError();
    if (!*lsda)
      continue;
    if (Error e = refer(place, cie.lsdaPointers))
      return e;
    if (Error e = readLsda(**lsda))
      return e;
  }
  for (const auto &[address, cie] : cies)
    if (cie.personality)
      if (Error e = refer(cie.personality, cie.personalityPointers))
        return e;
  return Error::success();
}

Error withSection(Program &program, bool references) {
  const Section *s = program.image.section(".eh_frame");
  if (!s || s->type == SHT_NOBITS || !s->size)
    return Error::success();
  if (program.image.bytesAt(s->address, s->size).empty())
    return program.error(".eh_frame lies outside of the segments");
  UnwindReader reader(program, *s);
  if (!references)
    return reader.readRecords();
  program.frames.clear();
  if (Error e = reader.readRecords())
    return e;
  return reader.readReferences();
}

} // namespace

Error readFrames(Program &program) { return withSection(program, false); }

Error readUnwindReferences(Program &program) {
  return withSection(program, true);
}

} // namespace relink
