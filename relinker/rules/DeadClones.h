//===- DeadClones.h - Clones that nothing reaches any more ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DEADCLONES_H
#define RELINK_DEADCLONES_H

#include "CodeReferences.h"
#include "Plan.h"

namespace relink {

/// Of \p clones, functions of the app, those that only old bodies of functions
/// which \p plan replaces refer to, or other such clones. What may be a
/// reference counts as one.
llvm::DenseSet<const AppSymbol *>
findDeadClones(const Image &image, const SymbolIndex &index,
               const UnwindTable &unwind, const Target &target,
               const Plan &plan, llvm::ArrayRef<const AppSymbol *> clones);

/// Whether code that stays, or a pointer, refers to \p data of the app, as far as that
/// shows. Old bodies of replaced functions count for nothing.
bool hasUsersThatStay(const Image &image, const SymbolIndex &index,
                      const UnwindTable &unwind, const Target &target,
                      const Plan &plan, const AppSymbol &data);

} // namespace relink

#endif
