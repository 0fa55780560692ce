//===- MapOriginal.cpp - Objects before the fix, from the map -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapOriginal.h"
#include "Diagnostic.h"
#include "Error.h"
#include "MapObject.h"
#include "PatchMap.h"
#include "Split.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Path.h"
#include <map>
#include <set>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

//===----------------------------------------------------------------------===//
// Which one
//===----------------------------------------------------------------------===//

class Finder {
public:
  /// \p definers: which inputs define what the patch does, too.
  Finder(PatchMap &map, const StringMap<size_t> &definers, const Object &patch)
      : map(map), definers(definers), patch(patch) {
    for (const ObjectSymbol &s : patch.symbols) {
      if (!s.file.empty())
        sources.insert(s.file);
      if (!s.isDefined() || !isNamed(s.type))
        continue;
      names.insert(canonicalName(s.name));
      if (s.binding == STB_GLOBAL)
        globals.insert(s.name);
    }
  }
  /// The input that \p patch was; none if it is new, or if that is not certain,
  /// and then why.
  Expected<std::optional<size_t>> find(std::string &why);

private:
  static bool isNamed(uint8_t type) {
    return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_OBJECT ||
           type == STT_TLS;
  }
  Expected<bool> isNew();
  void addCandidates();
  bool isCandidate(const MapInput &input) const;
  Expected<unsigned> inCommon(size_t input);
  unsigned nearness(const MapInput &input) const;

  PatchMap &map;
  const StringMap<size_t> &definers;
  const Object &patch;
  StringSet<> sources, names, globals; ///< `names`: functions and variables
  SmallVector<size_t> candidates;
};

StringRef fileName(StringRef name) {
  // "lib.a(foo.o)"
  if (name.consume_back(")"))
    name = name.rsplit('(').second;
  return sys::path::filename(name);
}

bool Finder::isCandidate(const MapInput &input) const {
  return input.kind == map::InputKind::Object &&
         ((!input.source.empty() && sources.contains(input.source)) ||
          fileName(input.name()) == fileName(patch.name));
}

/// Of several with as much in common, the one of the same name is meant.
unsigned Finder::nearness(const MapInput &input) const {
  return input.name() == patch.name                      ? 2
         : fileName(input.name()) == fileName(patch.name) ? 1
                                                          : 0;
}

Expected<unsigned> Finder::inCommon(size_t input) {
  auto details = map.details(input);
  if (!details)
    return details.takeError();
  unsigned count = 0;
  if (*details)
    for (const MapSymbol &s : (*details)->symbols)
      count += s.home == MapSymbol::Home::Section && isNamed(s.info & 15) &&
               names.contains(canonicalName(s.name));
  return count;
}

/// By the names of source and object; if none has them, what defines its
/// functions and variables.
void Finder::addCandidates() {
  for (size_t i = 0; i < map.inputs().size(); ++i)
    if (isCandidate(map.inputs()[i]))
      candidates.push_back(i);
  if (!candidates.empty())
    return;
  std::set<size_t> inputs;
  for (const auto &entry : globals)
    if (auto it = definers.find(entry.first()); it != definers.end())
      inputs.insert(it->second);
  candidates.append(inputs.begin(), inputs.end());
}

/// Whether the program has nothing of what it defines, if no input is as the patch
/// was.
Expected<bool> Finder::isNew() {
  if (any_of(globals, [&](auto &g) { return definers.contains(g.first()); }))
    return false;
  return map.tellsOfAll();
}

