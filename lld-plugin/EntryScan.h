//===- EntryScan.h - Functions and inlined copies in a unit -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's reader takes 32 bytes of memory and much time for every entry, most of
// which are types and variables, and trusts the lengths of blocks. Here a unit's
// entries are passed over once, within bounds, and those of functions are listed.
// LLVM may then read the attributes of these.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ENTRYSCAN_H
#define RELINK_LLD_ENTRYSCAN_H

#include "llvm/DebugInfo/DWARF/DWARFUnit.h"
#include <vector>

namespace relink {

struct EntryScan {
  struct Entry {
    uint64_t offset; ///< in its section
    const llvm::DWARFAbbreviationDeclaration *abbreviation;
  };
  /// DW_TAG_inlined_subroutine.
  struct Copy {
    Entry entry;
    uint32_t subprogram; ///< index of the one it is in
    uint32_t outer;      ///< index of the copy it is in, plus 1; 0: none
  };
  std::vector<Entry> subprograms; ///< by offset
  std::vector<Copy> copies;       ///< by offset

  /// False if an entry can't be passed over or does not end in the unit.
  bool run(llvm::DWARFUnit &unit);
};

} // namespace relink

#endif
