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
#include "Compare.h"
#include "Error.h"
#include "Liveness.h"
#include "References.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

using Action = Decision::Action;

class Chooser {
public:
  Chooser(const Config &config, const Image &image, const SymbolIndex &index,
          const ImportTable &imports, Plan &plan)
      : config(config), image(image), index(index), imports(imports),
        plan(plan), selections(config, image, index) {}
  Error run();

private:
  Error indexDefinitions();
  Error decideAll();
  Error decide(Object &object, ObjectSymbol &symbol, Decision &out);
  Error decideFunction(Object &, ObjectSymbol &, Decision &);
  Error decideData(Object &, ObjectSymbol &, Decision &);
  Error findCounterpart(const ObjectSymbol &symbol, StringRef file,
                        Decision &out) const;
  size_t countAlike(const ObjectSymbol &symbol, StringRef canonical) const;
  SmallVector<const AppSymbol *> candidates(const ObjectSymbol &symbol,
                                            StringRef file) const;
  Error checkAnyReplaced() const;
  void readConstructors();
  Error addReplacement(Object &object, ObjectSymbol &symbol,
                       const Decision &decision);

  const Config &config;
  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  Plan &plan;
  Selections selections;
  StringSet<> constructorNames;
};

Error Chooser::indexDefinitions() {
  for (auto &object : plan.objects)
    for (ObjectSymbol &s : object->symbols) {
      if (!s.isDefined() || s.isLocal() || s.name.empty())
        continue;
      ObjectSymbol *&known = plan.definitions[s.name];
      if (!known || (known->isWeak() && !s.isWeak())) {
        known = &s;
        continue;
      }
      bool bothStrong = !known->isWeak() && !s.isWeak() &&
                        known->kind != ObjectSymbol::Kind::Common &&
                        s.kind != ObjectSymbol::Kind::Common;
      if (bothStrong)
        return makeError(object->name + ": " + shown(s.name) +
                         " is defined by two of the patch objects");
    }
  return Error::success();
}

/// How many local variables of the patch have this name but for its number.
size_t Chooser::countAlike(const ObjectSymbol &s, StringRef canonical) const {
  size_t count = 0;
  for (auto &object : plan.objects) {
    if (none_of(object->symbols, [&](auto &o) { return &o == &s; }))
      continue;
    for (const ObjectSymbol &o : object->symbols)
      count += o.isDefined() && o.isLocal() && !o.isFunction() &&
               !o.isSection() && canonicalName(o.name) == canonical;
  }
  return count;
}

/// "Same place": name without compiler numbering, kind, and for local symbols
/// the source file.
SmallVector<const AppSymbol *> Chooser::candidates(const ObjectSymbol &s,
                                                   StringRef file) const {
  SmallVector<const AppSymbol *> found;
  std::string canonical = canonicalName(s.name);
  bool isTls = s.type == STT_TLS;
  for (const AppSymbol *a : index.find(plainName(s.name))) {
    if (canonicalName(a->name) != canonical || (a->type == STT_TLS) != isTls)
      continue;
    bool kindsDiffer = (s.isFunction() && a->type == STT_OBJECT) ||
                       (s.type == STT_OBJECT && a->isFunction());
    if (kindsDiffer || (!file.empty() && a->isLocal() && a->file != file))
      continue;
    found.push_back(a);
  }
  auto prefer = [&](auto predicate) {
    SmallVector<const AppSymbol *> better;
    copy_if(found, std::back_inserter(better), predicate);
    if (!better.empty())
      found = std::move(better);
  };
  prefer(
      [&](const AppSymbol *a) { return a->source == AppSymbol::Source::User; });
  if (s.isLocal()) {
    // A static function is never a global of the same name.
    if (s.isDefined())
      erase_if(found, [](const AppSymbol *a) {
        return !a->isLocal() && a->source != AppSymbol::Source::User;
      });
    prefer([&](const AppSymbol *a) { return a->file == s.file; });
  } else {
    // Hidden symbols are local in a finished program.
    prefer([](const AppSymbol *a) { return !a->isLocal(); });
  }
  // The numbers that compilers give to function-scoped statics shift when one
  // is added: they say which is which only if both sides have as many.
  if (!s.isLocal() || s.name == canonical || s.isFunction() ||
      found.size() == countAlike(s, canonical))
    prefer([&](const AppSymbol *a) { return a->name == s.name; });
  if (!s.isFunction())
    prefer([&](const AppSymbol *a) { return a->size == s.size; });
  // Aliases of one place are one candidate.
  SmallVector<const AppSymbol *> distinct;
  for (const AppSymbol *a : found)
    if (none_of(distinct,
                [&](const AppSymbol *d) { return d->address == a->address; }))
      distinct.push_back(a);
  return distinct;
}

