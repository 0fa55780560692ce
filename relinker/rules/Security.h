//===- Security.h - What the app has must not be lost -----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SECURITY_H
#define RELINK_SECURITY_H

#include "EhFrame.h"
#include "Plan.h"

namespace relink {

/// Rule 16: a patch object without the IBT or SHSTK property that the app has
/// is refused; its code would fault, or weaken the app, where the property is
/// enforced.
llvm::Error checkSecurityProperties(const Config &config, const Image &image,
                                    const Plan &plan);

/// Rule 16: a patch object may hold the build-id of the one program it is for, in
/// a note as the linker writes it (NT_GNU_BUILD_ID, name GNU).
llvm::Error checkBuildId(const Config &config, const Image &image,
                         const Plan &plan);

/// Sizes of replaced functions whose symbol does not say one, from the app's
/// unwind table; an error when nothing says one.
llvm::Error findFunctionBounds(const Image &image, const UnwindTable &unwind,
                               Plan &plan);

} // namespace relink

#endif
