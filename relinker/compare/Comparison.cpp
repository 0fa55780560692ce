//===- Comparison.cpp - What of the patch has changed ---------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Without --orig the patch is compared with the app. With it the patch is
// compared with the original objects, which say what changed; these are
// compared with the app, which says where everything is, also when the app has
// no names: the original is the map.
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"
#include "AddressMap.h"
#include "Correlator.h"
#include "Error.h"
#include "FunctionSearch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

bool isComparable(const ObjectSymbol &s) {
  return s.kind == ObjectSymbol::Kind::Defined && s.section->isCode() &&
         s.section->isAlloc() && !s.isSection() && s.isFunction() && s.size &&
         !isOutlinedPart(s.name);
}

/// The functions of \p plan's objects, once each.
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

//===----------------------------------------------------------------------===//
// With the app
//===----------------------------------------------------------------------===//

/// Objects held against the app's own code.
class AppComparison {
public:
  enum class Objects {
    Patch,
    Original, ///< those before the fix
    AsLinked, ///< the same, and no patch has changed them since the link
  };
  AppComparison(const Config &config, const Image &image,
                const SymbolIndex &index, const ImportTable &imports,
                const UnwindTable &unwind, const Target &target,
                const EarlierPatches &earlier, Plan &plan, Objects objects)
      : image(image), index(index), imports(imports), unwind(unwind),
        target(target), plan(plan), isOriginal(objects != Objects::Patch),
        counterparts(index, plan),
        original(config, image, index, imports, unwind, target, earlier,
                 counterparts),
        correlator(plan, plan.objects, plan.frames, target, original) {
    // Sections are where they were linked to only if these objects were. Of a
    // patched app the original may be the object of the last patch.
    correlator.sectionsAreWhole =
        objects == Objects::AsLinked || (isOriginal && !earlier.any());
    correlator.comdatsMayBeOthers = objects == Objects::Original;
  }

  void run();
  /// Only what has no verdict yet, of what other objects may define too.
  void runRest();

private:
  static std::optional<uint64_t> mappedAddress(const ObjectSymbol &s);
  bool tryAt(const ObjectSymbol &s, uint64_t address, uint64_t size);
  void tryCandidates(const ObjectSymbol &s);
  void searchUnnamed();
  bool learnFromData();
  void compareConstants();
  bool provesAt(const ObjectSymbol &s, uint64_t address, uint64_t enough);
  bool hasTwin(const ObjectSymbol &s, uint64_t address);
  void learn();
  void learnFromOldBodies();
  const AddressSet &referencedBy(const AppSymbol &function);
  void learnSymbol(const ObjectSymbol &s);

  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  const UnwindTable &unwind;
  const Target &target;
  Plan &plan;
  const bool isOriginal; ///< the objects are those before the fix
  Counterparts counterparts;
  ImageOriginal original;
  Correlator correlator;
  std::vector<const ObjectSymbol *> functions;
  DenseSet<const ObjectSection *> learnedFrom; ///< data that was looked at
  /// See referencedBy().
  std::map<const AppSymbol *, AddressSet> referenced;
};

bool AppComparison::tryAt(const ObjectSymbol &s, uint64_t address,
                          uint64_t size) {
  // lld's name for an indirect function is that of its stub.
  if (s.type == STT_GNU_IFUNC)
    if (uint64_t resolver = imports.ifuncResolver(address))
      address = resolver, size = 0;
  bool same = correlator.match(s, {nullptr, nullptr, address}, size);
  plan.verdicts[&s] = verdictOf(correlator, same);
  return same;
}

/// Where the app's map says it is.
std::optional<uint64_t> AppComparison::mappedAddress(const ObjectSymbol &s) {
  if (!s.section || s.section->isTls())
    return std::nullopt;
  const ObjectSection &whole =
      s.section->original ? *s.section->original : *s.section;
  if (!whole.address)
    return std::nullopt;
  uint64_t start = s.section->original ? s.section->originalOffset : 0;
  return *whole.address + start + s.value;
}

/// Several functions of one name: the one whose code it is.
void AppComparison::tryCandidates(const ObjectSymbol &s) {
  auto found = counterparts.best(s);
  if (auto known = correlator.placeOf(s))
    for (const AppSymbol *a : found)
      if (a->address == known->offset) {
        tryAt(s, a->address, a->size);
        return;
      }
  Verdict first;
  for (const AppSymbol *a : found) {
    if (tryAt(s, a->address, a->size))
      return;
    if (first.kind == Verdict::Kind::Unknown)
      first = plan.verdicts[&s];
  }
  if (!found.empty())
    plan.verdicts[&s] = first;
}

