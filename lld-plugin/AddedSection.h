//===- AddedSection.h - One section more in a linked file -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ADDEDSECTION_H
#define RELINK_LLD_ADDEDSECTION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <vector>

namespace relink {

/// The end of a file with a section more: what comes from `keep` on.
struct NewTail {
  uint64_t keep = 0; ///< bytes of the file that stay, but for its header
  std::vector<uint8_t> bytes;
};

/// \p file is one that lld has written: names of sections, other sections that
/// are not loaded, section headers. Its header is changed, the rest is in what
/// is returned. None, and nothing changed, if it is not of that form (or has no
/// section headers).
std::optional<NewTail> addSection(llvm::MutableArrayRef<uint8_t> file,
                                  llvm::StringRef name,
                                  llvm::ArrayRef<uint8_t> contents);

/// Whether a file of this header gets one: x86-64 and little-endian AArch64.
bool canAddSection(llvm::ArrayRef<uint8_t> file);

} // namespace relink

#endif
