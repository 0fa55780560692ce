//===- GrownSections.h - Sections longer than their contents -- -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A section that is padded where it lies has the bytes of what follows it in its
// object behind its own. lld copies them to the output with the others, by memcpy(),
// and there they become traps (CopyLog.h). Nothing else looks at them: x86 needs no
// scan for errata. With options that compare code or write inputs out (--icf,
// --bp-..., --reproduce) objects are copied instead.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_GROWNSECTIONS_H
#define RELINK_LLD_GROWNSECTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <vector>

namespace relink {

constexpr uint8_t x86Trap = 0xcc; ///< int3

struct GrownSection {
  uint64_t offset;  ///< in its object
  uint64_t size;    ///< in bytes, that are its own
  uint64_t newSize; ///< that lld sees
};

/// Those of a link.
class GrownSections {
public:
  /// \p list is by offset. \p object outlives this.
  void add(llvm::StringRef object, std::vector<GrownSection> list) {
    for (const GrownSection &s : list)
      added += s.newSize - s.size;
    objects.push_back({object, std::move(list)});
  }
  /// By how much all have grown, bytes.
  uint64_t addedBytes() const { return added; }
  bool empty() const { return objects.empty(); }
  /// Between the last add() and the first find().
  void seal();
  /// How many of the \p size bytes at \p from are a section's own; all, if that is
  /// none of these sections. Called by several threads.
  size_t ownBytes(const uint8_t *from, size_t size) const;

private:
  struct Object {
    llvm::StringRef bytes;
    std::vector<GrownSection> sections;
  };
  std::vector<Object> objects; ///< by place, once sealed
  uint64_t added = 0;
};

/// The bytes of \p file at \p path, to be changed: pages that stay the same take no
/// memory. Null where that can't be had.
std::unique_ptr<llvm::WritableMemoryBuffer> privateCopy(llvm::StringRef path,
                                                        const llvm::MemoryBuffer &file);

} // namespace relink

#endif
