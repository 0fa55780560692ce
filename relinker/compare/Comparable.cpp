//===- Comparable.cpp - Functions that are held against others ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Comparable.h"

using namespace llvm;

namespace relink {

bool isComparable(const ObjectSymbol &s) {
  return s.kind == ObjectSymbol::Kind::Defined && s.section->isCode() &&
         s.section->isAlloc() && !s.isSection() && s.isFunction() && s.size &&
         !isOutlinedPart(s.name);
}

std::vector<const ObjectSymbol *> functionsOf(const Plan &plan) {
  std::vector<const ObjectSymbol *> out;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (isComparable(s) && plan.definitionOf(const_cast<ObjectSymbol *>(&s)) == &s)
        out.push_back(&s);
  return out;
}

Verdict verdictOf(const Correlator &c, bool same) {
  if (same)
    return {Verdict::Kind::Same, ""};
  return {c.differsInLinesOnly() ? Verdict::Kind::LinesOnly
                                 : Verdict::Kind::Changed,
          c.difference()};
}

} // namespace relink
