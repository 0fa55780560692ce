//===- Rules.cpp - The interposition rules --------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In three passes: what becomes of each symbol the patch defines (rules 1 to
// 6), what of the patch is needed at all, and what each needed reference means
// (rule 8). Only needed references have to resolve.
//
//===----------------------------------------------------------------------===//

#include "Rules.h"
#include "AddressMap.h"
#include "Compare.h"
#include "Constants.h"
#include "Counterparts.h"
#include "DeadClones.h"
#include "Error.h"
#include "GrownData.h"
#include "LabelTables.h"
#include "Liveness.h"
#include "Refusals.h"
#include "References.h"
#include "SectionArrays.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

using Action = Decision::Action;

class Chooser {
public:
  Chooser(const Config &config, const Image &image, const SymbolIndex &index,
          const ImportTable &imports, const UnwindTable &unwind,
          const Target &target, Plan &plan)
      : config(config), image(image), index(index), imports(imports),
        unwind(unwind), target(target), plan(plan), selections(config, image, index),
        counterparts(index, plan) {}
  Error run();

private:
  Error decideAll();
  Error decide(Object &object, ObjectSymbol &symbol, Decision &out);
  Error decideFunction(Object &, ObjectSymbol &, Decision &);
  Error decideConstructor(Object &, ObjectSymbol &, bool kept, Decision &);
  void decideImport(Object &, ObjectSymbol &, bool wanted, Decision &);
  Error decideData(Object &, ObjectSymbol &, Decision &);
  Error findCounterpart(const Object &object, const ObjectSymbol &symbol, bool isAsked,
                        Decision &out);
  std::string ambiguity(const Object &object, const ObjectSymbol &symbol,
                        ArrayRef<const AppSymbol *> found, bool contested);
  bool isAnothers(const ObjectSymbol &s, ArrayRef<const AppSymbol *> found) const;
  bool differsFromOriginal(const ObjectSymbol &s) const;
  bool isUnchanged(const ObjectSymbol &symbol) const;
  bool isAllData() const;
  bool isOnlyLto() const;
  Error checkAnyReplaced() const;
  Error checkClones() const;
  Error checkSharedCode() const;
  void readConstructors();
  Error addReplacement(Object &object, ObjectSymbol &symbol,
                       const Decision &decision);

  const Config &config;
  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  const UnwindTable &unwind;
  const Target &target;
  Plan &plan;
  Selections selections;
  Counterparts counterparts;
  DenseSet<const ObjectSymbol *> constructors; ///< and destructors
  AddressMap<const ObjectSymbol *> replacementAt;
};

Error Chooser::findCounterpart(const Object &object, const ObjectSymbol &s,
                               bool isAsked, Decision &out) {
  if (plan.fresh.count(&s))
    return Error::success();
  auto found = counterparts.best(s, isAsked);
  bool contested = counterparts.isContested(s);
  if (isAnothers(s, found)) {
    out.action = Action::Ambiguous;
    out.reason = object.name + ": " + shown(s.name) + " may be new, or " +
                 describe(*found[0]) +
                 " of the app: no function that uses it did so before, and its "
                 "initial value is another\n>>> remedy: --new-data " +
                 s.name + " if it is new\n>>> remedy: " + bindOption(s.name, found);
    return Error::success();
  }
  if (found.size() == 1 && !contested) {
    out.app = found[0];
    return Error::success();
  }
  if (found.empty())
    return Error::success();
  out.action = Action::Ambiguous;
  out.reason = ambiguity(object, s, found, contested);
  return Error::success();
}

/// A function-scoped static with another value than the only one of that name, to which
/// no old body of a function that uses it refers, may be a new one.
bool Chooser::isAnothers(const ObjectSymbol &s, ArrayRef<const AppSymbol *> found) const {
  return found.size() == 1 && Counterparts::isNumberedVariable(s) &&
         !plan.learned.count(&s) && found[0]->source != AppSymbol::Source::User &&
         !equalInitialValue(image, *found[0], s);
}