/// Largest first: it proves most, and what it refers to finds the others.
void AppComparison::searchUnnamed() {
  FunctionSearch search(image, unwind);
  std::vector<const ObjectSymbol *> open;
  for (const ObjectSymbol *s : functions)
    if (!plan.verdicts.count(s))
      open.push_back(s);
  stable_sort(open, [](auto *a, auto *b) { return a->size > b->size; });
  constexpr uint64_t enough = 24; // bytes that no two functions share by chance
  for (bool progress = true; progress && !open.empty();) {
    progress = false;
    erase_if(open, [&](const ObjectSymbol *s) {
      auto known = correlator.placeOf(*s);
      if (!known)
        return false;
      tryAt(*s, known->offset, 0);
      progress = true;
      return true;
    });
    for (const ObjectSymbol *s : open) {
      if (FunctionSearch::fixedBytes(*s) < enough &&
          !(s->section->original && correlator.sectionsAreWhole))
        continue;
      SmallVector<uint64_t> found;
      for (uint64_t address : search.candidates(*s))
        if (provesAt(*s, address, enough) && !hasTwin(*s, address))
          found.push_back(address);
      if (found.size() != 1 || !tryAt(*s, found[0], 0))
        continue;
      erase(open, s);
      progress = true;
      break;
    }
    progress |= learnFromData();
  }
}

/// What tables and virtual tables refer to, where code has shown where they are.
bool AppComparison::learnFromData() {
  bool any = false;
  for (auto &object : plan.objects)
    for (const ObjectSection &s : object->sections)
      if (s.isAlloc() && !s.isCode() && !s.isNoBits() && !s.dropped &&
          !s.relocations.empty() && correlator.isKnown(s) &&
          learnedFrom.insert(&s).second)
        any |= correlator.learnFrom(s);
  return any;
}

/// Whether the code at \p address is that of \p s, as far as bytes tell, and those
/// are many enough. Functions of one section lie together in the app too, so all
/// of them have to match, and count.
bool AppComparison::provesAt(const ObjectSymbol &s, uint64_t address,
                             uint64_t enough) {
  if (!correlator.matchesBytes(s, {nullptr, nullptr, address}))
    return false;
  uint64_t proven = FunctionSearch::fixedBytes(s);
  const ObjectSection *whole =
      correlator.sectionsAreWhole ? s.section->original : nullptr;
  if (!whole)
    return proven >= enough;
  uint64_t base = address - s.section->originalOffset - s.value;
  for (const ObjectSymbol *o : functions) {
    if (o == &s || o->section->original != whole)
      continue;
    uint64_t at = base + o->section->originalOffset + o->value;
    if (!correlator.matchesBytes(*o, {nullptr, nullptr, at}))
      return false;
    proven += FunctionSearch::fixedBytes(*o);
  }
  return proven >= enough;
}

/// Whether another function has the bytes of \p s, which are those at \p address: of
/// two the app may have dropped either. Neighbors in a section tell them apart.
bool AppComparison::hasTwin(const ObjectSymbol &s, uint64_t address) {
  if (correlator.sectionsAreWhole && s.section->original)
    return false;
  return any_of(functions, [&](const ObjectSymbol *o) {
    bool isAlias = o->section == s.section && o->value == s.value;
    return o->size == s.size && !isAlias &&
           correlator.matchesBytes(*o, {nullptr, nullptr, address});
  });
}

void AppComparison::learnSymbol(const ObjectSymbol &s) {
  if (s.isSection() || s.name.empty() || StringRef(s.name).starts_with(".L"))
    return;
  auto place = correlator.placeOf(s);
  if (auto address = mappedAddress(s))
    place = Place{nullptr, nullptr, *address};
  if (!place)
    return;
  bool isTls = place->tls;
  for (const AppSymbol *a : counterparts.all(s))
    if (a->address == place->offset && (a->type == STT_TLS) == isTls) {
      plan.learn(s, *a);
      return;
    }
  // A stub that reaches another library is no symbol of the app.
  if (index.hasFullTable || (!s.isLocal() && imports.find(s.name)))
    return;
  if (!isTls && !image.loadAt(place->offset))
    return;
  // Code that is another than the object's has another size.
  uint64_t size = s.size;
  if (auto verdict = plan.verdicts.find(&s);
      s.isFunction() && verdict != plan.verdicts.end() &&
      verdict->second.kind == Verdict::Kind::Changed) {
    auto fde = unwind.find(image, place->offset);
    if (!fde || fde->start != place->offset)
      return;
    size = fde->size;
  }
  AppSymbol &a = plan.unnamed.emplace_back();
  a.name = s.name;
  a.address = place->offset;
  a.size = size;
  // What code gets from such a word is what the function there gives it.
  bool isResolver = !s.isDefined() && imports.isResolver(place->offset);
  a.type = isTls        ? uint8_t(STT_TLS)
           : isResolver ? uint8_t(STT_GNU_IFUNC)
                        : s.type;
  a.binding = STB_LOCAL;
  a.file = s.file;
  a.source = AppSymbol::Source::Learned;
  plan.learn(s, a);
}

