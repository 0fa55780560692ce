//===- UnitFilter.h - Which units could speak of something ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// To read entries takes a hundred times as long as to look at their bytes. A
// unit that names something holds the name, its offset in .debug_str, or an
// index of a table with that offset; one that refers to another unit's entry
// holds that entry's offset. Units whose bytes have none of these are not read.
// A unit that has them by chance is read in vain.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_UNITFILTER_H
#define RELINK_UNITFILTER_H

#include "AppDwarf.h"
#include "llvm/ADT/StringSet.h"
#include <array>

namespace relink {

/// A set of 32-bit words, made for looking up every word of many megabytes.
class WordSet {
public:
  void add(llvm::ArrayRef<uint32_t> more);
  bool isEmpty() const { return words.empty(); }
  bool contains(uint32_t word) const {
    uint32_t bit = (word * 0x9e3779b1u) >> shift;
    return (bits[bit / 64] >> (bit % 64) & 1) && isThere(word);
  }
  /// Whether one stands anywhere in \p bytes, little-endian.
  bool isIn(llvm::StringRef bytes) const;

private:
  bool isThere(uint32_t word) const;
  std::vector<uint32_t> words; ///< sorted
  std::vector<uint64_t> bits = std::vector<uint64_t>(1);
  unsigned shift = 26; ///< 32 - log2 of the number of bits
};

/// Finds the ends of strings that are one of some names. Linkers let a string
/// be the end of another.
class NameEnds {
public:
  explicit NameEnds(const llvm::StringSet<> &names);
  /// Calls \p visit with the length of each name that ends at \p end.
  template <typename F>
  void forEach(llvm::StringRef bytes, size_t end, F visit) const;

private:
  struct Node {
    llvm::SmallVector<std::pair<char, uint32_t>, 2> next;
    bool isName = false;
  };
  std::array<bool, 256> lastLetters = {};
  std::vector<Node> nodes; ///< a trie of the names read backwards
};

class UnitFilter {
public:
  explicit UnitFilter(const llvm::StringSet<> &names) : ends(names) {}
  bool mayName(const DebugUnit &unit);

private:
  const WordSet &offsetsIn(const DwarfFile &file, bool split);
  bool hasInlineName(llvm::StringRef bytes) const;

  NameEnds ends;
  llvm::DenseMap<const DwarfFile *, WordSet> offsets; ///< in .debug_str
};

} // namespace relink

#endif
