//===- DelinkIndex.h - The bound of a jump table's index --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKINDEX_H
#define RELINK_DELINKINDEX_H

#include "DelinkProgram.h"

namespace relink {

/// Looks back from the load of a table's word for what bounds its index: through
/// copies of it, and over the one jump that leads here.
class IndexSearch {
public:
  IndexSearch(const CodeView &code, const CodeView::Entry &load)
      : code(code), wanted(load.flow.index),
        // Both orders of base and index occur with a scale of 1.
        other(load.flow.scale == 1 ? load.flow.base : AddressFlow::none),
        at(&load - code.entries.data()) {}
  /// The entry of the comparison, or the mask; nothing if none is found.
  std::optional<size_t> find();
  /// The jump that was followed back, if any: its condition held.
  std::optional<size_t> taken;
  /// Bits by which what is compared or masked is shifted to the right on the way.
  unsigned shift = 0;

private:
  bool back();
  bool isWanted(const CodeView::Entry &e) const;
  /// Follows what \p e writes; false where the index comes from elsewhere.
  bool follow(const CodeView::Entry &e);
  bool followOperand(const CodeView::Entry &e);

  const CodeView &code;
  uint8_t wanted, other;
  size_t at;
  /// What loads the index, its operand as the registers are further in front.
  std::optional<CodeView::Entry> memory;
  std::vector<size_t> compares; ///< of registers that may hold it as well
};

} // namespace relink

#endif
