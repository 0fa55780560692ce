//===- EarlierPatches.h - What a patched app has replaced -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An app that was patched has functions in two places: at the old entry only a jump
// is left, which the records of its patches tell from code.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_EARLIERPATCHES_H
#define RELINK_EARLIERPATCHES_H

#include "AddressMap.h"
#include "Image.h"
#include "SymbolIndex.h"
#include "llvm/ADT/StringSet.h"

namespace relink {

struct Record;

class EarlierPatches {
public:
  /// By the records of \p app; a record that can't be read ends them. The older
  /// ones take a copy of the app each.
  static EarlierPatches read(const Image &app);

  /// Whether there are any, also without a record.
  bool any() const { return isPatched; }
  /// Where the newest body of the function lies whose entry was at \p address, or
  /// that address if it was not replaced.
  uint64_t bodyOf(uint64_t address) const;

  /// Whether their records say what they have defined, and what was linked is
  /// where it was then, the thread-local block too.
  bool keepPlaces() const { return tellDefined && !movedTls; }
  /// What they have defined for others, new or once more: of several definitions
  /// the newest.
  const llvm::StringMap<AppSymbol> &definitions() const { return defined; }
  /// The functions that they have replaced, by name, as their newest bodies. Of several
  /// of one name none.
  const llvm::StringMap<AppSymbol> &replaced() const { return functions; }
  /// Whether \p name is one of `definitions`. If that lacks it, its place is not
  /// known.
  bool define(llvm::StringRef name) const {
    return defined.contains(name) || unplaced.contains(name);
  }

private:
  void addBodies(const Record &record);
  void addFunction(llvm::StringRef name, uint64_t address, uint64_t size);
  bool addDefined(const Record &record);

  bool isPatched = false, tellDefined = true, movedTls = false;
  llvm::StringMap<AppSymbol> defined, functions;
  llvm::StringSet<> unplaced;
  AddressMap<uint64_t> bodies; ///< by the address of the entry, or an older body's
};

} // namespace relink

#endif