std::string Chooser::ambiguity(const Object &object, const ObjectSymbol &s,
                               ArrayRef<const AppSymbol *> found,
                               bool contested) {
  std::string text = image.path + ": " + shown(s.name);
  if (found.size() > 1)
    text += " of " + object.name + " could be " + std::to_string(found.size()) +
            " symbols of the app";
  else if (contested)
    text += " is one of several variables of the patch that could be this one of "
            "the app";
  else
    text += " of " + object.name + " could be " + found[0]->file + ":" +
            found[0]->name + " of the app, but nothing says so";
  if (found.size() > 1 || contested)
    for (const AppSymbol *a : found)
      text += "\n>>> candidate: " + describe(*a);
  if (contested)
    text += "\n>>> remedy: --new-data " + s.name + " if it is new";
  return text + "\n>>> remedy: " + bindOption(s.name, found);
}

bool Chooser::isUnchanged(const ObjectSymbol &s) const {
  auto it = plan.verdicts.find(&s);
  return it != plan.verdicts.end() &&
         (it->second.kind == Verdict::Kind::Same ||
          it->second.kind == Verdict::Kind::LinesOnly);
}

Error Chooser::decideFunction(Object &object, ObjectSymbol &s, Decision &out) {
  if (isOutlinedPart(s.name))
    return Error::success(); // goes with the function it was cut from
  StringRef selection = selections.find(s, config.replace);
  bool kept = !selections.find(s, config.keep).empty();
  auto user = selections.boundTo(s);
  if (!user)
    return user.takeError();
  if (*user)
    out.app = *user;
  else if (Error e = findCounterpart(object, s, !selection.empty(), out))
    return e;
  bool wanted = !selection.empty();
  if (!wanted && constructors.contains(&s))
    return decideConstructor(object, s, kept, out);
  if (config.replace.empty() && !kept && !*user)
    wanted = out.app || out.action == Action::Ambiguous;
  if (out.action == Action::Ambiguous)
    return wanted ? makeError(out.reason) : Error::success();
  if (!out.app && !s.isLocal() && !s.isWeak() && imports.undefined(s.name)) {
    decideImport(object, s, !kept && (wanted || config.replace.empty()), out);
    return Error::success();
  }
  if (!out.app && isUnchanged(s))
    wanted = false;
  else if (!out.app && !kept && plan.originalOf.count(&s) &&
           (wanted || config.replace.empty())) {
    // With all its names, locals too, the app would show it.
    if (index.hasFullTable && !index.files.empty() && !wanted) {
      plan.notes.push_back(shown(s.name) + ", which the patch changes, is not in " +
                           image.path + " and is left out");
      return Error::success();
    }
    return makeError(
        image.path + ": can't find " + shown(s.name) +
        ", which the patch changes: its code before the fix is not in the app, "
        "or too short to be certain of, or the same as another's\n>>> remedy: give "
        "--orig the object that the app was linked from, and those of its callers, "
        "--symbol " + s.name + "=0xADDR, or --debug-file FILE\n>>> remedy: --keep " +
        s.name + " only if the app lacks it, because nothing called it");
  }
  if (wanted && !out.app) {
    std::string message =
        image.path + ": has no function " + shown(s.name) + " to replace";
    for (const std::string &n : nearNames(image, plainName(s.name)))
      message += "\n>>> did you mean: " + n;
    if (!index.hasFullTable)
      message += "\n>>> its symbol table was stripped; only exported names are "
                 "known";
    return makeError(message + "\n>>> remedy: --symbol " + s.name +
                     "=0xADDR[:SIZE], or --debug-file FILE");
  }
  if (!out.app) {
    plan.sameFunctions += isUnchanged(s); // somewhere in a stripped app
    return Error::success();              // rule 6
  }
  if (isUnchanged(s)) {
    ++plan.sameFunctions;
    if (plan.verdicts.find(&s)->second.kind == Verdict::Kind::LinesOnly)
      plan.linesOnly.push_back(s.name);
    out.action = Action::Bind;
    out.reason = "same code";
    return Error::success();
  }
  if (!wanted && isClone(s.name) && !isUnchanged(s)) {
    // A clone depends on its callers; one that differs is another function.
    out.app = nullptr;
    return Error::success();
  }
  out.action = wanted ? Action::Replace : Action::Bind;
  return wanted ? addReplacement(object, s, out) : Error::success();
}

