//===- DwarfEntries.h - What an entry of DWARF says -------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's own functions for this are not used on an app's DWARF where a made-up
// value could mislead them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DWARFENTRIES_H
#define RELINK_DWARFENTRIES_H

#include "llvm/DebugInfo/DWARF/DWARFDie.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"

namespace relink {

/// The entry that an attribute refers to, in whatever unit; invalid if none.
llvm::DWARFDie referredEntry(llvm::DWARFDie die, llvm::dwarf::Attribute a);

/// \p die, or the type of a type unit that it stands for.
llvm::DWARFDie behindSignature(llvm::DWARFDie die);

/// The entry at the end of a chain of DW_AT_abstract_origin and
/// DW_AT_specification: all entries of one function lead to it.
llvm::DWARFDie rootOf(llvm::DWARFDie die);

/// An attribute of \p die or of one along that chain.
std::optional<llvm::DWARFFormValue>
findAlong(llvm::DWARFDie die, llvm::ArrayRef<llvm::dwarf::Attribute> any);

/// What DW_AT_type says of \p die, or of one along that chain; invalid for void.
llvm::DWARFDie declaredType(llvm::DWARFDie die);

/// Linkage name, else name; empty if it has none.
llvm::StringRef functionName(llvm::DWARFDie die);

/// Addresses where the ranges of \p die start. Old bodies that an earlier patch
/// has left behind have none: their extent is empty.
llvm::SmallVector<uint64_t, 2> startsOf(llvm::DWARFDie die);

} // namespace relink

#endif
