//===- LabelTables.h - Tables of labels, for `goto *table[i]` - -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LABELTABLES_H
#define RELINK_LABELTABLES_H

#include "Plan.h"

namespace relink {

/// A table of labels belongs to the body it leads into, as tables of jumps do: of a
/// function that is replaced it is the patch's own, whatever the rules for data say. An
/// error if it is written to.
llvm::Error keepLabelTables(Plan &plan);

} // namespace relink

#endif
