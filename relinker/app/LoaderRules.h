//===- LoaderRules.h - Would it load? ---------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LOADERRULES_H
#define RELINK_LOADERRULES_H

#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <vector>

namespace relink {

struct RuleViolation {
  std::string rule;    ///< short and stable, such as "load-congruent"
  std::string message; ///< what was found and what is expected
  bool warning = false; ///< loads, but is unsafe or breaks a tool
};

/// A file that was made from another one by writing some of its bytes.
struct LoaderBaseline {
  llvm::ArrayRef<uint8_t> file; ///< the other one
  std::vector<std::pair<uint64_t, uint64_t>> written; ///< offset and size
};

/// Holds an x86-64 ELF program or library against what the kernel, glibc's and
/// musl's loaders require. Reads headers and dynamic tables only; the work is
/// linear in their size, whatever they say. With a baseline, tables of names
/// that are where and what they were are taken as they are.
std::vector<RuleViolation>
checkLoaderRules(llvm::ArrayRef<uint8_t> file,
                 const LoaderBaseline *baseline = nullptr);

} // namespace relink

#endif