/// Rule 11. Where the patch calls the library's function (`__real_NAME`), the
/// name has to go on meaning that in the app's dynamic symbol table.
void Chooser::decideImport(Object &object, ObjectSymbol &s, bool wanted,
                           Decision &out) {
  if (!wanted) {
    out.action = Action::Bind;
    return;
  }
  Interposition i;
  i.object = &object;
  i.definition = &s;
  i.dynamic = imports.undefined(s.name)->index;
  i.appOnly = plan.originalsCalled.contains(s.name) || s.visibility == STV_HIDDEN ||
              s.visibility == STV_INTERNAL;
  i.linkName =
      ("relink.interposed." + Twine(plan.interpositions.size())).str();
  plan.interpositions.push_back(i);
}

/// What the app runs at start or end runs through its own tables already, and
/// must not run twice.
Error Chooser::decideConstructor(Object &object, ObjectSymbol &s, bool kept,
                                 Decision &out) {
  auto verdict = plan.verdicts.find(&s);
  bool inOriginal = plan.originalOf.count(&s);
  if (!out.app && !inOriginal)
    return Error::success(); // new
  bool changed = verdict != plan.verdicts.end() &&
                 verdict->second.kind == Verdict::Kind::Changed;
  plan.sameFunctions += !changed;
  if (changed && config.replace.empty() && !kept) {
    if (!isAccepted(config, Refusal::Constructors))
      return refuse(Refusal::Constructors,
                    object.name + ": " + shown(s.name) +
                        " runs at start or end, and differs from the app's: " +
                        verdict->second.reason,
                    "--keep " + s.name + " to leave it as it is");
    if (out.app) {
      out.action = Action::Replace;
      return addReplacement(object, s, out);
    }
  }
  out.action = out.app ? Action::Bind : Action::Ambiguous;
  out.reason = out.app ? "runs at start already"
                       : object.name + ": where the app has " + shown(s.name) +
                             " can't be told\n>>> remedy: --symbol " + s.name +
                             "=0xADDR";
  if (!out.app && changed && config.replace.empty() && !kept)
    return makeError(out.reason + ", or --keep " + s.name + " to leave it as it is");
  return Error::success();
}

Error Chooser::addReplacement(Object &object, ObjectSymbol &s,
                              const Decision &decision) {
  const AppSymbol &app = *decision.app;
  if (app.type == STT_GNU_IFUNC && s.type != STT_GNU_IFUNC)
    return makeError(image.path + ": " + shown(s.name) +
                     " is an indirect function (IFUNC) in the app and an "
                     "ordinary one in the patch\n>>> remedy: replace the "
                     "implementation its resolver chooses instead");
  auto [first, isNew] = replacementAt.try_emplace(app.address, &s);
  if (!isNew) {
    const ObjectSymbol &other = *first->second;
    // An alias (D1 and D2 destructors), or folded in the app.
    if ((other.section == s.section && other.value == s.value) ||
        plan.twins.lookup(&s) == &other)
      return Error::success();
    return makeError(
        image.path + ": " + shown(s.name) + " and " + shown(other.name) +
        " of the patch both replace the function at " + hex(app.address));
  }
  Replacement r;
  r.object = &object;
  r.body = &s;
  r.app = &app;
  r.address = app.address;
  r.size = app.size;
  r.linkName = ("relink.body." + Twine(plan.replacements.size())).str();
  r.entryName = ("relink.entry." + Twine(plan.replacements.size())).str();
  plan.replacements.push_back(r);
  return Error::success();
}

/// Data whose place in the app is not known.
bool Chooser::differsFromOriginal(const ObjectSymbol &s) const {
  const ObjectSymbol *o = plan.originalOf.lookup(&s);
  if (!o || !o->section || !s.section || o->section->isMergeable())
    return false;
  auto bytes = [](const ObjectSymbol &s) {
    ArrayRef<uint8_t> data = s.section->data;
    return s.value > data.size() ? ArrayRef<uint8_t>()
                                 : data.drop_front(s.value).take_front(s.size);
  };
  auto verdict = plan.verdicts.find(&s);
  return verdict == plan.verdicts.end()
             ? o->size == s.size && bytes(*o) != bytes(s)
             : verdict->second.kind == Verdict::Kind::Changed;
}

