//===- DirectCalls.h - Calls that nothing can preempt -----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library's reference to what it exports goes through the PLT or GOT, by name,
// unless the linker has bound it: -Bsymbolic-functions, --dynamic-list. The first
// leaves no mark in the file, but calls that lead to the function at once.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DIRECTCALLS_H
#define RELINK_DIRECTCALLS_H

#include "SymbolIndex.h"
#include "llvm/ADT/DenseSet.h"

namespace relink {

class DirectCalls {
public:
  explicit DirectCalls(const Image &image) : image(image) {}

  /// Whether the library itself calls \p function, which it exports, directly, and
  /// nowhere by its name. Not if it has a local name too: then the calls may be by
  /// that one. The first call reads all code.
  bool areTo(const AppSymbol &function);

private:
  void read();

  const Image &image;
  bool isRead = false;
  llvm::DenseSet<unsigned> lookedUp; ///< by name: indices in .dynsym
  AddressSet called;                 ///< of exported functions
};

} // namespace relink

#endif
