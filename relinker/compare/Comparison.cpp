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
#include "Error.h"
#include "FunctionSearch.h"
#include "ObjectComparison.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

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
