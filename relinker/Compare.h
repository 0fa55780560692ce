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

/// True when \p symbol's code is the app's, relocated fields left out. What the
/// fields refer to is not compared, so this is for functions whose one
/// definition the language guarantees (inline, template).
bool equalCode(const Image &image, const AppSymbol &app,
               const ObjectSymbol &symbol);

/// True when a constant object has the app's bytes, and no relocation whose
/// value could differ.
bool equalData(const Image &image, const AppSymbol &app,
               const ObjectSymbol &symbol);

/// True when a variable starts with the value it has in the app, relocated
/// words left out.
bool equalInitialValue(const Image &image, const AppSymbol &app,
                       const ObjectSymbol &symbol);

} // namespace relink

#endif
