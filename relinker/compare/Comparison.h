//===- Comparison.h - What of the patch has changed -------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMPARISON_H
#define RELINK_COMPARISON_H

#include "EarlierPatches.h"
#include "EhFrame.h"
#include "Plan.h"

namespace relink {

/// Rule 7. Gives each function of the patch a verdict, and learns which symbols
/// of the app the patch's are. \p originals are the objects of --orig as they
/// were before the fix; without any the app's own code is the original.
llvm::Error compareWithOriginal(const Config &config, const Image &image,
                                const SymbolIndex &index,
                                const ImportTable &imports,
                                const UnwindTable &unwind,
                                const Target &target,
                                const EarlierPatches &earlier,
                                std::vector<std::unique_ptr<Object>> originals,
                                Plan &plan);

} // namespace relink

#endif
