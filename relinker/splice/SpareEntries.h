//===- SpareEntries.h - Entries of dynamic tables for patches ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ld.relink leaves weak references to symbols that nobody defines: their entries
// of .dynsym, .gnu.version and .rela.dyn become those of a patch, and no table
// moves. Undefined symbols are in no hash table that anybody searches.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SPAREENTRIES_H
#define RELINK_SPAREENTRIES_H

#include "Splice.h"

namespace relink {

class SpareEntries {
public:
  SpareEntries(const Image &image, Output &out);

  /// Offset in .dynstr of \p s, which is put into the room there; nothing when
  /// that is full.
  std::optional<uint32_t> addString(llvm::StringRef s);

  unsigned symbols() const { return unsigned(symbolsLeft.size()); }
  /// Gives the next spare entry to an undefined symbol; its index.
  unsigned setSymbol(const Sym &symbol, std::optional<uint16_t> version);

  /// Whether the word at \p address is a spare one of .init_array.
  bool isConstructor(uint64_t address) const;
  /// Makes it call \p function.
  void setConstructor(uint64_t address, uint64_t function);

  /// Puts \p added in place of spare relocations; false if they are too few.
  bool setRelocations(llvm::ArrayRef<Rela> added);

private:
  void edit(uint64_t address, llvm::ArrayRef<uint8_t> bytes, llvm::Twine what);

  const Image &image;
  Output &out;
  std::vector<unsigned> symbolsLeft; ///< indices in .dynsym, the next one last
  std::vector<unsigned> symbolsTaken;
  uint64_t roomStart = 0, roomEnd = 0; ///< offsets in .dynstr
};

} // namespace relink

#endif
