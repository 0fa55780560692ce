//===- CodeMap.h - Where the app's functions are ----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Symbols and unwind tables say where functions start and end. Only what lies in
// the windows asked for is kept, so memory does not grow with the app.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CODEMAP_H
#define RELINK_CODEMAP_H

#include "EhFrame.h"

namespace relink {

/// Addresses from `start` to before `end`. A label has no extent: they are equal.
struct Extent {
  uint64_t start = 0, end = 0;
  bool contains(uint64_t a) const { return a >= start && a < end; }
  bool operator<(const Extent &o) const {
    return start != o.start ? start < o.start : end > o.end;
  }
};

/// Bytes between two things that are known: what ends at `start`, and what
/// begins at `end`, or the end of the section or segment.
struct Gap : Extent {
  Extent owner; ///< the function that ends where the gap starts
  /// From `end` on, up to the next section: bytes of no section.
  uint64_t slackEnd = 0;
};

class CodeMap {
public:
  /// \p windows need not be sorted. \p more holds functions that are known
  /// otherwise.
  static CodeMap read(const Image &image, const UnwindTable &unwind,
                      std::vector<Extent> windows,
                      llvm::ArrayRef<Extent> more = {});

  /// The function that \p address lies in, the unwind table's word first.
  const Extent *containing(uint64_t address) const;
  /// By address. Where it isn't certain that nothing else lies between, there
  /// is no gap.
  std::vector<Gap> gaps(const Image &image) const;

private:
  std::vector<Extent> windows;           ///< sorted, disjoint
  std::vector<Extent> all;               ///< sorted, nested, labels too
  std::vector<Extent> frames, functions; ///< sorted, disjoint
};

} // namespace relink

#endif