Error Chooser::findCounterpart(const ObjectSymbol &s, StringRef file,
                               Decision &out) const {
  auto found = candidates(s, file);
  if (found.size() == 1) {
    out.app = found[0];
    return Error::success();
  }
  if (found.empty())
    return Error::success();
  out.action = Action::Ambiguous;
  out.reason = (image.path + ": " + shown(s.name) + " of the patch could be " +
                Twine(found.size()) + " symbols of the app")
                   .str();
  for (const AppSymbol *a : found)
    out.reason += "\n>>> candidate: " + describe(*a);
  out.reason +=
      "\n>>> remedy: --bind " + s.name + "=" +
      (found[0]->file.empty() ? hex(found[0]->address)
                              : found[0]->file + ":" + found[0]->name);
  return Error::success();
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
  else if (Error e = findCounterpart(s, "", out))
    return e;
  bool wanted = !selection.empty();
  if (config.replace.empty() && !kept && !*user)
    wanted = out.app || out.action == Action::Ambiguous;
  if (out.action == Action::Ambiguous)
    return wanted ? makeError(out.reason) : Error::success();
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
  if (!out.app)
    return Error::success(); // rule 6
  if (selection.empty() && wanted) {
    // Without --replace: what can't have changed is bound.
    if (constructorNames.contains(s.name)) {
      out.action = Action::Bind;
      out.reason = "runs at start already";
      return Error::success();
    }
    if (s.isWeak() && equalCode(image, *out.app, s)) {
      out.action = Action::Bind;
      out.reason = "same code";
      return Error::success();
    }
  }
  if (!wanted && isClone(s.name) && !equalCode(image, *out.app, s)) {
    // A clone depends on its callers; one that differs is another function.
    out.app = nullptr;
    return Error::success();
  }
  out.action = wanted ? Action::Replace : Action::Bind;
  return wanted ? addReplacement(object, s, out) : Error::success();
}

Error Chooser::addReplacement(Object &object, ObjectSymbol &s,
                              const Decision &decision) {
  const AppSymbol &app = *decision.app;
  if (app.type == STT_GNU_IFUNC && s.type != STT_GNU_IFUNC)
    return makeError(image.path + ": " + shown(s.name) +
                     " is an indirect function (IFUNC) in the app and an "
                     "ordinary one in the patch\n>>> remedy: replace the "
                     "implementation its resolver chooses instead");
  for (const Replacement &r : plan.replacements)
    if (r.address == app.address) {
      if (r.body->section == s.section && r.body->value == s.value)
        return Error::success(); // an alias (D1 and D2 destructors)
      return makeError(
          image.path + ": " + shown(s.name) + " and " + shown(r.body->name) +
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

/// Rules 4 and 5.
Error Chooser::decideData(Object &object, ObjectSymbol &s, Decision &out) {
  auto user = selections.boundTo(s);
  if (!user)
    return user.takeError();
  bool fresh = !selections.find(s, config.newData).empty();
  if (fresh)
    return Error::success();
  if (*user)
    out.app = *user;
  else if (Error e = findCounterpart(s, "", out))
    return e;
  bool isState = s.kind == ObjectSymbol::Kind::Common ||
                 (s.section->isWritable() &&
                  !StringRef(s.section->name).starts_with(".data.rel.ro"));
  // Identity matters: catch clauses and dynamic_cast compare these.
  StringRef name = s.name;
  bool isTypeData = name.starts_with("_ZTV") || name.starts_with("_ZTI") ||
                    name.starts_with("_ZTS") || name.starts_with("_ZTT");
  if (out.action == Action::Ambiguous)
    return Error::success(); // an error only when it is needed
  if (!out.app) {
    if (isState && !index.hasFullTable && s.isLocal()) {
      out.action = Action::Ambiguous;
      out.reason = object.name + ": whether the app has the variable " +
                   shown(s.name) + " can't be told: " + image.path +
                   " was stripped\n>>> remedy: --symbol " + s.name +
                   "=0xADDR if it has, --new-data " + s.name +
                   " if it is new, or --debug-file FILE";
    }
    return Error::success();
  }
  if (!isState && !isTypeData && !*user) {
    if (equalData(image, *out.app, s)) {
      out.action = Action::Bind;
      return Error::success();
    }
    // A const object under another name elsewhere is no counterpart.
    plan.remarks.push_back(
        {&s, s.name,
         "read-only data differs from the app's at " + hex(out.app->address) +
             "; the patch uses its own copy, other code the old one"});
    out.app = nullptr;
    return Error::success();
  }
  if (out.app->size && s.size && out.app->size != s.size) {
    out.action = Action::Ambiguous;
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
                            "initial value differs and is ignored"});
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
        constructorNames.insert(r.symbol->name);
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

/// A patch that replaces nothing is a mistake.
Error Chooser::checkAnyReplaced() const {
  if (!plan.replacements.empty())
    return Error::success();
  std::string names;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.isDefined() && s.isFunction() && !isOutlinedPart(s.name))
        names += "\n>>> the patch defines: " + shown(s.name);
  return makeError(
      image.path + ": the patch replaces nothing in it" +
      (names.empty() ? "\n>>> the patch defines no function" : names) +
      (index.hasFullTable ? ""
                          : "\n>>> the app's symbol table was stripped: give "
                            "--symbol NAME=0xADDR or --debug-file FILE"));
}

Error Chooser::run() {
  if (Error e = indexDefinitions())
    return e;
  if (Error e = decideAll())
    return e;
  if (Error e = markLive(config, image, plan))
    return e;
  return resolveReferences(config, image, index, imports, selections, plan);
}

} // namespace

Error chooseByRules(const Config &config, const Image &image,
                    const SymbolIndex &index, const ImportTable &imports,
                    Plan &plan) {
  return Chooser(config, image, index, imports, plan).run();
}

} // namespace relink
