//===- References.h - What the patch's references mean -------- -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_REFERENCES_H
#define RELINK_REFERENCES_H

#include "Selections.h"

namespace relink {

/// Rule 8 for every live reference: fills Plan::references, targets, bound,
/// added and newDependencies. Needs the decisions and Plan::live.
llvm::Error resolveReferences(const Config &config, const Image &image,
                              const SymbolIndex &index,
                              const ImportTable &imports,
                              Selections &selections, Plan &plan);

} // namespace relink

#endif
