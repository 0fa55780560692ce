//===- UnitCheck.h - Entries that LLVM may read -----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's reader trusts the lengths of blocks and reads behind the end of the
// section if they lie. So a unit's entries are walked once, within bounds, before
// it gets them, and those of the units they refer to as well.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_UNITCHECK_H
#define RELINK_UNITCHECK_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"

namespace relink {

class UnitCheck {
public:
  /// Whether all of the unit's entries, and all that they lead to, lie in their
  /// units.
  bool isSound(llvm::DWARFUnit &unit);
  /// The same of the unit's first entry alone.
  static bool isFirstEntrySound(llvm::DWARFUnit &unit);

private:
  llvm::DenseMap<const llvm::DWARFUnit *, bool> known;
};

} // namespace relink

#endif
