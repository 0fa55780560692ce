//===- FunctionSearch.h - Functions of a stripped program -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A function without a name is found by its bytes, relocated fields left out.
// Unwind tables survive stripping and say where functions of its size start;
// where there are none, the code itself is searched.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_FUNCTIONSEARCH_H
#define RELINK_FUNCTIONSEARCH_H

#include "EhFrame.h"
#include "Object.h"

namespace relink {

class FunctionSearch {
public:
  FunctionSearch(const Image &image, const UnwindTable &unwind);

  /// Addresses where \p function could start, ascending. The bytes outside of
  /// its relocated fields are to be compared yet.
  std::vector<uint64_t> candidates(const ObjectSymbol &function) const;

  /// How many bytes of \p function are not relocated: how much a match proves.
  static uint64_t fixedBytes(const ObjectSymbol &function);

private:
  std::vector<uint64_t> scan(const ObjectSymbol &function) const;

  const Image &image;
  /// Size and start of each function, sorted.
  std::vector<std::pair<uint64_t, uint64_t>> bySize;
};

} // namespace relink

#endif
