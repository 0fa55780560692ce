//===- Selections.h - What the user said by name -------------- -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --replace, --keep, --new-data and --bind name symbols of the patch: mangled,
// demangled with or without parameters, or as file.c:name.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SELECTIONS_H
#define RELINK_SELECTIONS_H

#include "Config.h"
#include "Plan.h"

namespace relink {

class Selections {
public:
  Selections(const Config &config, const Image &image, const SymbolIndex &index)
      : config(config), image(image), index(index) {}

  /// Whether \p pattern of an option names \p symbol.
  static bool matches(const ObjectSymbol &symbol, llvm::StringRef pattern);

  /// The last of \p patterns that names \p symbol; empty if none does.
  llvm::StringRef find(const ObjectSymbol &symbol,
                       llvm::ArrayRef<std::string> patterns);

  /// What --bind says \p symbol is; null if it says nothing. An error when the
  /// app has no such symbol, or several.
  llvm::Expected<const AppSymbol *> boundTo(const ObjectSymbol &symbol);

  /// An error for a pattern that named nothing.
  llvm::Error checkUsed(const Plan &plan) const;

private:
  const Config &config;
  const Image &image;
  const SymbolIndex &index;
  llvm::StringSet<> used;
};

/// Every name the rules may ask the symbol index for.
llvm::StringSet<>
collectNames(const Config &config, const Plan &plan,
             llvm::ArrayRef<std::unique_ptr<Object>> originals);

/// NAME of `__real_NAME`, which means what was there before the patch (rule 9);
/// empty if \p name is no such name.
llvm::StringRef realName(llvm::StringRef name);

/// A name as people write it.
std::string shown(llvm::StringRef name);

/// The option that binds \p name to the first of \p candidates: by its file, where that
/// tells it from the others.
std::string bindOption(llvm::StringRef name, llvm::ArrayRef<const AppSymbol *> candidates);

/// Address, file and name, for lists of candidates.
std::string describe(const AppSymbol &symbol);

} // namespace relink

#endif
