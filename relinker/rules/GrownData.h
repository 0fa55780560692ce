//===- GrownData.h - Variables of another size ------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A variable that has grown or shrunk has no room where the app's is. It becomes the
// patch's own if the patch replaces all that uses it: then nothing is left that could
// see the other.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_GROWNDATA_H
#define RELINK_GROWNDATA_H

#include "Config.h"
#include "EhFrame.h"
#include "Plan.h"
#include "Target.h"

namespace relink {

/// Finds them among \p plan's definitions (`grown`); what of the patch uses one counts as
/// changed. None where the user says what is replaced, nor exported ones.
void findGrownData(const Config &config, const SymbolIndex &index, Plan &plan);

/// When all is decided: an error for one that code of the app which stays uses, too.
llvm::Error checkGrownData(const Config &config, const Image &image,
                           const SymbolIndex &index, const UnwindTable &unwind,
                           const Target &target, Plan &plan);

} // namespace relink

#endif
