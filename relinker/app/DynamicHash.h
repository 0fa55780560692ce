//===- DynamicHash.h - .gnu.hash and .hash ----------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DYNAMICHASH_H
#define RELINK_DYNAMICHASH_H

#include "Image.h"

namespace relink {

struct DynamicSymbolEntry {
  Sym symbol{};
  std::string name;
  uint16_t version = 0;
  bool hashed = false; ///< of new symbols: looked up by other modules
};

/// Empty tables need not be written: the app's own stay.
struct HashTables {
  std::vector<uint32_t> newIndex; ///< old (and appended) to new index
  std::vector<uint8_t> gnu, sysv;
};

/// Hash tables for \p symbols, of which the first \p oldCount are the app's.
/// DT_GNU_HASH wants the symbols it covers last and sorted by bucket, so new
/// definitions renumber old ones; new undefined symbols go behind all of them,
/// where no chain reaches.
llvm::Expected<HashTables>
buildHashTables(const Image &image,
                llvm::ArrayRef<DynamicSymbolEntry> symbols, size_t oldCount);

} // namespace relink

#endif
