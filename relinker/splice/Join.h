//===- Join.h - Linking the patch and joining it to the app -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_JOIN_H
#define RELINK_JOIN_H

#include "Splice.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace relink {

struct JoinContext {
  const Config &config;
  const Image &image;
  const Plan &plan;
  const LinkInputs &inputs;
  const UnwindTable &unwind;
  const Target &target;
  const Reserve *reserve; ///< null: the app has none
  /// What the record identifies the inputs by, null without a record. It is
  /// computed while the patch is linked: asked for when that is done.
  llvm::function_ref<llvm::Expected<const Identity *>()> identify;
};

/// In the app's reserve if it has one and the patch fits; else in segments of
/// its own behind the app.
llvm::Expected<Output> joinPatch(const JoinContext &context);

} // namespace relink

#endif