Expected<std::optional<size_t>> Finder::find(std::string &why) {
  addCandidates();
  std::optional<size_t> best;
  std::pair<unsigned, unsigned> most = {0, 0};
  bool isTied = false;
  for (size_t i : candidates) {
    auto count = inCommon(i);
    if (!count)
      return count.takeError();
    std::pair score = {*count, nearness(map.inputs()[i])};
    if (!*count || score < most)
      continue;
    isTied = score == most;
    if (isTied) {
      why = (map.inputs()[*best].name() + " and " + map.inputs()[i].name() +
             " of the program could be what " + patch.name + " was");
      continue;
    }
    best = i;
    most = score;
    why.clear();
  }
  if (!best && !isTied) {
    auto isAdded = isNew();
    if (!isAdded)
      return isAdded.takeError();
    if (*isAdded)
      return std::nullopt;
  }
  if (!best)
    why = "no object that the program was linked of is what " + patch.name +
          " was";
  return isTied ? std::nullopt : best;
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

/// A patch of one source file, which had another name.
void renameSource(const Object &patch, const MapInput &input, Plan &plan) {
  StringSet<> sources;
  for (const ObjectSymbol &s : patch.symbols)
    if (!s.file.empty())
      sources.insert(s.file);
  if (sources.size() == 1 && !input.source.empty() &&
      !sources.contains(input.source))
    plan.renamedSources[sources.begin()->first()] = input.source;
}

/// What the patch refers to and a stripped program has, or not, under no name.
std::vector<std::string> namesToFind(const Image &app, const EarlierPatches &earlier,
                                     const Plan &plan) {
  std::vector<std::string> out;
  if (app.section(".symtab"))
    return out;
  StringSet<> known;
  for (const Sym &s : app.dynamicSymbols())
    known.insert(app.dynamicName(s));
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (!s.isDefined() && !s.isLocal() && !s.name.empty() &&
          !plan.definitions.contains(s.name) && !earlier.define(s.name) &&
          known.insert(s.name).second)
        out.push_back(s.name);
  return out;
}

class Originals {
public:
  Originals(const Image &app, const Target &target, PatchMap &map,
            const StringMap<size_t> &definers, const EarlierPatches &earlier)
      : app(app), target(target), map(map), definers(definers),
        earlier(earlier) {}
  /// The object that input \p i was, or what of it defines \p names.
  Error add(size_t i, const StringSet<> *names = nullptr);
  /// Only where \p names of input \p i are: a patch leaves entries and variables
  /// where they were, whatever it puts there.
  Error addPlaces(size_t i, const StringSet<> &names);
  /// An input whose code or data in the program are not what was linked.
  std::optional<size_t> changed;
  /// What \p plan defines, and the objects so far do not, as another input has
  /// it: COMDATs; and \p referred, which it only refers to.
  Error addOthers(Plan &plan, ArrayRef<std::string> referred);
  std::vector<std::unique_ptr<Object>> objects;

private:
  Error findAbsent(const StringSet<> &names, Plan &plan);

  const Image &app;
  const Target &target;
  PatchMap &map;
  const StringMap<size_t> &definers; ///< as for Finder
  const EarlierPatches &earlier;
};

Error Originals::add(size_t i, const StringSet<> *names) {
  auto details = map.details(i);
  if (!details)
    return details.takeError();
  if (!*details)
    return Error::success();
  if (hashContents(app, **details) != (*details)->check) {
    changed = i;
    return Error::success();
  }
  MapObjectBuilder builder(app, map.inputs()[i], **details);
  if (names)
    builder.keepOnly(*names);
  auto object = builder.build();
  if (!object)
    return object.takeError();
  if (Error e = splitSections(**object, target))
    return e;
  objects.push_back(std::move(*object));
  return Error::success();
}

/// The object has nothing but these places.
Error Originals::addPlaces(size_t i, const StringSet<> &names) {
  auto details = map.details(i);
  if (!details)
    return details.takeError();
  if (!*details)
    return Error::success();
  auto object = std::make_unique<Object>();
  object->name = map.inputs()[i].name();
  for (const MapSymbol &s : (*details)->symbols) {
    if (!definesOneOf(s, names))
      continue;
    const MapSection &home = (*details)->sections[s.section];
    if (home.kind != map::SectionKind::Placed || (home.flags & SHF_TLS))
      continue;
    ObjectSection &place = object->addSection(home.name, SHT_NOBITS, SHF_ALLOC);
    place.address = home.address + s.value;
    place.size = s.size;
    ObjectSymbol &symbol = object->addSymbol(s.name);
    symbol.kind = ObjectSymbol::Kind::Defined;
    symbol.type = s.info & 15;
    symbol.binding = s.info >> 4;
    symbol.section = &place;
    symbol.size = s.size;
  }
  objects.push_back(std::move(object));
  return Error::success();
}

/// Of \p names, which the plan defines and no input does: those that none uses.
Error Originals::findAbsent(const StringSet<> &names, Plan &plan) {
  auto tellsOfAll = map.tellsOfAll();
  if (!tellsOfAll)
    return tellsOfAll.takeError();
  if (!*tellsOfAll)
    return Error::success();
  auto used = map.namesThat([&](StringRef name) { return names.contains(name); });
  if (!used)
    return used.takeError();
  plan.absent = names;
  for (const auto &[number, name] : *used)
    plan.absent.erase(name);
  return Error::success();
}

Error Originals::addOthers(Plan &plan, ArrayRef<std::string> referred) {
  StringSet<> known, undefined;
  for (auto &object : objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.isDefined() && !s.isLocal())
        known.insert(s.name);
  std::map<size_t, StringSet<>> byInput, places;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.isDefined() && !s.isLocal() && !known.contains(s.name) &&
          !earlier.define(s.name)) {
        auto definer = definers.find(s.name);
        if (definer == definers.end())
          undefined.insert(s.name);
        else
          byInput[definer->second].insert(s.name);
      }
  // What is only referred to may be what an earlier patch has changed.
  for (const std::string &name : referred)
    if (auto definer = definers.find(name);
        definer != definers.end() && !known.contains(name))
      (earlier.any() ? places : byInput)[definer->second].insert(name);
  if (!undefined.empty())
    if (Error e = findAbsent(undefined, plan))
      return e;
  for (const auto &[input, names] : byInput)
    if (Error e = add(input, &names))
      return e;
  for (const auto &[input, names] : places)
    if (Error e = addPlaces(input, names))
      return e;
  return Error::success();
}

} // namespace