/// Rules 4 and 5.
Error Chooser::decideData(Object &object, ObjectSymbol &s, Decision &out) {
  auto user = selections.boundTo(s);
  if (!user)
    return user.takeError();
  selections.find(s, config.keep); // it stays in any case, but may be named
  bool fresh = !selections.find(s, config.newData).empty();
  if (fresh || plan.grown.count(&s))
    return Error::success();
  if (*user)
    out.app = *user;
  else if (Error e = findCounterpart(object, s, false, out))
    return e;
  bool isState = s.kind == ObjectSymbol::Kind::Common ||
                 (s.section->isWritable() &&
                  !StringRef(s.section->name).starts_with(".data.rel.ro"));
  // Identity matters: catch clauses and dynamic_cast compare these.
  StringRef name = s.name;
  bool isTypeData = relink::isTypeData(name);
  if (out.action == Action::Ambiguous && !isState && !isTypeData)
    out = {}; // of two constants of one name, either may be the patch's own
  if (out.action == Action::Ambiguous)
    return Error::success(); // an error only when it is needed
  if (!out.app) {
    // A pointer of the compiler's, constant once relocated, is as good twice.
    // Type information of an unnamed namespace is compared by its address.
    bool hasIdentity = isState || (isTypeData && s.isLocal());
    if (hasIdentity && !index.hasFullTable && !plan.fresh.count(&s) &&
        !plan.absent.contains(name) && !name.starts_with("DW.ref.")) {
      out.action = Action::Ambiguous;
      out.reason = object.name + ": whether the app has the variable " +
                   shown(s.name) + " can't be told: " + image.path +
                   " was stripped\n>>> remedy: --symbol " + s.name +
                   "=0xADDR if it has, --new-data " + s.name +
                   " if it is new, or --debug-file FILE";
    }
    if (differsFromOriginal(s))
      plan.remarks.push_back({&s, s.name, "differs from what it was before the fix", true});
    return Error::success();
  }
  bool hasOtherSize = out.app->size && s.size && out.app->size != s.size;
  std::string otherSize = ("has " + Twine(s.size) + " bytes, and " +
                           Twine(out.app->size) + " in the app")
                              .str();
  if (!isState && !isTypeData && !*user) {
    if (isUnchanged(s)) {
      out.action = Action::Bind;
      return Error::success();
    }
    // A const object under another name elsewhere is no counterpart. An exception
    // table goes with its function.
    if (name.starts_with("GCC_except_table")) {
      out.app = nullptr;
      return Error::success();
    }
    std::string what =
        hasOtherSize ? otherSize : "read-only data differs from the app's at " +
                                       hex(out.app->address);
    plan.remarks.push_back(
        {&s, s.name,
         what + "; the patch uses its own copy, other code the old one",
         plan.verdicts.contains(&s), !s.isLocal() && hasOtherSize ? out.app : nullptr});
    out.app = nullptr;
    return Error::success();
  }
  if (name.starts_with("_ZTV") && !isUnchanged(s) && plan.verdicts.count(&s) &&
      !*user && !isAccepted(config, Refusal::VirtualTable)) {
    Error e = refuse(Refusal::VirtualTable,
                     object.name + ": " + shown(s.name) +
                         " differs from the app's: " + plan.verdicts.find(&s)->second.reason,
                     "keep the class's virtual functions as they are");
    if (config.replace.empty())
      return e;
    out.action = Action::Ambiguous; // an error if what is replaced refers to it
    out.reason = toString(std::move(e));
    return Error::success();
  }
  if (hasOtherSize) {
    out.action = Action::Ambiguous;
    if (isState)
      plan.remarks.push_back({&s, s.name, otherSize, true, out.app});
    out.reason = (object.name + ": variable " + shown(s.name) + " has " +
                  Twine(s.size) + " bytes here and " + Twine(out.app->size) +
                  " in the app\n>>> " + image.path + ": " + describe(*out.app) +
                  "\n>>> remedy: keep its type; or --new-data " + s.name +
                  " for a variable of the patch's own")
                     .str();
    return Error::success();
  }
  // A variable that nothing wrote to became a constant in the app.
  const Phdr *home = image.loadAt(out.app->address);
  if (isState && out.app->type != STT_TLS && !*user && home &&
      !(home->p_flags & PF_W)) {
    out.action = Action::Ambiguous;
    out.reason = object.name + ": variable " + shown(s.name) +
                 " is writable here and constant in the app: nothing wrote to "
                 "it when that was built\n>>> " +
                 image.path + ": " + describe(*out.app) +
                 "\n>>> remedy: --bind " + s.name + "=" +
                 hex(out.app->address) +
                 " if the patch only reads it; or "
                 "--new-data " +
                 s.name + " for a variable of the patch's own";
    return Error::success();
  }
  out.action = Action::Bind;
  if (isState && s.section && !equalInitialValue(image, *out.app, s))
    plan.remarks.push_back({&s, s.name,
                            "is the app's variable; the patch's "
                            "initial value differs and is ignored",
                            true});
  return Error::success();
}

