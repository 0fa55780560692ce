//===- Comparable.h - Functions that are held against others ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMPARABLE_H
#define RELINK_COMPARABLE_H

#include "Correlator.h"

namespace relink {

/// A function whose code is compared; not a part that goes with another.
bool isComparable(const ObjectSymbol &symbol);
/// The functions of \p plan's objects, once each.
std::vector<const ObjectSymbol *> functionsOf(const Plan &plan);
/// Of the last match(), which said \p same.
Verdict verdictOf(const Correlator &correlator, bool same);

} // namespace relink

#endif