Expected<std::vector<std::unique_ptr<Object>>>
originalsFromMap(const Image &app, const Target &target,
                 const EarlierPatches &earlier, Plan &plan) {
  std::vector<std::unique_ptr<Object>> none;
  auto map = PatchMap::read(app);
  if (!map)
    return map.takeError();
  if (!*map)
    return none;
  auto giveUp = [&](const Twine &why) {
    plan.notes.push_back(("the map of " + app.path + " is not used: " + why).str());
    return std::vector<std::unique_ptr<Object>>();
  };
  auto folds = (*map)->folds();
  if (!folds)
    return folds.takeError();
  for (const auto &[address, name] : *folds)
    plan.folds.insert({address, name.str()});
  const std::string wasPatched = " was patched since it was linked; with what "
                                 "relink --revert --all gives it is";
  if (earlier.any() && !earlier.keepPlaces())
    return giveUp("it" + wasPatched);
  if (!(*map)->hasPrefix())
    return giveUp("its constants are not what was linked");
  StringSet<> defined; // for others
  for (auto &patch : plan.objects)
    for (const ObjectSymbol &s : patch->symbols)
      if (s.isDefined() && !s.isLocal() && !earlier.define(s.name))
        defined.insert(s.name);
  const std::vector<std::string> referred = namesToFind(app, earlier, plan);
  defined.insert_range(referred);
  auto definers = (*map)->definersOf(defined);
  if (!definers)
    return definers.takeError();
  SmallVector<size_t> chosen;
  std::vector<std::string> added;
  for (auto &patch : plan.objects) {
    std::string why;
    auto found = Finder(**map, *definers, *patch).find(why);
    if (!found)
      return found.takeError();
    if (*found && is_contained(chosen, **found))
      why = patch->name + " and another file of the patch are the same object "
                          "of the program";
    if (!why.empty())
      return giveUp(why);
    if (!*found) {
      added.push_back(patch->name);
      continue;
    }
    chosen.push_back(**found);
    renameSource(*patch, (*map)->inputs()[**found], plan);
  }
  if (chosen.empty())
    return giveUp("no object that the program was linked of is what " +
                  listed(added) + " was");
  Originals originals(app, target, **map, *definers, earlier);
  for (size_t i : chosen) {
    if (Error e = originals.add(i))
      return e;
    plan.mapped.push_back((*map)->inputs()[i].name());
  }
  if (Error e = originals.addOthers(plan, referred))
    return e;
  if (originals.changed) {
    plan.mapped.clear();
    plan.renamedSources.clear();
    plan.absent.clear();
    std::string name = (*map)->inputs()[*originals.changed].name();
    return giveUp(earlier.any() ? name + wasPatched
                                : "it has not the code and data that " + name +
                                      " was linked with");
  }
  if (!added.empty())
    plan.notes.push_back(listed(added) + (added.size() == 1 ? " is" : " are") +
                         " new: the program was linked of no such object");
  return std::move(originals.objects);
}

} // namespace relink
