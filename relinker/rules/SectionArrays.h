//===- SectionArrays.h - Entries that only a section's bounds find -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of a section whose name is a C identifier linkers define the bounds,
// __start_NAME and __stop_NAME, and programs go through what all objects have put
// there: registered commands, tests, plugins. Nothing refers to one entry.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SECTIONARRAYS_H
#define RELINK_SECTIONARRAYS_H

#include "Config.h"
#include "Plan.h"

namespace relink {

/// An error that names the entries of \p plan's objects, in sections that the app has
/// too, which the app lacks: its section can't grow in place. What --keep names is left
/// out.
llvm::Error checkSectionArrays(const Config &config, const Image &image,
                               const SymbolIndex &index, const Plan &plan);

} // namespace relink

#endif
