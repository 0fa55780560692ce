//===- LabelTables.cpp - Tables of labels, for `goto *table[i]` -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LabelTables.h"
#include "Selections.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {

/// The function of whose inside \p data has an address: a label's, for `goto *p`.
static const ObjectSymbol *
labelledFunction(const ObjectSymbol &data,
                 const DenseMap<const ObjectSection *, const ObjectSymbol *> &bodies) {
  ArrayRef<ObjectRelocation> all = data.section->relocations;
  auto r = partition_point(all, [&](const ObjectRelocation &r) {
    return r.offset < data.value;
  });
  for (; r != all.end() && r->offset < data.value + data.size; ++r) {
    if (!r->symbol || !r->symbol->section)
      continue;
    const ObjectSymbol *body = bodies.lookup(r->symbol->section);
    uint64_t offset = r->symbol->value + r->addend;
    if (body && offset > body->value && offset < body->value + body->size)
      return body;
  }
  return nullptr;
}

Error keepLabelTables(Plan &plan) {
  DenseMap<const ObjectSection *, const ObjectSymbol *> bodies;
  for (const Replacement &r : plan.replacements)
    bodies[r.body->section] = r.body;
  for (auto &object : plan.objects)
    for (ObjectSymbol &s : object->symbols) {
      auto d = plan.decisions.find(&s);
      if (d == plan.decisions.end() || d->second.action == Decision::Action::Own || !s.section ||
          s.section->isCode() || s.isSection())
        continue;
      const ObjectSymbol *body = labelledFunction(s, bodies);
      if (!body)
        continue;
      bool isState = s.section->isWritable() &&
                     !StringRef(s.section->name).starts_with(".data.rel.ro");
      if (isState)
        return makeError(object->name + ": variable " + shown(s.name) +
                         " holds addresses of labels in " + shown(body->name) +
                         ", which is replaced\n>>> remedy: make it constant, or "
                         "--new-data " + s.name);
      d->second = {};
    }
  return Error::success();
}

} // namespace relink