void AppComparison::learn() {
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (!s.isDefined() || !s.section || s.section->isAlloc())
        learnSymbol(s);
}

/// Addresses that the app's function refers to.
const AddressSet &
AppComparison::referencedBy(const AppSymbol &function) {
  auto [it, isNew] = referenced.try_emplace(&function);
  AddressSet &out = it->second;
  if (!isNew)
    return out;
  ArrayRef<uint8_t> body = image.bytesAt(function.address, function.size);
  for (uint64_t at = 0; at < body.size();) {
    Instruction i;
    if (!target.measure(body.drop_front(at), function.address + at, i))
      break;
    if (i.memoryTarget)
      out.insert(*i.memoryTarget);
    at += i.size;
    // Absolute addresses, in programs that are not position-independent.
    if (!image.isPositionIndependent())
      for (uint64_t from = at - i.size + 1; from + 4 <= at; ++from)
        out.insert(support::endian::read32le(&body[from]));
  }
  return out;
}

/// Numbers of function-scoped statics shift. Where functions that did not change
/// leave several, those are told apart by the function they are in: its old body
/// refers to the one that is meant.
void AppComparison::learnFromOldBodies() {
  Counterparts remaining(index, plan);
  DenseMap<const ObjectSymbol *, SmallVector<const ObjectSymbol *, 2>> users;
  std::vector<const ObjectSymbol *> open;
  for (const ObjectSymbol *f : functions)
    for (const ObjectRelocation &r : f->section->relocations) {
      const ObjectSymbol *s = plan.definitionOf(r.symbol);
      if (!s || !remaining.isNumberedVariable(*s) || plan.learned.count(s))
        continue;
      auto &list = users[s];
      if (list.empty())
        open.push_back(s);
      if (!is_contained(list, f))
        list.push_back(f);
    }
  for (const ObjectSymbol *s : open) {
    auto found = remaining.best(*s);
    for (const ObjectSymbol *f : users[s]) {
      auto old = counterparts.best(*f);
      if (old.size() != 1)
        continue;
      const AddressSet &addresses = referencedBy(*old[0]);
      erase_if(found, [&](const AppSymbol *a) {
        return a->type == STT_TLS || !addresses.contains(a->address);
      });
    }
    if (found.size() != 1)
      continue;
    // Two of the patch's in one function could both be it.
    bool contested = any_of(open, [&](const ObjectSymbol *o) {
      return o != s && canonicalName(o->name) == canonicalName(s->name) &&
             o->file == s->file && any_of(users[o], [&](const ObjectSymbol *f) {
               return is_contained(users[s], f);
             });
    });
    if (!contested)
      plan.learn(*s, *found[0]);
  }
}

void AppComparison::run() {
  functions = functionsOf(plan);
  SmallVector<const ObjectSymbol *> unclear;
  for (const ObjectSymbol *s : functions) {
    if (auto address = mappedAddress(*s)) {
      tryAt(*s, *address, 0);
      continue;
    }
    auto found = counterparts.best(*s);
    if (found.size() == 1)
      tryAt(*s, found[0]->address, found[0]->size);
    else if (!found.empty())
      unclear.push_back(s);
  }
  for (const ObjectSymbol *s : unclear)
    tryCandidates(*s);
  if (isOriginal && !index.hasFullTable)
    searchUnnamed();
  compareConstants();
  learn();
  learnFromOldBodies();
}

void AppComparison::compareConstants() {
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (correlator.isConstant(s) && !plan.verdicts.count(&s))
        if (auto found = counterparts.best(s); found.size() == 1) {
          const AppSymbol &a = *found[0];
          bool same = correlator.matchConstant(
              s, {nullptr, nullptr, a.address}, a.size);
          plan.verdicts[&s] = verdictOf(correlator, same);
        }
}

