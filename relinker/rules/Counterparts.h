//===- Counterparts.h - Which symbol of the app is meant --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// "Same place" (docs/rules.md): name without compiler numbering, kind, and for
// local symbols the source file.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COUNTERPARTS_H
#define RELINK_COUNTERPARTS_H

#include "Plan.h"

namespace relink {

class Counterparts {
public:
  Counterparts(const SymbolIndex &index, const Plan &plan);

  /// Every symbol of the app that \p symbol could be.
  llvm::SmallVector<const AppSymbol *> all(const ObjectSymbol &symbol) const;

  /// Those that it is most likely, one for each address. What was learned from
  /// matching code counts more than names do. \p isAsked: the user names it, and knows
  /// that it is the app's.
  llvm::SmallVector<const AppSymbol *> best(const ObjectSymbol &symbol,
                                            bool isAsked = false) const;

  /// A static variable that the compiler numbered (`count.0`).
  static bool isNumberedVariable(const ObjectSymbol &symbol);
  /// Whether more variables of the patch than the app has are left for a name,
  /// so that even the only candidate is not certain.
  bool isContested(const ObjectSymbol &symbol) const;
  /// Whether \p symbol, a static one, is of an object that is new: the app has no
  /// function that it exports.
  bool isForeign(const ObjectSymbol &symbol) const { return foreign.contains(&symbol); }

private:
  void findForeign(const Object &object);
  /// Of all(), those of the right source file or binding that are not taken.
  llvm::SmallVector<const AppSymbol *> likely(const ObjectSymbol &symbol,
                                              bool isAsked = false) const;
  size_t countAlike(const ObjectSymbol &symbol) const;

  const SymbolIndex &index;
  const Plan &plan;
  /// Local variables by file, name without number, and size.
  llvm::StringMap<unsigned> alike;
  llvm::StringSet<> functions; ///< local ones, by file and name
  llvm::DenseSet<const ObjectSymbol *> foreign;
};

} // namespace relink

#endif
