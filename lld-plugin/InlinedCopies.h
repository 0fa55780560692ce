//===- InlinedCopies.h - Which functions hold copies of others --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An object's DWARF says into which functions the compiler has inlined others. The
// program may be stripped of it: what relink needs of it for rule 13 goes into the
// map. Objects without DWARF cost a look at their section headers.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_INLINEDCOPIES_H
#define RELINK_LLD_INLINEDCOPIES_H

#include "ObjectDwarf.h"
#include "PatchMapFormat.h"
#include "ZeroedMemory.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <vector>

namespace relink {

struct InlinedCopies {
  using Place = ObjectDwarf::Place;
  /// One that was inlined.
  struct Function {
    llvm::StringRef name; ///< linkage name, else name
    llvm::StringRef file; ///< source file of its unit, without directories
    uint64_t flags = 0;   ///< map::inlinedHas...
  };
  /// One that holds copies.
  struct Caller {
    llvm::StringRef name;
    llvm::SmallVector<Place, 1> starts; ///< of its parts
    /// Index in `functions`, and how many copies: ascending.
    std::vector<std::pair<uint32_t, uint32_t>> copies;
  };

  map::Inlining known = map::Inlining::Unknown;
  llvm::SmallVector<Function, 0> functions;
  llvm::SmallVector<Caller, 0> callers;

  /// Those of \p object. Strings are in it or in \p memory.
  static InlinedCopies read(llvm::StringRef object, ZeroedMemory &memory);
};

} // namespace relink

#endif