void AppComparison::runRest() {
  functions = functionsOf(plan);
  for (const ObjectSymbol *s : functions) {
    auto known = plan.verdicts.find(s);
    if (s->isLocal() || (known != plan.verdicts.end() &&
                         known->second.kind != Verdict::Kind::Unknown))
      continue;
    if (auto found = counterparts.best(*s); found.size() == 1)
      tryAt(*s, found[0]->address, found[0]->size);
  }
  compareConstants();
}

//===----------------------------------------------------------------------===//
// With the objects before the fix
//===----------------------------------------------------------------------===//

bool equalData(const ObjectSymbol &a, const ObjectSymbol &b) {
  auto bytes = [](const ObjectSymbol &s) {
    ArrayRef<uint8_t> data = s.section->data;
    return s.value > data.size() ? ArrayRef<uint8_t>()
                                 : data.drop_front(s.value).take_front(s.size);
  };
  return a.size == b.size && a.section && b.section &&
         a.section->isNoBits() == b.section->isNoBits() && bytes(a) == bytes(b);
}

class ObjectComparison {
public:
  ObjectComparison(const Target &target, Plan &plan, Plan &before,
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
  void run();

private:
  SmallVector<const ObjectSymbol *> partners(const ObjectSymbol &s) const;
  const ObjectSymbol *partnerOf(const ObjectSymbol &s) const;
  /// Whether which of several \p s is, if any, can't be told.
  bool isDoubtful(const ObjectSymbol &s) const;
  void indexUsers(const Plan &of);
  void narrow(const ObjectSymbol &s,
              SmallVectorImpl<const ObjectSymbol *> &candidates) const;

  Plan &plan, &before;
  const ObjectPairs &pairs;
  ObjectOriginal original;
  Correlator correlator;
  StringMap<SmallVector<const ObjectSymbol *, 1>> byName;
  DenseSet<const ObjectSymbol *> paired;
  /// Names of the functions that refer to a numbered static.
  DenseMap<const ObjectSymbol *, StringSet<>> users;
};

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

/// Compilers and linkers fold functions of the same code. Where the patch has a
/// body for each again, either may replace the app's if they are the same.
void findTwins(const SymbolIndex &index, const Target &target, Plan &plan) {
  Counterparts counterparts(index, plan);
  AddressMap<const ObjectSymbol *> firstAt;
  for (const ObjectSymbol *s : functionsOf(plan)) {
    auto verdict = plan.verdicts.find(s);
    if (verdict == plan.verdicts.end() ||
        verdict->second.kind != Verdict::Kind::Changed)
      continue;
    auto found = counterparts.best(*s);
    if (found.size() != 1)
      continue;
    const ObjectSymbol *&first = firstAt[found[0]->address];
    if (!first) {
      first = s;
      continue;
    }
    ObjectOriginal original(plan);
    Correlator correlator(plan, plan.objects, plan.frames, target, original);
    if (correlator.match(*s, {first->section, nullptr, first->value}, first->size))
      plan.twins[s] = first;
  }
}

} // namespace

Error compareWithOriginal(const Config &config, const Image &image,
                          const SymbolIndex &index, const ImportTable &imports,
                          const UnwindTable &unwind, const Target &target,
                          const EarlierPatches &earlier,
                          std::vector<std::unique_ptr<Object>> originals,
                          Plan &plan) {
  using Objects = AppComparison::Objects;
  if (originals.empty()) {
    AppComparison(config, image, index, imports, unwind, target, earlier, plan,
                  Objects::Patch)
        .run();
    findTwins(index, target, plan);
    return Error::success();
  }
  plan.before = std::make_unique<Plan>();
  Plan &before = *plan.before;
  leaveOutRivals(originals, plan);
  before.objects = std::move(originals);
  if (Error e = before.indexObjects())
    return e;
  ObjectPairs pairs(plan, before);
  for (const auto &[now, then] : pairs.renamedSources())
    plan.renamedSources.try_emplace(now, then);
  AppComparison(config, image, index, imports, unwind, target, earlier, before,
                plan.mapped.empty() ? Objects::Original : Objects::AsLinked)
      .run();
  ObjectComparison(target, plan, before, pairs).run();
  // What those do not define, such as what link-time optimization made, or templates
  // that only the fix uses, and another object of the app did before.
  AppComparison(config, image, index, imports, unwind, target, earlier, plan,
                Objects::Patch)
      .runRest();
  findTwins(index, target, plan);
  return Error::success();
}

} // namespace relink
