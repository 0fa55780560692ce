//===- OriginalEntry.h - The way to an old body -----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `__real_NAME` in a patch is the old body of NAME (rule 9). Its entry leads to
// the new one, so the instructions that stood there are repeated elsewhere, and
// a jump behind them continues in the old body.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_ORIGINALENTRY_H
#define RELINK_ORIGINALENTRY_H

#include "EhFrame.h"
#include "Plan.h"

namespace relink {

/// Adds that code to \p object, under \p replacement.originalName. \p place
/// gives a symbol of \p object for an address of the app. An error when the
/// instructions can't stand elsewhere.
llvm::Error
addOriginalEntry(const Image &image, const UnwindTable &unwind,
                 const Target &target, const Replacement &replacement,
                 Object &object,
                 llvm::function_ref<ObjectSymbol *(uint64_t address)> place);

} // namespace relink

#endif
