//===- DebugInfo.h - Does the patch's DWARF come along? ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sections of DWARF (version 5, section 7.3) refer to one another by
// offsets that start at the section's beginning, so the patch's can only follow
// the app's in one section: the app's has to be copied behind the patch.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DEBUGINFO_H
#define RELINK_DEBUGINFO_H

#include "Plan.h"

namespace relink {

/// A section the app has and the patch continues.
struct DebugPrefix {
  std::string name;
  uint64_t size = 0; ///< bytes of the app's, in front of the patch's
};

struct DebugPlan {
  bool carry = false;
  std::vector<DebugPrefix> prefixes;
  std::string note; ///< why it stays behind, for the summary

  const DebugPrefix *prefix(llvm::StringRef section) const;
};

/// Of an object with more bytes of DWARF none are of use.
uint64_t mostDebugInfo(const Config &config, const Image &app);

DebugPlan planDebugInfo(const Config &config, const Image &image,
                        const Plan &plan);

} // namespace relink

#endif
