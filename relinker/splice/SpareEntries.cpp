//===- SpareEntries.cpp - Entries of dynamic tables for patches -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SpareEntries.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <deque>
#include <map>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

template <typename T> static ArrayRef<uint8_t> rawBytes(const T &v) {
  return {reinterpret_cast<const uint8_t *>(&v), sizeof(T)};
}

SpareEntries::SpareEntries(const Image &image, Output &out)
    : image(image), out(out) {
  const Reserve &r = out.space->reserve;
  symbolsLeft.assign(r.spareSymbols.rbegin(), r.spareSymbols.rend());
  if (!r.stringRoom)
    return;
  // The name keeps its first part, by which the next patch finds what is left.
  const Sym &room = image.dynamicSymbols()[r.stringRoom];
  uint64_t size = image.dynamicName(room).size();
  roomStart = room.st_name + sizeof(reserve::stringRoomPrefix) - 1;
  roomEnd = room.st_name + size;
}

void SpareEntries::edit(uint64_t address, ArrayRef<uint8_t> bytes, Twine what) {
  if (auto offset = image.fileOffset(address))
    out.edit(*offset, bytes, what);
}

/// At the room's end, whose terminator it uses; the byte in front of it ends the
/// room's own name.
std::optional<uint32_t> SpareEntries::addString(StringRef s) {
  if (s.size() + 1 > roomEnd - roomStart)
    return std::nullopt;
  std::string bytes = std::string(1, '\0') + s.str();
  roomEnd -= bytes.size();
  edit(image.dynamic.strtab + roomEnd, arrayRefFromStringRef(bytes),
       "name of a dynamic symbol");
  return roomEnd + 1;
}

unsigned SpareEntries::setSymbol(const Sym &symbol,
                                 std::optional<uint16_t> version) {
  unsigned index = symbolsLeft.back();
  symbolsLeft.pop_back();
  symbolsTaken.push_back(index);
  edit(image.dynamic.symtab + index * sizeof(Sym), rawBytes(symbol),
       "dynamic symbol");
  if (version) {
    uint8_t entry[2];
    support::endian::write16le(entry, *version);
    edit(image.dynamic.versym + index * 2, entry, "version of a dynamic symbol");
  }
  return index;
}

bool SpareEntries::isConstructor(uint64_t address) const {
  const ReserveSpace &s = *out.space;
  return address >= s.constructorsStart && address < s.constructorsEnd;
}

void SpareEntries::setConstructor(uint64_t address, uint64_t function) {
  // Where the relocation is RELR's, and in a program at a fixed address, the
  // word counts; else the relocation's addend.
  uint8_t word[8];
  support::endian::write64le(word, function);
  edit(address, word, "constructor");
  ArrayRef<Rela> table = image.relocations();
  for (size_t i = 0; i < table.size(); ++i)
    if (table[i].r_offset == address) {
      Rela r = table[i];
      r.r_addend = function;
      edit(image.dynamic.rela + i * sizeof(Rela), rawBytes(r),
           "relocation of a constructor");
    }
}

/// Spare ones are of one word that nobody reads. The loader takes the first
/// DT_RELACOUNT for relative without a look (glibc elf/do-rel.h). One whose
/// symbol is spare no longer becomes none at all.
bool SpareEntries::setRelocations(ArrayRef<Rela> added) {
  ArrayRef<Rela> table = image.relocations();
  uint64_t relative = 0;
  for (auto [tag, value] : image.dynamic.entries)
    if (tag == DT_RELACOUNT)
      relative = std::min<uint64_t>(value, table.size());
  std::deque<size_t> anyKind, relatives, lost;
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].r_offset != out.space->reserve.slot)
      continue;
    if (i < relative)
      relatives.push_back(i);
    else if (is_contained(symbolsTaken, table[i].getSymbol(false)))
      lost.push_back(i);
    else
      anyKind.push_back(i);
  }
  anyKind.insert(anyKind.begin(), lost.begin(), lost.end());
  std::map<size_t, Rela> changes;
  for (const Rela &r : added) {
    bool isRelative = r.getType(false) == R_X86_64_RELATIVE;
    std::deque<size_t> &from =
        isRelative && !relatives.empty() ? relatives : anyKind;
    if (from.empty())
      return false;
    changes[from.front()] = r;
    from.pop_front();
  }
  for (size_t i : lost)
    if (auto [it, isNew] = changes.try_emplace(i, table[i]); isNew)
      it->second.setSymbolAndType(0, R_X86_64_NONE, false);
  for (const auto &[i, r] : changes)
    edit(image.dynamic.rela + i * sizeof(Rela), rawBytes(r),
         "dynamic relocation");
  return true;
}

} // namespace relink
