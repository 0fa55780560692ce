//===- Inlining.cpp - Where the old code lives on -------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DW_TAG_inlined_subroutine (DWARF 5, section 3.3.8.2) lies in the function that
// has the copy and refers to the function that was copied. Units are read if
// they name a replaced function, or refer to an entry of it in another unit, as
// those of link-time optimisation and of dwz do.
//
//===----------------------------------------------------------------------===//

#include "Inlining.h"
#include "AddressMap.h"
#include "Diagnostic.h"
#include "Error.h"
#include "FunctionNames.h"
#include "History.h"
#include "MapCopies.h"
#include "Refusals.h"
#include "Selections.h"
#include "SourceFiles.h"
#include "UnitFilter.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFDebugAbbrev.h"

using namespace llvm;
using namespace llvm::dwarf;
using namespace llvm::ELF;

namespace relink {
namespace {

/// How many places a message lists.
constexpr size_t mostListed = 10;

class InlineSearch {
public:
  InlineSearch(const Image &image, const AppDwarf &dwarf, const Plan &plan)
      : image(image), dwarf(dwarf), names(plan.replacements),
        covered(coveredFunctions(plan)), known(plan.replacements.size()),
        own(plan.replacements.size()) {
    for (auto [number, r] : enumerate(plan.replacements))
      at[r.address] = number;
  }
  void run();

  std::vector<InlinedPlace> places;
  /// Whether DWARF says anything of a replaced function.
  bool isKnown(unsigned number) const { return known[number]; }

private:
  void search(const DebugUnit &unit);
  void readFunction(DWARFDie die, const DebugUnit &unit);
  void readInlined(DWARFDie die, const DebugUnit &unit);
  SmallVector<unsigned, 1> functionsOf(DWARFDie origin, const DebugUnit &unit);
  bool isInApp(uint64_t address) const;
  bool refersToOthers(const DebugUnit &unit) const;
  void dismissNamesakes();

