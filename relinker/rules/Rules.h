//===- Rules.h - The interposition rules ------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/rules.md states the rules by number; comments in Rules.cpp refer to
// them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RULES_H
#define RELINK_RULES_H

#include "Config.h"
#include "EhFrame.h"
#include "Plan.h"

namespace relink {

/// Decides what is replaced, bound and added, and what every live reference of
/// the patch means. Nothing is changed in the objects.
llvm::Error chooseByRules(const Config &config, const Image &image,
                          const SymbolIndex &index, const ImportTable &imports,
                          const UnwindTable &unwind, const Target &target,
                          Plan &plan);

} // namespace relink

#endif
