//===- MapCopies.h - Inlined copies that the map tells of -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ld.relink has read the DWARF of the objects, which the program may no longer
// have.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPCOPIES_H
#define RELINK_MAPCOPIES_H

#include "AddressMap.h"
#include "AppDwarf.h"
#include "FunctionNames.h"
#include "PatchMap.h"
#include <set>

namespace relink {

/// Where a replaced function was inlined.
struct InlinedPlace {
  unsigned function = 0; ///< number of the replaced function
  std::string into;
  uint64_t address = 0; ///< of the copy; of `into`, where the map tells
  uint64_t times = 1;   ///< how many copies
  /// Where the map tells: the input, and the addresses of the parts of `into`.
  size_t input = 0;
  llvm::SmallVector<uint64_t, 1> starts;
  /// Of DWARF: what tells, the entry of the function, and the source.
  const DebugUnit *unit = nullptr;
  uint64_t root = 0;
  uint64_t callFile = 0, callLine = 0;
};

class MapCopies {
public:
  /// \p covered is what coveredFunctions() says.
  MapCopies(const Image &image, PatchMap &map, const Plan &plan,
            const std::set<uint64_t> &covered)
      : image(image), map(map), plan(plan), names(plan.replacements),
        covered(covered), known(plan.replacements.size()) {}
  llvm::Error find();
  /// Leaves out functions at \p addresses: their code was replaced before.
  void dismiss(const std::set<uint64_t> &addresses);

  std::vector<InlinedPlace> places;
  /// Whether the object of a replaced function had DWARF that could be read.
  bool isKnown(unsigned number) const { return known[number]; }

private:
  using Names = AddressMap<llvm::StringRef>;
  bool mayBeMeant(llvm::StringRef name) const;
  llvm::Error add(size_t input, const MapInlining &inlining, const Names &wanted);
  bool stays(const MapInlining::Caller &caller) const;
  llvm::Expected<std::set<size_t>> homesOf(const Replacement &r);
  llvm::Error placeLocals(llvm::ArrayRef<map::Inlining> inputs);
  llvm::Error findGlobals(llvm::ArrayRef<map::Inlining> inputs);

  const Image &image;
  PatchMap &map;
  const Plan &plan;
  FunctionNames names;
  const std::set<uint64_t> &covered;
  std::vector<bool> known;
};

} // namespace relink

#endif
