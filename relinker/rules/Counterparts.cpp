//===- Counterparts.cpp - Which symbol of the app is meant ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Counterparts.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/STLFunctionalExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

static std::string placeName(const ObjectSymbol &s) {
  return s.file + ":" + canonicalName(s.name) + ":" + std::to_string(s.size);
}

static bool isLocalVariable(const ObjectSymbol &s) {
  return s.isDefined() && s.isLocal() && !s.isFunction() && !s.isSection();
}

static bool isLocalFunction(const ObjectSymbol &s) {
  return s.isDefined() && s.isLocal() && s.isFunction();
}

bool Counterparts::isNumberedVariable(const ObjectSymbol &s) {
  return isLocalVariable(s) && s.section && !s.section->isCode() &&
         s.name != canonicalName(s.name) && !StringRef(s.name).starts_with(".L");
}

Counterparts::Counterparts(const SymbolIndex &index, const Plan &plan)
    : index(index), plan(plan) {
  for (auto &object : plan.objects) {
    findForeign(*object);
    for (const ObjectSymbol &s : object->symbols)
      if (isLocalVariable(s) && !plan.learned.count(&s))
        ++alike[placeName(s)];
      else if (isLocalFunction(s))
        functions.insert(s.file + ":" + s.name);
  }
}

/// Only where the table has static functions too. Names of files say less: two
/// directories may each have a util.c.
void Counterparts::findForeign(const Object &object) {
  if (index.files.empty())
    return;
  bool exports = false;
  for (const ObjectSymbol &s : object.symbols) {
    if (!s.isDefined() || !s.isFunction() || s.isLocal() || s.isWeak())
      continue;
    exports = true;
    if (!index.find(plainName(s.name)).empty())
      return;
  }
  if (!exports)
    return;
  for (const ObjectSymbol &s : object.symbols)
    if (s.isLocal() && !s.file.empty())
      foreign.insert(&s);
}

/// How many local variables of the patch have this name but for its number,
/// and are not identified yet.
size_t Counterparts::countAlike(const ObjectSymbol &s) const {
  return alike.lookup(placeName(s));
}

bool Counterparts::isContested(const ObjectSymbol &s) const {
  return isNumberedVariable(s) && !plan.learned.count(&s) && countAlike(s) > 1 &&
         countAlike(s) != likely(s).size() &&
         none_of(best(s), [&](const AppSymbol *a) {
           return a->source == AppSymbol::Source::User;
         });
}

SmallVector<const AppSymbol *>
Counterparts::all(const ObjectSymbol &s) const {
  SmallVector<const AppSymbol *> found;
  auto named = index.find(plainName(s.name));
  if (named.empty())
    return found;
  std::string canonical = canonicalName(s.name);
  bool isTls = s.type == STT_TLS;
  for (const AppSymbol *a : named) {
    if ((a->type == STT_TLS) != isTls || canonicalName(a->name) != canonical)
      continue;
    bool kindsDiffer = (s.isFunction() && a->type == STT_OBJECT) ||
                       (s.type == STT_OBJECT && a->isFunction());
    if (!kindsDiffer)
      found.push_back(a);
  }
  return found;
}

/// Keeps those of \p found for which \p predicate holds, if there are any.
static void prefer(SmallVector<const AppSymbol *> &found,
                   function_ref<bool(const AppSymbol *)> predicate) {
  SmallVector<const AppSymbol *> better;
  copy_if(found, std::back_inserter(better), predicate);
  if (!better.empty())
    found = std::move(better);
}

SmallVector<const AppSymbol *>
Counterparts::likely(const ObjectSymbol &s, bool isAsked) const {
  SmallVector<const AppSymbol *> found = all(s);
  prefer(found,
         [&](const AppSymbol *a) { return a->source == AppSymbol::Source::User; });
  if (isForeign(s) && !isAsked)
    erase_if(found, [](const AppSymbol *a) {
      return a->source != AppSymbol::Source::User;
    });
  if (s.isLocal()) {
    // A static function is never a global of the same name.
    if (s.isDefined())
      erase_if(found, [](const AppSymbol *a) {
        return !a->isLocal() && a->source != AppSymbol::Source::User;
      });
    // Where the app has the file, a static of another one is another.
    auto isHere = [&](const AppSymbol *a) { return a->file == s.file; };
    if (s.isDefined() && !s.file.empty() && index.files.contains(s.file))
      erase_if(found, [&](const AppSymbol *a) {
        return !isHere(a) && a->source != AppSymbol::Source::User;
      });
    prefer(found, isHere);
  } else {
    // Hidden symbols are local in a finished program.
    prefer(found, [](const AppSymbol *a) { return !a->isLocal(); });
  }
  // The app's __cxx_global_var_init is the patch's of that name, and none with a number.
  if (isLocalFunction(s))
    erase_if(found, [&](const AppSymbol *a) {
      return a->name != s.name && functions.contains(s.file + ":" + a->name) &&
             a->source != AppSymbol::Source::User;
    });
  // Each of the app's variables is one of the patch's at most.
  if (isLocalVariable(s))
    erase_if(found, [&](const AppSymbol *a) {
      return plan.isTaken(*a) && a->source != AppSymbol::Source::User;
    });
  return found;
}

SmallVector<const AppSymbol *>
Counterparts::best(const ObjectSymbol &s, bool isAsked) const {
  if (auto it = plan.learned.find(&s); it != plan.learned.end())
    return {it->second};
  SmallVector<const AppSymbol *> found = likely(s, isAsked);
  // The numbers that compilers give to function-scoped statics shift when one
  // is added: they say which is which only if both sides have as many.
  if (!s.isLocal() || s.isFunction() || s.name == canonicalName(s.name) ||
      found.size() == countAlike(s))
    prefer(found, [&](const AppSymbol *a) { return a->name == s.name; });
  if (!s.isFunction())
    prefer(found, [&](const AppSymbol *a) { return a->size == s.size; });
  // Aliases of one place are one candidate.
  SmallVector<const AppSymbol *> distinct;
  for (const AppSymbol *a : found)
    if (none_of(distinct,
                [&](const AppSymbol *d) { return d->address == a->address; }))
      distinct.push_back(a);
  return distinct;
}

} // namespace relink
