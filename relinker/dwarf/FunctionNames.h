//===- FunctionNames.h - Functions by the names DWARF has -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DWARF has linkage names (C++, asm labels), or a plain name only: C functions,
// and what gcc knows to be local to a C++ unit. The copies of a constructor or
// destructor are one function to it.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_FUNCTIONNAMES_H
#define RELINK_FUNCTIONNAMES_H

#include "AppDwarf.h"
#include "DwarfEntries.h"
#include "llvm/ADT/StringSet.h"

namespace relink {

/// What an entry, or the map, says of a function.
struct NamedFunction {
  llvm::StringRef linkageName, name;
  llvm::StringRef file; ///< source file of its unit, without directories
  bool mayBeExternal;   ///< to other units
};

class FunctionNames {
public:
  explicit FunctionNames(llvm::ArrayRef<Replacement> functions);

  /// All names that an entry could have.
  const llvm::StringSet<> &all() const { return names; }
  /// Which functions, by number, \p die could be. \p user is the unit that
  /// refers to it.
  llvm::SmallVector<unsigned, 1> find(llvm::DWARFDie die,
                                      const DebugUnit &user) const;
  llvm::SmallVector<unsigned, 1> find(const NamedFunction &function) const;
  /// Whether functions of other units may have the same name. Link-time
  /// optimisation makes global ones local; what the user states has no binding.
  bool isLocal(unsigned function) const {
    const Replacement &f = functions[function];
    bool stated = f.app->source == AppSymbol::Source::User ||
                  f.app->source == AppSymbol::Source::Learned;
    return f.body->isLocal() && (stated || f.app->isLocal());
  }

private:
  using Numbers = llvm::SmallVector<unsigned, 1>;
  bool isInFile(unsigned function, llvm::StringRef file) const;
  const Numbers *numbersOf(llvm::StringRef linkage,
                           llvm::StringRef name) const;

  llvm::ArrayRef<Replacement> functions;
  llvm::StringSet<> names;
  llvm::StringMap<Numbers> byLinkageName, byName;
};

} // namespace relink

#endif