/// Functions named by .init_array run at start; those the app has do so
/// already, and must not run twice.
void Chooser::readConstructors() {
  for (auto &object : plan.objects)
    for (ObjectSection &s : object->sections) {
      if (s.dropped)
        continue;
      bool init = s.type == SHT_INIT_ARRAY, fini = s.type == SHT_FINI_ARRAY;
      if (!init && !fini)
        continue;
      for (const ObjectRelocation &r : s.relocations) {
        if (!r.symbol)
          continue;
        constructors.insert(plan.definitionOf(r.symbol));
        (init ? plan.constructors : plan.destructors).push_back({&s, &r});
      }
    }
}

Error Chooser::decide(Object &object, ObjectSymbol &s, Decision &out) {
  if (s.kind == ObjectSymbol::Kind::Absolute || s.name.empty() ||
      StringRef(s.name).starts_with(".L"))
    return Error::success();
  if (s.kind == ObjectSymbol::Kind::Common)
    return decideData(object, s, out);
  if (!s.section->isAlloc() || s.isSection())
    return Error::success();
  if (s.section->isMergeable())
    return Error::success(); // strings and constants have no identity
  if (s.section->isCode())
    return s.isFunction() || (!s.isLocal() && s.type == STT_NOTYPE)
               ? decideFunction(object, s, out)
               : Error::success();
  return decideData(object, s, out);
}

Error Chooser::decideAll() {
  readConstructors();
  for (auto &object : plan.objects)
    for (ObjectSymbol &s : object->symbols) {
      if (!s.isDefined() || s.isSection())
        continue;
      Decision d;
      // A weak definition that another object overrides has no say.
      ObjectSymbol *winner = s.isLocal() ? &s : plan.definitions.lookup(s.name);
      if (winner == &s)
        if (Error e = decide(*object, s, d))
          return e;
      plan.decisions[&s] = std::move(d);
    }
  if (Error e = selections.checkUsed(plan))
    return e;
  return checkAnyReplaced();
}

/// Rule 13: clones of a replaced function hold its old body, unless nothing
/// reaches them any more.
Error Chooser::checkClones() const {
  if (isAccepted(config, Refusal::Clones))
    return Error::success();
  StringSet<> handled; // clones that the patch has too
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.isDefined() && isClone(s.name))
        handled.insert(canonicalName(s.name));
  std::vector<std::pair<const Replacement *, const AppSymbol *>> found;
  std::vector<const AppSymbol *> clones;
  for (const Replacement &r : plan.replacements) {
    if (isClone(r.app->name))
      continue;
    for (const AppSymbol *a : index.find(plainName(r.app->name)))
      if (a->isFunction() && isClone(a->name) && !isOutlinedPart(a->name) &&
          (r.app->file.empty() || a->file == r.app->file) &&
          !handled.contains(canonicalName(a->name))) {
        found.push_back({&r, a});
        clones.push_back(a);
      }
  }
  if (clones.empty())
    return Error::success();
  auto dead = findDeadClones(image, index, unwind, target, plan, clones);
  for (auto [r, a] : found)
    if (!dead.contains(a))
      return refuse(Refusal::Clones,
                      image.path + ": " + shown(r->body->name) +
                          " has a clone that the patch lacks, and that would "
                          "run the old code\n>>> clone: " +
                          describe(*a),
                      "compile the patch as the app was compiled, so that it has "
                      "the clone, or replace its callers");
  return Error::success();
}

