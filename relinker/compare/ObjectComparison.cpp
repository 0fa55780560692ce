//===- ObjectComparison.cpp - With the objects before the fix -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ObjectComparison.h"
#include "Counterparts.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {

static bool equalData(const ObjectSymbol &a, const ObjectSymbol &b) {
  auto bytes = [](const ObjectSymbol &s) {
    ArrayRef<uint8_t> data = s.section->data;
    return s.value > data.size() ? ArrayRef<uint8_t>()
                                 : data.drop_front(s.value).take_front(s.size);
  };
  return a.size == b.size && a.section && b.section &&
         a.section->isNoBits() == b.section->isNoBits() && bytes(a) == bytes(b);
}

ObjectComparison::ObjectComparison(const Target &target, Plan &plan, Plan &before,
                                   const ObjectPairs &pairs)
    : plan(plan), before(before), pairs(pairs), original(before, pairs),
      correlator(plan, plan.objects, plan.frames, target, original) {
  for (auto &object : before.objects)
    for (ObjectSymbol &s : object->symbols)
      // Where another of them defines it, that is what is meant.
      if (!s.isSection() && !s.name.empty() &&
          (s.isDefined() || before.definitionOf(&s) == &s))
        byName[canonicalName(s.name)].push_back(&s);
}

void ObjectComparison::indexUsers(const Plan &of) {
  for (const ObjectSymbol *f : functionsOf(of))
    for (const ObjectRelocation &r : f->section->relocations)
      if (const ObjectSymbol *s = of.definitionOf(r.symbol);
          s && Counterparts::isNumberedVariable(*s))
        users[s].insert(canonicalName(f->name));
}

/// Numbers of function-scoped statics shift: they are told apart by the functions that
/// refer to them, and by what they hold first.
void ObjectComparison::narrow(const ObjectSymbol &s,
                              SmallVectorImpl<const ObjectSymbol *> &list) const {
  auto prefer = [&](auto isLike) {
    if (any_of(list, isLike))
      erase_if(list, [&](const ObjectSymbol *o) { return !isLike(o); });
  };
  auto ours = users.find(&s);
  auto sharesUser = [&](const ObjectSymbol *o) {
    auto theirs = users.find(o);
    return ours != users.end() && theirs != users.end() &&
           any_of(ours->second, [&](const auto &name) {
             return theirs->second.contains(name.first());
           });
  };
  auto isEqual = [&](const ObjectSymbol *o) { return equalData(s, *o); };
  prefer(sharesUser);
  prefer(isEqual);
  // One of another function that holds another value is another, or is not.
  erase_if(list, [&](const ObjectSymbol *o) { return !sharesUser(o) && !isEqual(o); });
}

bool ObjectComparison::isDoubtful(const ObjectSymbol &s) const {
  if (!Counterparts::isNumberedVariable(s) || correlator.placeOf(s))
    return false;
  auto candidates = partners(s);
  erase_if(candidates, [&](const ObjectSymbol *o) { return paired.count(o); });
  return !candidates.empty();
}

/// Symbols of the original objects that \p s could be.
SmallVector<const ObjectSymbol *>
ObjectComparison::partners(const ObjectSymbol &s) const {
  SmallVector<const ObjectSymbol *> out, better;
  auto it = byName.find(canonicalName(s.name));
  if (it == byName.end())
    return out;
  auto kind = [](const ObjectSymbol &s) {
    return !s.section ? 0 : s.section->isCode() ? 1 : 2;
  };
  for (const ObjectSymbol *o : it->second) {
    if (s.isLocal() && s.isDefined() && o->isLocal() && !pairs.mayBe(s, *o))
      continue;
    if (!s.isLocal() && !o->isLocal() && s.name != o->name)
      continue;
    if (!kind(s) || !kind(*o) || kind(s) == kind(*o))
      out.push_back(o);
  }
  copy_if(out, std::back_inserter(better),
          [&](const ObjectSymbol *o) { return o->isDefined() == s.isDefined(); });
  if (!better.empty())
    out = better;
  return out;
}

/// The symbol of the original objects that \p s is: what matching code says,
/// else the only one of its name that is left.
const ObjectSymbol *ObjectComparison::partnerOf(const ObjectSymbol &s) const {
  auto candidates = partners(s);
  // A function's global name is certain.
  if (s.isFunction() && s.isDefined() && !s.isLocal() && candidates.size() == 1 &&
      !candidates[0]->isLocal() && candidates[0]->isDefined())
    return candidates[0];
  if (auto place = correlator.placeOf(s)) {
    for (const ObjectSymbol *o : candidates)
      if (o->section == place->section && o->value == place->offset &&
          (o->section || place->symbol == o))
        return o;
    return nullptr;
  }
  // Several objects refer to what one defines.
  bool isReference = !s.isLocal() && !s.isDefined();
  erase_if(candidates, [&](const ObjectSymbol *o) {
    return paired.count(o) && !(isReference && !o->isLocal());
  });
  if (Counterparts::isNumberedVariable(s)) {
    narrow(s, candidates);
  } else if (candidates.size() > 1) {
    SmallVector<const ObjectSymbol *> sameName;
    copy_if(candidates, std::back_inserter(sameName),
            [&](const ObjectSymbol *o) { return o->name == s.name; });
    if (!sameName.empty())
      return sameName.front();
  }
  return candidates.size() == 1 ? candidates.front() : nullptr;
}

void ObjectComparison::run() {
  indexUsers(plan);
  indexUsers(before);
  for (const ObjectSymbol *s : functionsOf(plan)) {
    Verdict first;
    for (const ObjectSymbol *o : partners(*s)) {
      if (!isComparable(*o))
        continue;
      bool same = correlator.match(*s, {o->section, nullptr, o->value}, o->size);
      Verdict v = verdictOf(correlator, same);
      if (same || first.kind == Verdict::Kind::Unknown)
        first = v;
      if (same)
        break;
    }
    plan.verdicts[s] = first;
  }
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (correlator.isConstant(s))
        if (auto found = partners(s);
            found.size() == 1 && found[0]->section && found[0]->size) {
          const ObjectSymbol &o = *found[0];
          bool same =
              correlator.matchConstant(s, {o.section, nullptr, o.value}, o.size);
          plan.verdicts[&s] = verdictOf(correlator, same);
        }
  auto each = [&](auto visit) {
    for (auto &object : plan.objects)
      for (const ObjectSymbol &s : object->symbols)
        if (!s.isSection() && !s.name.empty())
          visit(s);
  };
  each([&](const ObjectSymbol &s) {
    if (correlator.placeOf(s))
      if (const ObjectSymbol *o = partnerOf(s))
        paired.insert(o);
  });
  each([&](const ObjectSymbol &s) {
    const ObjectSymbol *o = partnerOf(s);
    if (!o) {
      // A static that the original lacks is new, whatever the app calls so.
      if (s.isLocal() && s.isDefined() && !isDoubtful(s))
        plan.fresh.insert(&s);
      return;
    }
    plan.originalOf[&s] = o;
    auto learned = before.learned.find(o);
    // What several objects refer to is the same thing, and the code of any may have
    // shown it, also of the one that defines it.
    if (learned == before.learned.end() && !s.isDefined())
      for (const ObjectSymbol *other : byName[canonicalName(s.name)])
        if (other->name == s.name && !other->isLocal() && before.learned.count(other))
          learned = before.learned.find(other);
    if (learned != before.learned.end())
      plan.learn(s, *learned->second);
  });
}

} // namespace relink
