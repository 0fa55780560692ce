//===- MapInlining.h - Which functions hold copies, by the map --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPINLINING_H
#define RELINK_MAPINLINING_H

#include "MapCursor.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace relink {

/// What the DWARF of an input said of inlined copies in code that is in the
/// program. Names are numbers of the map's.
struct MapInlining {
  /// One that was inlined.
  struct Function {
    uint64_t name = 0;
    uint64_t file = 0;  ///< its source file, without directories
    uint64_t flags = 0; ///< map::inlinedHas...
  };
  /// One that holds copies.
  struct Caller {
    uint64_t name = 0;
    llvm::SmallVector<uint64_t, 1> starts; ///< of its parts, addresses
    struct Copies {
      uint32_t function; ///< index
      uint64_t times;
    };
    llvm::SmallVector<Copies, 2> copies;
  };
  map::Inlining known = map::Inlining::Unknown;
  std::vector<Function> functions;
  std::vector<Caller> callers;

  /// The record at \p in. Every count takes bytes for what it counts.
  static llvm::Expected<MapInlining> read(MapCursor &in);
};

} // namespace relink

#endif