  const Image &image;
  const AppDwarf &dwarf;
  FunctionNames names;
  std::set<uint64_t> covered;
  std::map<uint64_t, unsigned> at; ///< replaced functions by address
  std::vector<bool> known;
  /// The entry at the end of the chain from the replaced function's own.
  std::vector<std::pair<const DwarfFile *, uint64_t>> own;
  /// Of the unit that is read, by offset.
  AddressMap<SmallVector<unsigned, 1>> origins;
  std::vector<uint32_t> newOffsets; ///< entries of replaced functions
};

/// Entries of code that the linker has dropped have an address outside.
bool InlineSearch::isInApp(uint64_t address) const {
  const Phdr *home = image.loadAt(address);
  return address && home && (home->p_flags & PF_X);
}

SmallVector<unsigned, 1> InlineSearch::functionsOf(DWARFDie origin,
                                                   const DebugUnit &unit) {
  auto [it, isNew] = origins.try_emplace(origin.getOffset());
  if (isNew)
    it->second = names.find(origin, unit);
  return it->second;
}

void InlineSearch::readFunction(DWARFDie die, const DebugUnit &unit) {
  auto numbers = functionsOf(die, unit);
  if (!numbers.empty() && !unit.skeleton)
    newOffsets.push_back(die.getOffset());
  if (!die.find(DW_AT_declaration))
    for (unsigned number : numbers)
      known[number] = true;
  for (uint64_t start : startsOf(die)) {
    auto it = at.find(start);
    if (it == at.end())
      continue;
    known[it->second] = true;
    own[it->second] = {unit.file, rootOf(die).getOffset()};
  }
}

void InlineSearch::readInlined(DWARFDie die, const DebugUnit &unit) {
  DWARFDie origin = referredEntry(die, DW_AT_abstract_origin);
  if (!origin)
    return;
  auto numbers = functionsOf(origin, unit);
  if (numbers.empty())
    return;
  for (unsigned number : numbers)
    known[number] = true;
  DWARFDie into = die.getParent();
  while (into && into.getTag() != DW_TAG_subprogram)
    into = into.getParent();
  if (!into)
    return;
  auto starts = startsOf(into);
  if (starts.empty() || none_of(starts, [&](uint64_t a) { return isInApp(a); }) ||
      any_of(starts, [&](uint64_t a) { return isInApp(a) && covered.contains(a); }))
    return;
  auto copies = startsOf(die);
  InlinedPlace p;
  p.unit = &unit;
  p.root = rootOf(origin).getOffset();
  p.address = copies.empty() ? starts.front() : copies.front();
  p.into = functionName(into).str();
  if (p.into.empty())
    p.into = hex(starts.front());
  p.callFile = toUnsigned(die.find(DW_AT_call_file), 0);
  p.callLine = toUnsigned(die.find(DW_AT_call_line), 0);
  for (unsigned number : numbers) {
    p.function = number;
    places.push_back(p);
  }
}

void InlineSearch::search(const DebugUnit &unit) {
  origins.clear();
  for (const DWARFDebugInfoEntry &entry : unit.entries()) {
    DWARFDie die(unit.unit, &entry);
    if (die.getTag() == DW_TAG_subprogram)
      readFunction(die, unit);
    else if (die.getTag() == DW_TAG_inlined_subroutine)
      readInlined(die, unit);
  }
  // A split unit would forget its skeleton.
  if (!unit.skeleton)
    unit.unit->clear();
}

/// A static function's copies refer to the same entry as its own body does.
/// Where that is known, functions of the same name are others.
void InlineSearch::dismissNamesakes() {
  erase_if(places, [&](const InlinedPlace &p) {
    auto [file, root] = own[p.function];
    return names.isLocal(p.function) && file &&
           (file != p.unit->file || root != p.root);
  });
}

/// Whether the unit's entries can refer to those of other units.
bool InlineSearch::refersToOthers(const DebugUnit &unit) const {
  const DWARFAbbreviationDeclarationSet *set =
      unit.skeleton ? nullptr : unit.unit->getAbbreviations();
  auto refers = [](const DWARFAbbreviationDeclaration &d) {
    return any_of(d.attributes(),
                  [](const auto &a) { return a.Form == DW_FORM_ref_addr; });
  };
  return set && std::any_of(set->begin(), set->end(), refers);
}

void InlineSearch::run() {
  UnitFilter filter(names.all());
  std::vector<const DebugUnit *> rest;
  for (const DebugUnit &unit : dwarf.units())
    if (filter.mayName(unit))
      search(unit);
    else
      rest.push_back(&unit);
  while (!newOffsets.empty()) {
    WordSet wanted;
    wanted.add(newOffsets);
    newOffsets.clear();
    erase_if(rest, [&](const DebugUnit *unit) {
      if (!refersToOthers(*unit) || !wanted.isIn(unit->bytes()))
        return false;
      search(*unit);
      return true;
    });
  }
  dismissNamesakes();
  auto key = [](const InlinedPlace &p) { return std::tie(p.address, p.function); };
  llvm::sort(places, [&](auto &a, auto &b) { return key(a) < key(b); });
  places.erase(llvm::unique(places, [&](auto &a, auto &b) {
                 return key(a) == key(b);
               }),
               places.end());
}

Error refuseInlined(const Image &image, const Plan &plan,
                    ArrayRef<InlinedPlace> places) {
  std::vector<std::string> functions, callers;
  StringSet<> seenFunctions, seenCallers;
  std::string lines;
  for (const InlinedPlace &p : places) {
    const std::string &name = plan.replacements[p.function].body->name;
    if (seenFunctions.insert(name).second)
      functions.push_back(shown(name));
    if (seenCallers.insert(p.into).second)
      callers.push_back(shown(p.into));
  }
  for (const InlinedPlace &p : places.take_front(mostListed)) {
    lines += "\n>>> ";
    if (functions.size() > 1)
      lines += shown(plan.replacements[p.function].body->name) + " ";
    lines += "inlined into " + shown(p.into) + " at " + hex(p.address);
    std::string source = p.unit ? sourceFileName(*p.unit, p.callFile) : "";
    if (p.times > 1)
      lines += ", " + std::to_string(p.times) + " times";
    if (!source.empty())
      lines += " (" + source +
               (p.callLine ? ":" + std::to_string(p.callLine) : "") + ")";
  }
  if (places.size() > mostListed)
    lines += "\n>>> and " + std::to_string(places.size() - mostListed) + " more";
  // Of inline functions and templates the app has one object's, and compilers don't
  // make the same of them in each.
  auto isWeak = [&](const InlinedPlace &p) {
    return plan.replacements[p.function].body->isWeak();
  };
  auto weak = find_if(places, isWeak);
  if (weak != places.end() && !plan.before)
    lines += "\n>>> another object's " + shown(plan.replacements[weak->function].body->name) +
             " may be in the app; --orig FILE, the object before the fix, tells "
             "whether the fix changes it\n>>> remedy: --keep " +
             plan.replacements[weak->function].body->name + " if it does not";
  return refuse(Refusal::Inlined,
                image.path + ": " + listed(functions) +
                    (functions.size() == 1 ? " is" : " are") +
                    " inlined elsewhere, where the old code would live on" +
                    lines,
                "replace these functions too, with the objects that have them: " +
                    listed(callers));
}

/// Whether the code of an earlier patch came without its DWARF.
bool hasUnknownPatch(const Image &image, const AppDwarf &dwarf) {
  return any_of(image.sections, [&](const Section &s) {
    return (s.flags & SHF_EXECINSTR) && s.name.starts_with(".patch.") &&
           none_of(dwarf.units(), [&](const DebugUnit &u) {
             return u.hasCodeIn(s.address, s.address + s.size);
           });
  });
}

/// One line, however many functions it is about.
class Notes {
public:
  Notes(const Image &image, Plan &plan) : image(image), plan(plan) {
    for (const Replacement &r : plan.replacements)
      all.push_back(shown(r.body->name));
  }
  void ofDwarf(const AppDwarf &dwarf, const InlineSearch &search);
  void ofMap(const MapCopies &copies, bool isPatched);

private:
  /// \p isKnown tells of a function's number.
  std::vector<std::string> unknown(function_ref<bool(unsigned)> isKnown) const {
    std::vector<std::string> out;
    for (auto [number, name] : enumerate(all))
      if (!isKnown(number))
        out.push_back(name);
    return out;
  }
  void add(const Twine &why, ArrayRef<std::string> names) {
    plan.notes.push_back((image.path + why + ": inlined copies of " +
                          listed(names) + " can't be excluded")
                             .str());
  }

