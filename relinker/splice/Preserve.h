//===- Preserve.h - Registers that callers rely on --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// gcc's interprocedural register allocation (-fipa-ra, on at -O2) lets callers
// keep values in caller-saved registers across a call of a function that was
// seen not to change them. A new body that does change them breaks those
// callers, although it keeps to the ABI. So a new body that clobbers more than
// the old one gets an entry that saves the difference.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PRESERVE_H
#define RELINK_PRESERVE_H

#include "AddressMap.h"
#include "EhFrame.h"
#include "Plan.h"
#include "Target.h"

namespace relink {

class ClobberAnalysis {
public:
  ClobberAnalysis(const Image &image, const UnwindTable &unwind,
                  const Target &target)
      : image(image), unwind(unwind), target(target) {}

  /// Caller-saved registers that the app's function certainly clobbers, itself
  /// or through what it calls. Too small a set is safe, more is saved then, but
  /// for registers that hold its result: these are in it unless it is certain
  /// that they are not changed.
  RegisterSet clobberedBy(uint64_t address, uint64_t size);

  /// Caller-saved registers that \p body may clobber.
  RegisterSet mayClobber(const ObjectSymbol &body) const;

  /// Those that the app's function may clobber; all if its code does not tell.
  RegisterSet mayClobberAt(uint64_t address, uint64_t size) const;

  /// Those that a compiler which sees \p body, and the other functions of
  /// \p plan, may take for clobbered; its callers may rely on the rest.
  RegisterSet knownToClobber(const Plan &plan, const ObjectSymbol &body) const;

private:
  bool isPltEntry(uint64_t address) const;
  RegisterSet visit(uint64_t address, uint64_t size, unsigned depth);
  RegisterSet known(const Plan &plan, const ObjectSymbol &body,
                    llvm::DenseSet<const ObjectSymbol *> &seen) const;

  const Image &image;
  const UnwindTable &unwind;
  const Target &target;
  AddressMap<RegisterSet> visited;
};

/// Adds to \p object an entry that calls \p body with \p saved kept, and its
/// unwind information. Its section is the returned one.
ObjectSection &addPreservingEntry(Object &object, ObjectSymbol &body,
                                  RegisterSet saved, const Target &target,
                                  llvm::StringRef name);

} // namespace relink

#endif
