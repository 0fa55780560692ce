//===- Constants.cpp - Which constants of the app are meant ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Constants.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// Named constants of a section, by where they start.
using Constants = std::vector<ObjectSymbol *>;

bool isNamedConstant(const ObjectSymbol &s) {
  return s.kind == ObjectSymbol::Kind::Defined && s.type == STT_OBJECT &&
         s.size && !s.section->isMergeable() && !s.section->original &&
         (!s.section->isWritable() ||
          StringRef(s.section->name).starts_with(".data.rel.ro"));
}

/// Where \p r of \p from points in its symbol's section.
std::optional<uint64_t> pointsTo(const ObjectSection &from,
                                 const ObjectRelocation &r) {
  if (!isPcRelative(r.type))
    return r.symbol->value + r.addend;
  if (!from.isCode() || !r.toEnd)
    return std::nullopt;
  return r.symbol->value + r.addend + r.toEnd;
}

class ConstantNamer {
public:
  ConstantNamer(Object &object, Plan &plan) : object(object), plan(plan) {
    for (ObjectSymbol &s : object.symbols)
      if (isNamedConstant(s))
        sections[s.section].push_back(&s);
    for (auto &[section, list] : sections)
      stable_sort(list, [](auto *a, auto *b) { return a->value < b->value; });
  }
  void run() {
    if (!sections.empty())
      for (ObjectSection &from : object.sections)
        if (from.isAlloc())
          nameIn(from);
  }

private:
  struct Reference {
    ObjectRelocation *relocation;
    uint64_t target;
    const Constants *constants;
    size_t next; ///< index of the first constant that starts behind `target`
    /// The constant that `target` is in or behind; null if it is in front of all.
    ObjectSymbol *at() const { return next ? (*constants)[next - 1] : nullptr; }
  };
  /// Whether it leads into a constant.
  static bool isInside(const Reference &r) {
    const ObjectSymbol *at = r.at();
    return at && r.target < at->value + at->size;
  }
  /// Or between two where nothing is but zeros: behind the one, or in front of the other.
  static bool isInPadding(const Reference &r) {
    const ObjectSymbol *at = r.at();
    if (!at || r.next == r.constants->size() || isInside(r))
      return false;
    uint64_t from = at->value + at->size, to = (*r.constants)[r.next]->value;
    ArrayRef<uint8_t> data = at->section->data;
    return from <= to && to <= data.size() &&
           all_of(data.slice(from, to - from), [](uint8_t b) { return !b; });
  }
  /// Or to its end, where nothing is behind it.
  static bool isAtEnd(const Reference &r) {
    const ObjectSymbol *at = r.at();
    return at && isLast(*at) && r.target == at->section->size;
  }
  static bool isLast(const ObjectSymbol &s) {
    return s.value + s.size == s.section->size;
  }
  void nameIn(ObjectSection &from);
  /// How far the app's is from where it is here; nothing if it isn't the app's.
  std::optional<uint64_t> distance(const ObjectSymbol &s) const {
    auto d = plan.decisions.find(&s);
    if (d == plan.decisions.end() ||
        d->second.action != Decision::Action::Bind)
      return std::nullopt;
    return d->second.app->address - s.value;
  }

  Object &object;
  Plan &plan;
  DenseMap<const ObjectSection *, Constants> sections;
  SmallPtrSet<const ObjectSymbol *, 4> remarked;
};

void ConstantNamer::nameIn(ObjectSection &from) {
  SmallVector<Reference> references;
  SmallPtrSet<const ObjectSymbol *, 4> used, unclear;
  for (ObjectRelocation &r : from.relocations) {
    if (!r.symbol || !r.symbol->isSection())
      continue;
    auto found = sections.find(r.symbol->section);
    auto target = pointsTo(from, r);
    if (found == sections.end() || !target)
      continue;
    const Constants &all = found->second;
    size_t next = partition_point(all, [&](const ObjectSymbol *s) {
                    return int64_t(s->value) <= int64_t(*target);
                  }) - all.begin();
    references.push_back({&r, *target, &all, next});
    if (isInside(references.back()))
      used.insert(references.back().at());
  }
  // Of two, the reference means either: both are the app's, or neither is.
  SmallVector<std::pair<const ObjectSymbol *, const ObjectSymbol *>> together;
  // What a reference may count from beside the constant it points into.
  for (const Reference &r : references) {
    const Constants &all = *r.constants;
    const ObjectSymbol *at = r.at();
    const ObjectSymbol *other = r.next < all.size() ? all[r.next] : nullptr;
    if (isAtEnd(r) || (isInside(r) && isLast(*at) && r.target != at->value))
      continue;
    if (!isInside(r) && !isInPadding(r)) {
      // A string, mostly. It may be the end of the one or be in front of the other, in a
      // function that goes through that.
      if (at && r.target == at->value + at->size && used.contains(at))
        unclear.insert(at);
      if (other && used.contains(other))
        unclear.insert(other);
      continue;
    }
    if (at && r.target == at->value) {
      other = r.next > 1 ? all[r.next - 2] : nullptr;
      if (!other || other->value + other->size != r.target ||
          !used.contains(other))
        continue;
    }
    if (at && other && distance(*at) == distance(*other)) {
      together.push_back({at, other});
      continue;
    }
    unclear.insert(at);
    unclear.insert(other);
  }
  for (bool isNew = true; isNew;) {
    isNew = false;
    for (auto [a, b] : together)
      if (unclear.contains(a) != unclear.contains(b)) {
        unclear.insert(a);
        unclear.insert(b);
        isNew = true;
      }
  }
  for (const ObjectSymbol *s : unclear)
    if (s && distance(*s) && used.contains(s) && remarked.insert(s).second)
      plan.remarks.push_back({s, s->name,
                              "its start is another constant's end, which may be meant: "
                              "the patch uses its own copy, other code the app's",
                              false});
  for (const Reference &r : references) {
    ObjectSymbol *at = isInside(r) || isInPadding(r) || isAtEnd(r) ? r.at() : nullptr;
    if (!at || unclear.contains(at) || !distance(*at))
      continue; // what has no name the app may have elsewhere, or otherwise
    r.relocation->symbol = at;
    r.relocation->addend -= at->value;
  }
}

} // namespace

void nameConstants(Object &object, Plan &plan) {
  ConstantNamer(object, plan).run();
}

} // namespace relink