  const Image &image;
  Plan &plan;
  std::vector<std::string> all;
};

void Notes::ofDwarf(const AppDwarf &dwarf, const InlineSearch &search) {
  auto some = unknown([&](unsigned number) { return search.isKnown(number); });
  size_t files = dwarf.missing.size();
  if (!dwarf.isPresent())
    add(" has no debug information", all);
  else if (files)
    add("'s debug information is not complete: " + dwarf.missing.front() +
            (files > 1 ? ", nor are " + std::to_string(files - 1) + " others"
                       : std::string()),
        all);
  else if (!some.empty())
    add(" has no debug information about a part of its code", some);
  else if (hasUnknownPatch(image, dwarf))
    add(" has no debug information about an earlier patch", all);
}

void Notes::ofMap(const MapCopies &copies, bool isPatched) {
  auto some = unknown([&](unsigned number) { return copies.isKnown(number); });
  if (!some.empty())
    add(" has no debug information, and its map does not tell about a part of its "
        "code",
        some);
  else if (isPatched)
    add(" has no debug information, and its map is older than a patch", all);
}

} // namespace

std::set<uint64_t> coveredFunctions(const Plan &plan) {
  std::set<uint64_t> out;
  for (const Replacement &r : plan.replacements)
    out.insert(r.address);
  auto isSame = [](const Plan &p, const ObjectSymbol *s) {
    auto it = p.verdicts.find(s);
    return it != p.verdicts.end() &&
           (it->second.kind == Verdict::Kind::Same ||
            it->second.kind == Verdict::Kind::LinesOnly);
  };
  for (const auto &[symbol, decision] : plan.decisions) {
    if (decision.action != Decision::Action::Bind || !isSame(plan, symbol))
      continue;
    // With --orig the app's code may be another compiler's, whatever the two
    // objects are to each other.
    if (plan.before && !isSame(*plan.before, plan.originalOf.lookup(symbol)))
      continue;
    out.insert(decision.app->address);
  }
  return out;
}

/// The functions that earlier patches have replaced, as far as their records are
/// there.
static std::set<uint64_t> replacedBefore(const Image &image) {
  std::set<uint64_t> out;
  std::string stopped;
  auto history = readHistory(image.path, stopped);
  if (!history) {
    consumeError(history.takeError());
    return out;
  }
  for (const HistoryEntry &e : *history)
    if (const json::Array *functions = e.record.description.getArray("replaced"))
      for (const json::Value &f : *functions)
        if (auto *o = f.getAsObject())
          if (auto address = o->getInteger("oldAddress"))
            out.insert(*address);
  return out;
}

static Error checkByMap(const Image &image, const AppDwarf &dwarf, PatchMap &map,
                        Plan &plan) {
  std::set<uint64_t> covered = coveredFunctions(plan);
  MapCopies copies(image, map, plan, covered);
  if (Error e = copies.find())
    return e;
  auto record = readRecord(image);
  bool isPatched = !record || *record;
  consumeError(record.takeError());
  if (isPatched && !copies.places.empty())
    copies.dismiss(replacedBefore(image));
  if (!copies.places.empty())
    return refuseInlined(image, plan, copies.places);
  Notes(image, plan).ofMap(copies, isPatched || hasUnknownPatch(image, dwarf));
  return Error::success();
}

Error checkInlinedCopies(const Config &config, const Image &image,
                         const AppDwarf &dwarf, Plan &plan) {
  if (isAccepted(config, Refusal::Inlined) || plan.replacements.empty())
    return Error::success();
  if (!dwarf.isPresent() && config.useMap) {
    auto map = PatchMap::read(image);
    if (!map)
      return map.takeError();
    if (*map && (*map)->hasInlining())
      return checkByMap(image, dwarf, **map, plan);
  }
  InlineSearch search(image, dwarf, plan);
  search.run();
  if (!search.places.empty())
    return refuseInlined(image, plan, search.places);
  Notes(image, plan).ofDwarf(dwarf, search);
  return Error::success();
}

} // namespace relink
