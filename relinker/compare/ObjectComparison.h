//===- ObjectComparison.h - With the objects before the fix -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The objects of --orig, or those that were made of the app's map, say what changed,
// and which of their symbols the patch's are.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_OBJECTCOMPARISON_H
#define RELINK_OBJECTCOMPARISON_H

#include "Comparable.h"
#include "ObjectPairs.h"

namespace relink {

class ObjectComparison {
public:
  ObjectComparison(const Target &target, Plan &plan, Plan &before,
                   const ObjectPairs &pairs);
  /// Verdicts in `plan`, and what it learns from `before`.
  void run();

private:
  llvm::SmallVector<const ObjectSymbol *> partners(const ObjectSymbol &s) const;
  const ObjectSymbol *partnerOf(const ObjectSymbol &s) const;
  /// Whether which of several \p s is, if any, can't be told.
  bool isDoubtful(const ObjectSymbol &s) const;
  void indexUsers(const Plan &of);
  void narrow(const ObjectSymbol &s,
              llvm::SmallVectorImpl<const ObjectSymbol *> &candidates) const;

  Plan &plan, &before;
  const ObjectPairs &pairs;
  ObjectOriginal original;
  Correlator correlator;
  llvm::StringMap<llvm::SmallVector<const ObjectSymbol *, 1>> byName;
  llvm::DenseSet<const ObjectSymbol *> paired;
  /// Names of the functions that refer to a numbered static.
  llvm::DenseMap<const ObjectSymbol *, llvm::StringSet<>> users;
};

} // namespace relink

#endif
