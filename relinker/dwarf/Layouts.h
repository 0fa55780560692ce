//===- Layouts.h - Types that changed under the app's feet ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LAYOUTS_H
#define RELINK_LAYOUTS_H

#include "AppDwarf.h"

namespace relink {

/// Rule 16. Refuses when a struct, class or union has another layout in the
/// patch than in the app's unit of the same source file, and code of the app
/// that stays was compiled with the old one. Nothing is said where either lacks
/// DWARF.
llvm::Error checkLayouts(const Config &config, const Image &image,
                         const AppDwarf &dwarf, const Plan &plan);

/// Rule 4. Refuses when a variable that the patch shares with the app has
/// another type of the same size there.
llvm::Error checkVariableTypes(const Config &config, const Image &image,
                               const AppDwarf &dwarf, const Plan &plan);

/// The units of a patch object, with the app's of the same source files.
struct UnitPair {
  const DebugUnit *patch = nullptr, *app = nullptr;
};
std::vector<UnitPair> pairUnits(const AppDwarf &patch, const AppDwarf &app,
                                const Plan &plan, const Object &object);

} // namespace relink

#endif
