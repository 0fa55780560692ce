//===- Imports.cpp - How the app reaches other libraries ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Imports.h"
#include "ReserveNote.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

bool isPltName(StringRef name) {
  return name.starts_with(".plt") || name == ".iplt" || name == ".patch.plt";
}

void ImportTable::scanPlt(const Target &target) {
  for (const Section &s : image.sections) {
    bool isReserve = s.name == reserve::textSection;
    if (!(s.flags & SHF_EXECINSTR) || !(isReserve || isPltName(s.name)))
      continue;
    ArrayRef<uint8_t> bytes = image.bytesAt(s.address, s.size);
    for (uint64_t at = 0; at < bytes.size(); at += isReserve ? 16 : 8) {
      if (isReserve && bytes[at] == target.trapByte())
        continue; // free
      if (auto entry =
              target.decodePltEntry(bytes.drop_front(at), s.address + at))
        (isReserve ? reservedStubBySlot : stubBySlot)
            .try_emplace(entry->first, s.address + at);
    }
  }
}

/// In the reserve a jump through another slot than a PLT's may be a function that
/// ends in a call.
uint64_t ImportTable::stubOf(const Rela &r) const {
  if (uint64_t stub = stubBySlot.lookup(r.r_offset))
    return stub;
  return r.getType(false) == R_X86_64_GLOB_DAT
             ? 0
             : reservedStubBySlot.lookup(r.r_offset);
}

ImportTable::ImportTable(const Image &image, const Target &target)
    : image(image) {
  scanPlt(target);
  auto reference = [&](const Rela &r) -> DynamicReference * {
    uint32_t index = r.getSymbol(false);
    if (!index)
      return nullptr;
    DynamicReference &d =
        references[image.dynamicName(image.dynamicSymbols()[index])];
    d.index = index;
    return &d;
  };
  auto scan = [&](ArrayRef<Rela> table) {
    for (const Rela &r : table) {
      uint32_t type = r.getType(false);
      if (type == R_X86_64_IRELATIVE) {
        resolvers.insert(uint64_t(r.r_addend));
        if (uint64_t stub = stubOf(r)) {
          stubByResolver[r.r_addend] = stub;
          resolverByStub[stub] = r.r_addend;
        }
        continue;
      }
      if (type != R_X86_64_GLOB_DAT && type != R_X86_64_JUMP_SLOT)
        continue;
      DynamicReference *d = reference(r);
      if (!d)
        continue;
      (type == R_X86_64_GLOB_DAT ? d->gotSlot : d->jumpSlot) = r.r_offset;
      if (uint64_t stub = stubOf(r))
        d->pltEntry = stub;
    }
  };
  scan(image.relocations());
  scan(image.pltRelocations());
  ArrayRef<Sym> symbols = image.dynamicSymbols();
  for (unsigned i = 1; i < symbols.size(); ++i) {
    if (symbols[i].st_shndx != SHN_UNDEF)
      continue;
    DynamicReference &d = references[image.dynamicName(symbols[i])];
    if (!d.index)
      d.index = i;
    if (d.index == i)
      d.canonicalPlt = symbols[i].st_value;
  }
}

const DynamicReference *ImportTable::find(StringRef name) const {
  auto it = references.find(name);
  return it == references.end() ? nullptr : &it->second;
}

const DynamicReference *ImportTable::undefined(StringRef name) const {
  const DynamicReference *d = find(name);
  return d && image.dynamicSymbols()[d->index].st_shndx == SHN_UNDEF ? d
                                                                     : nullptr;
}

uint64_t ImportTable::ifuncStub(uint64_t resolver) const {
  return stubByResolver.lookup(resolver);
}

uint64_t ImportTable::ifuncResolver(uint64_t stub) const {
  return resolverByStub.lookup(stub);
}

std::map<uint64_t, uint64_t> readPointers(const Image &image, uint64_t from,
                                          uint64_t to) {
  using support::endian::read64le;
  std::map<uint64_t, uint64_t> out;
  auto fileWord = [&](uint64_t at) -> std::optional<uint64_t> {
    ArrayRef<uint8_t> bytes = image.bytesAt(at, 8);
    return bytes.empty() ? std::nullopt
                         : std::optional<uint64_t>(read64le(bytes.data()));
  };
  if (!image.isPositionIndependent())
    for (uint64_t at = alignTo(from, 8); at + 8 <= to; at += 8) {
      auto word = fileWord(at);
      if (!word) // a size that is a lie
        break;
      out[at] = *word;
    }
  for (const Rela &r : image.relocations()) {
    if (r.r_offset < from || r.r_offset >= to)
      continue;
    const uint32_t type = r.getType(false);
    if (type == R_X86_64_RELATIVE)
      out[r.r_offset] = r.r_addend;
    else if (type == R_X86_64_64 && r.getSymbol(false))
      out[r.r_offset] =
          image.dynamicSymbols()[r.getSymbol(false)].st_value + r.r_addend;
  }
  // RELR (gABI proposal "SHT_RELR"): an even word is an address, an odd one a
  // bitmap of the 63 words that follow; the addends are in the places.
  ArrayRef<uint8_t> relr =
      image.dynamic.relr ? image.bytesAt(image.dynamic.relr, image.dynamic.relrsz)
                         : ArrayRef<uint8_t>();
  uint64_t base = 0;
  auto note = [&](uint64_t at) {
    if (at >= from && at < to)
      if (auto word = fileWord(at))
        out[at] = *word;
  };
  for (size_t i = 0; i + 8 <= relr.size(); i += 8) {
    uint64_t word = read64le(&relr[i]);
    if (!(word & 1)) {
      note(word);
      base = word + 8;
      continue;
    }
    for (unsigned bit = 0; bit < 63; ++bit)
      if (word >> (bit + 1) & 1)
        note(base + bit * 8);
    base += 63 * 8;
  }
  return out;
}

} // namespace relink
