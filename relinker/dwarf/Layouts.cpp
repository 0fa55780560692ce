//===- Layouts.cpp - Types that changed under the app's feet --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C lets two units have different structs of one name, so the layout that counts
// as the old one is that of the same unit.
//
//===----------------------------------------------------------------------===//

#include "Layouts.h"
#include "DwarfTypes.h"
#include "Error.h"
#include "Refusals.h"
#include "Selections.h"
#include "UnitFilter.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {
namespace {

constexpr size_t mostTypes = 5, mostUsers = 10;

struct ChangedType {
  const Object *object = nullptr;
  std::string key; ///< qualified name
  TypeLayout before, after;
  std::vector<std::string> units, functions; ///< that use it as it was
};

class LayoutCheck {
public:
  LayoutCheck(const AppDwarf &dwarf, const Plan &plan)
      : dwarf(dwarf), plan(plan) {}
  void run();

  std::vector<ChangedType> changed; ///< with users

private:
  void compareUnits(const Object &object, const UnitPair &pair);
  void findUnits();
  void findKept();
  bool isAllUnchanged(const Object &object) const;

  const AppDwarf &dwarf;
  const Plan &plan;
  DenseSet<const DebugUnit *> ofPatch; ///< the app's, that the patch replaces
};

void LayoutCheck::compareUnits(const Object &object, const UnitPair &pair) {
  ofPatch.insert(pair.app);
  auto after = typesOf(*pair.patch), before = typesOf(*pair.app);
  for (const auto &[name, type] : after) {
    auto old = before.find(name);
    if (old == before.end())
      continue;
    TypeLayout is = layoutOf(type), was = layoutOf(old->second);
    if (!(is == was))
      changed.push_back({&object, name, std::move(was), std::move(is), {}, {}});
  }
}

/// Other units of the app that define the type as it was.
void LayoutCheck::findUnits() {
  StringSet<> names;
  for (const ChangedType &c : changed)
    names.insert(StringRef(c.key).drop_front(
        StringRef(c.key).rfind("::") == StringRef::npos
            ? 0
            : StringRef(c.key).rfind("::") + 2));
  UnitFilter filter(names);
  // Type units are told by their hashes, not by names.
  bool typeUnits = any_of(dwarf.units(), [](const DebugUnit &u) {
    return u.unit->isTypeUnit() || (u.unit->isDWOUnit() && hasTypeUnits(u));
  });
  for (const DebugUnit &unit : dwarf.units()) {
    if (ofPatch.contains(&unit) || unit.unit->isTypeUnit() ||
        (!typeUnits && !filter.mayName(unit)))
      continue;
    auto types = typesOf(unit);
    for (ChangedType &c : changed) {
      auto type = types.find(c.key);
      if (type != types.end() && layoutOf(type->second) == c.before)
        c.units.push_back(unit.fileName().empty() ? "a unit without a name"
                                                  : unit.fileName().str());
    }
  }
}

/// Functions of the patch that stay as they are in the app, though they changed.
void LayoutCheck::findKept() {
  DenseSet<const ObjectSymbol *> replaced;
  for (const Replacement &r : plan.replacements)
    replaced.insert(r.body);
  for (ChangedType &c : changed)
    for (const ObjectSymbol &s : c.object->symbols) {
      auto verdict = plan.verdicts.find(&s);
      auto decision = plan.decisions.find(&s);
      if (verdict != plan.verdicts.end() && decision != plan.decisions.end() &&
          verdict->second.kind == Verdict::Kind::Changed && s.isFunction() &&
          decision->second.app && !replaced.contains(&s) &&
          decision->second.action == Decision::Action::Bind)
        c.functions.push_back(shown(s.name));
    }
}

/// Whether the app has all of the object's code as it is, so that the layout makes
/// none of it different.
bool LayoutCheck::isAllUnchanged(const Object &object) const {
  return all_of(object.symbols, [&](const ObjectSymbol &s) {
    if (!s.isFunction() || !s.isDefined() || !s.section || !s.size)
      return true;
    auto verdict = plan.verdicts.find(&s);
    return isOutlinedPart(s.name) ||
           (verdict != plan.verdicts.end() &&
            (verdict->second.kind == Verdict::Kind::Same ||
             verdict->second.kind == Verdict::Kind::LinesOnly));
  });
}

void LayoutCheck::run() {
  std::vector<const Object *> objects;
  for (const Replacement &r : plan.replacements)
    if (!is_contained(objects, r.object))
      objects.push_back(r.object);
  for (const Object *object : objects) {
    AppDwarf patch = AppDwarf::ofPatch(plan, *object);
    for (const UnitPair &pair : pairUnits(patch, dwarf, plan, *object))
      compareUnits(*object, pair);
  }
  if (changed.empty())
    return;
  for (auto &object : plan.objects)
    if (!is_contained(objects, object.get()) && isAllUnchanged(*object)) {
      AppDwarf patch = AppDwarf::ofPatch(plan, *object);
      for (const UnitPair &pair : pairUnits(patch, dwarf, plan, *object))
        ofPatch.insert(pair.app);
    }
  findUnits();
  findKept();
  erase_if(changed, [](const ChangedType &c) { return c.units.empty() && c.functions.empty(); });
}

std::string describe(const Image &image, const ChangedType &c) {
  std::string out = "\n>>> " + c.after.name + " in " + c.object->name + ": " +
                    c.after.difference(c.before) + "\n>>> " + c.before.name +
                    " in " + image.path + ": " + c.before.difference(c.after);
  auto add = [&](ArrayRef<std::string> names, StringRef behind) {
    for (auto [n, name] : enumerate(names.take_front(mostUsers)))
      out += (n ? ", " : "\n>>> the old one is used by ") + name;
    if (names.size() > mostUsers)
      out += " and " + std::to_string(names.size() - mostUsers) + " more";
    if (!names.empty())
      out += behind;
  };
  add(c.units, "");
  add(c.functions, c.functions.size() == 1
                       ? ", which changed and is not replaced"
                       : ", which changed and are not replaced");
  return out;
}

} // namespace

std::vector<UnitPair> pairUnits(const AppDwarf &patch, const AppDwarf &app,
                                const Plan &plan, const Object &object) {
  std::vector<uint64_t> addresses;
  for (const Replacement &r : plan.replacements)
    if (r.object == &object)
      addresses.push_back(r.address);
  std::vector<UnitPair> out;
  for (const DebugUnit &unit : patch.units())
    if (!unit.unit->isTypeUnit() && !unit.fileName().empty())
      if (const DebugUnit *same = app.counterpart(unit, addresses))
        out.push_back({&unit, same});
  return out;
}

Error checkLayouts(const Config &config, const Image &image,
                   const AppDwarf &dwarf, const Plan &plan) {
  if (isAccepted(config, Refusal::Layout) || !dwarf.isPresent())
    return Error::success();
  LayoutCheck check(dwarf, plan);
  check.run();
  if (check.changed.empty())
    return Error::success();
  const ChangedType &first = check.changed.front();
  std::string more = check.changed.size() > 1
                         ? " (and " +
                               std::to_string(check.changed.size() - 1) +
                               " more types)"
                         : "";
  std::string lines;
  for (const ChangedType &c : ArrayRef(check.changed).take_front(mostTypes))
    lines += describe(image, c);
  return refuse(Refusal::Layout,
                first.object->name + ": " + first.after.name + more +
                    " is laid out otherwise than in code of " + image.path +
                    " that stays" + lines,
                "compile those units with the fix, and give their objects too; "
                "or leave the type as it was, and keep what is new elsewhere");
}

} // namespace relink
