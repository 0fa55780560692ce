//===- FrameRecords.h - The unwind records of objects -----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of .eh_frame an object has more than one, and each FDE goes with its function.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_FRAMERECORDS_H
#define RELINK_FRAMERECORDS_H

#include "Object.h"
#include "llvm/ADT/DenseMap.h"

namespace relink {

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

} // namespace relink

#endif
