//===- ObjectPairs.h - Which object was which before the fix -- -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program may have several source files of one name, and a fixed file another name
// than before. What an object defines for others tells it from all others.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_OBJECTPAIRS_H
#define RELINK_OBJECTPAIRS_H

#include "Plan.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace relink {

class ObjectPairs {
public:
  /// \p plan has the objects of the fix, \p before those it is compared with.
  ObjectPairs(const Plan &plan, const Plan &before);

  /// Whether \p ours, of the fix, can be \p theirs, if both are local.
  bool mayBe(const ObjectSymbol &ours, const ObjectSymbol &theirs) const;
  /// What the source files of \p plan were called, of those that had other names.
  const llvm::StringMap<std::string> &renamedSources() const { return renamed; }

private:
  struct Source;
  void pair(const Source &ours, llvm::ArrayRef<Source> theirs);
  llvm::DenseMap<const ObjectSymbol *, const Object *> homes; ///< of local symbols
  llvm::DenseMap<const Object *, const Object *> originals;
  llvm::DenseSet<const Object *> named;     ///< of `before`: with global names
  llvm::DenseSet<const Object *> strangers; ///< with global names that none has
  llvm::StringMap<std::string> renamed;
};

/// Originals may be of several programs of a project, each with a main(): of two that
/// define a name, the one that has more in common with the patch stays. Leaves a note.
void leaveOutRivals(std::vector<std::unique_ptr<Object>> &originals, Plan &plan);

} // namespace relink

#endif
