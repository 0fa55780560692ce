//===- Inlining.h - Where the old code lives on -----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_INLINING_H
#define RELINK_INLINING_H

#include "AppDwarf.h"
#include <set>

namespace relink {

/// Rule 13. Refuses when the app's DWARF says that a replaced function was
/// inlined into one that stays as it is. Where DWARF is missing, plan.notes says
/// for which functions that can't be known.
llvm::Error checkInlinedCopies(const Config &config, const Image &image,
                               const AppDwarf &dwarf, Plan &plan);

/// Addresses of the app's functions whose code is, after the patch, what the
/// patch's source says: replaced ones, and those found unchanged.
std::set<uint64_t> coveredFunctions(const Plan &plan);

} // namespace relink

#endif
