//===- HotPatch.h - Hot-patch entries of an object --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// -fpatchable-function-entry=N,M puts M nops in front of a function's entry and
// N - M behind it (behind endbr64 or bti where there is one), N and M counted
// in bytes on x86-64 and in instructions on AArch64. A word of the section
// __patchable_function_entries holds the address of the first nop. Functions
// without such a word are looked at by their bytes.
//
// An odd M on x86-64 puts entries at odd addresses. The lowest bit of a C++
// pointer to a member function means "virtual" (Itanium ABI 2.3), so calls
// through pointers to such functions go astray.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_HOTPATCH_H
#define RELINK_LLD_HOTPATCH_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace relink {

struct HotPatchFacts {
  bool understood = false; ///< an x86-64 or AArch64 object
  unsigned functions = 0;  ///< cold parts, which are not entered, left out
  unsigned ready = 0;      ///< of them, those with nops at the entry
  unsigned listed = 0;     ///< of those, in __patchable_function_entries
  /// Of those that are ready, in bytes: the least found, and the greatest M.
  unsigned entryNops = 0, prefixNops = 0, greatestPrefix = 0;
  std::string oddFunction; ///< the first with an odd M

  /// A function may opt out by attribute, so the table speaks for the object.
  bool isReady() const { return listed || (functions && ready == functions); }
};

/// \p bytes may be anything.
HotPatchFacts findHotPatchEntries(llvm::StringRef bytes);

} // namespace relink

#endif