/// Rule 14: a linker folds functions of the same code into one. Aliases are one
/// function in the patch too.
Error Chooser::checkSharedCode() const {
  if (isAccepted(config, Refusal::SharedCode) || plan.replacements.empty())
    return Error::success();
  AddressMap<const Replacement *> at;
  AddressSet addresses;
  for (const Replacement &r : plan.replacements) {
    at[r.address] = &r;
    addresses.insert(r.address);
  }
  std::string other;
  const Replacement *shared = nullptr;
  auto look = [&](uint64_t address, StringRef name) {
    const Replacement &r = *at[address];
    // Of a constructor C1 and C2 are read the same.
    bool isAlias = plainName(name) == plainName(r.app->name) ||
                   (name.starts_with("_Z") && shown(name) == shown(r.app->name)) ||
                   any_of(r.object->symbols, [&](const ObjectSymbol &s) {
                     return splitVersion(s.name).first == name &&
                            ((s.section == r.body->section &&
                              s.value == r.body->value) ||
                             plan.twins.lookup(&s) == r.body);
                   });
    if (isAlias || shared)
      return;
    shared = &r;
    other = name.str();
  };
  forEachFunctionAt(image, addresses, look);
  for (const auto &[address, name] : plan.folds)
    if (addresses.contains(address))
      look(address, name);
  if (!shared)
    return Error::success();
  return refuse(Refusal::SharedCode,
                image.path + ": " + shown(shared->body->name) + " and " +
                    shown(other) + " are one piece of code, at " +
                    hex(shared->address) +
                    ", and the patch would change both",
                "if the second is another name of the first, define it so in the "
                "patch (__attribute__((alias)))");
}

/// Of a patch without functions: whether the app has all of it.
bool Chooser::isAllData() const {
  DenseSet<const ObjectSymbol *> differing;
  for (const Remark &r : plan.remarks)
    differing.insert(r.about);
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols) {
      if (!s.isDefined() || s.isSection() || s.name.empty() || s.type == STT_FILE)
        continue;
      auto decision = plan.decisions.find(&s);
      if (decision == plan.decisions.end() ||
          decision->second.action != Action::Bind || differing.contains(&s))
        return false;
    }
  return true;
}

/// Whether gcc left the code to the link (GCC's lto-streamer.h).
bool Chooser::isOnlyLto() const {
  return any_of(plan.objects, [](const auto &object) {
    return any_of(object->symbols, [](const ObjectSymbol &s) {
      return s.name == "__gnu_lto_slim";
    });
  });
}

/// A patch that replaces nothing is a mistake.
Error Chooser::checkAnyReplaced() const {
  if (!plan.replacements.empty() || !plan.interpositions.empty() ||
      plan.sameFunctions)
    return Error::success();
  std::string names;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.isDefined() && s.isFunction() && !isOutlinedPart(s.name))
        names += "\n>>> the patch defines: " + shown(s.name);
  if (names.empty() && isAllData())
    return Error::success();
  return makeError(
      image.path + ": the patch replaces nothing in it" +
      (names.empty() ? "\n>>> the patch defines no function" : names) +
      (names.empty() && isOnlyLto()
           ? "\n>>> its code is that of link-time optimization (-flto)\n>>> remedy: "
             "compile it with -fno-lto or -ffat-lto-objects"
           : "") +
      (index.hasFullTable ? ""
                          : "\n>>> the app's symbol table was stripped: give --orig "
                            "FILE, the object before the fix, --symbol NAME=0xADDR, or "
                            "--debug-file FILE"));
}

Error Chooser::run() {
  findGrownData(config, index, plan);
  if (Error e = decideAll())
    return e;
  if (Error e = keepLabelTables(plan))
    return e;
  for (auto &object : plan.objects)
    nameConstants(*object, plan);
  if (Error e = checkClones())
    return e;
  if (Error e = checkSharedCode())
    return e;
  if (Error e = markLive(config, image, plan))
    return e;
  if (Error e = resolveReferences(config, image, index, imports, selections, plan))
    return e;
  if (Error e = checkGrownData(config, image, index, unwind, target, plan))
    return e;
  return checkSectionArrays(config, image, index, plan);
}

} // namespace

Error chooseByRules(const Config &config, const Image &image,
                    const SymbolIndex &index, const ImportTable &imports,
                    const UnwindTable &unwind, const Target &target,
                    Plan &plan) {
  return Chooser(config, image, index, imports, unwind, target, plan).run();
}

} // namespace relink
