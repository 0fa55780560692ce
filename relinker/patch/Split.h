//===- Split.h - One section for each function and variable -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A patch object is mostly a whole translation unit of which one function is
// wanted. Compiled without -ffunction-sections its functions share .text, and
// the assembler has already resolved the calls among them. This pass gives the
// object that -ffunction-sections -fdata-sections would have given: it cuts the
// sections at their symbols and recovers the references that have no
// relocation any more.
//
// Limitation: code that no sized function symbol covers (hand-written
// assembly) is not cut; its section stays one piece.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SPLIT_H
#define RELINK_SPLIT_H

#include "Object.h"
#include "Target.h"
#include "llvm/ADT/DenseMap.h"

namespace relink {

llvm::Error splitSections(Object &object, const Target &target);

/// A CIE or FDE of an object's .eh_frame (LSB, "Exception Frames").
struct FrameRecord {
  uint64_t offset = 0, size = 0; ///< in the section, length field included
  bool isCie = false;
  unsigned cie = 0; ///< index of an FDE's CIE among the records
  const ObjectRelocation *function = nullptr; ///< an FDE's pc_begin
};

llvm::Expected<std::vector<FrameRecord>>
readFrameRecords(const Object &object, const ObjectSection &ehFrame);

/// The frame records of several objects.
struct FrameIndex {
  struct Table {
    const ObjectSection *ehFrame = nullptr;
    std::vector<FrameRecord> records;
  };
  llvm::DenseMap<const Object *, std::vector<Table>> tables;
  /// The record of each section of code, and its table.
  llvm::DenseMap<const ObjectSection *, std::pair<const Table *, unsigned>>
      recordOf;

  static llvm::Expected<FrameIndex>
  read(llvm::ArrayRef<std::unique_ptr<Object>> objects);

  /// The relocation in \p code's FDE that names its LSDA, or null.
  const ObjectRelocation *lsda(const ObjectSection &code) const;
  /// The one in its CIE that names its personality routine, or null.
  const ObjectRelocation *personality(const ObjectSection &code) const;
};

bool isEhFrame(const ObjectSection &section);

/// True for relocations whose value counts from their place.
bool isPcRelative(uint32_t type);
/// Bytes of the field that a relocation of this type fills (psABI, table 4.9).
unsigned fieldSize(uint32_t type);

} // namespace relink

#endif
