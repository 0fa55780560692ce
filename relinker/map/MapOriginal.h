//===- MapOriginal.h - Objects before the fix, from the map -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program of ld.relink has a map, with which the objects that it was linked of
// can be made again: their code and data are in the program, their relocations,
// symbols, and what the linker rewrote are in the map. So the patch is compared
// as with --orig, and with sections whose addresses are known.
// COMDATs that another object gave are made of that one.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPORIGINAL_H
#define RELINK_MAPORIGINAL_H

#include "EarlierPatches.h"
#include "Plan.h"
#include "Target.h"

namespace relink {

/// The objects that those of \p plan were before. Empty, with a note in
/// \p plan where there is a map, if it does not tell for each of them.
llvm::Expected<std::vector<std::unique_ptr<Object>>>
originalsFromMap(const Image &app, const Target &target,
                 const EarlierPatches &earlier, Plan &plan);

} // namespace relink

#endif
