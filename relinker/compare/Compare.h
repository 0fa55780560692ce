//===- Compare.h - Is it what the app already has? --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMPARE_H
#define RELINK_COMPARE_H

#include "Image.h"
#include "Object.h"
#include "SymbolIndex.h"

namespace relink {

/// True when a variable starts with the value it has in the app, relocated
/// words left out.
bool equalInitialValue(const Image &image, const AppSymbol &app,
                       const ObjectSymbol &symbol);

} // namespace relink

#endif
