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
#include "llvm/ADT/STLExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

using Action = Decision::Action;

std::string shown(StringRef name) { return demangle(name.str()); }

/// The linker defines these itself.
bool isLinkerDefined(StringRef name) {
  return name == "_GLOBAL_OFFSET_TABLE_" || name == "_TLS_MODULE_BASE_" ||
         name == "__tls_get_addr_opt";
}

class Chooser {
public:
  Chooser(const Config &config, const Image &image, const SymbolIndex &index,
          const ImportTable &imports, Plan &plan)
      : config(config), image(image), index(index), imports(imports),
        plan(plan), libraries(image, config) {}
  Error run();

private:
  // Pass 1: definitions.
  Error indexDefinitions();
  Error decideAll();
  Error decide(Object &object, ObjectSymbol &symbol, Decision &out);
  Error decideFunction(Object &, ObjectSymbol &, Decision &);
  Error decideData(Object &, ObjectSymbol &, Decision &);
  bool isSelected(const ObjectSymbol &symbol, StringRef pattern) const;
  Error findCounterpart(const ObjectSymbol &symbol, StringRef file,
                        Decision &out) const;
  size_t countAlike(const ObjectSymbol &symbol, StringRef canonical) const;
  SmallVector<const AppSymbol *> candidates(const ObjectSymbol &symbol,
                                            StringRef file) const;
  Expected<const AppSymbol *> boundByUser(const ObjectSymbol &symbol);
  Error checkSelectionsUsed() const;
  Error addReplacement(Object &object, ObjectSymbol &symbol,
                       const Decision &decision);

  // Pass 2: what is needed.
  Error markLive();
  void readConstructors();
  void markSection(const ObjectSection *section);
  void visit(const ObjectSection &section, const ObjectRelocation &r);
  ObjectSymbol *definitionOf(ObjectSymbol *symbol) const;

  // Pass 3: references.
  Error resolveReferences();
  Error resolve(const Object &object, ObjectSymbol *symbol);
  bool isRelaxedCall(const ObjectSection &s, const ObjectRelocation &r) const;
  Expected<LinkTarget *> resolveUndefined(const Object &object,
                                          const ObjectSymbol &symbol);
  Expected<LinkTarget *> targetFor(const AppSymbol &symbol);
  LinkTarget &newTarget(LinkTarget::Kind kind, StringRef name);
  Expected<LinkTarget *> importTarget(StringRef name, bool weak);
  Error undefinedError(const Object &object, const ObjectSymbol &symbol) const;

  const Config &config;
  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  Plan &plan;
  LibrarySearch libraries;
  StringMap<ObjectSymbol *> globals; ///< the patch's own definitions
  StringMap<LinkTarget *> byKey;
  std::vector<const ObjectSection *> worklist;
  DenseMap<const ObjectSection *, std::pair<const Plan::Frames *, unsigned>>
      frameOf;
  DenseSet<const Plan::Frames *> visitedCies;
  StringSet<> linkNames;
  StringSet<> selectionsUsed, constructorNames;
};

//===----------------------------------------------------------------------===//
// Pass 1
//===----------------------------------------------------------------------===//

Error Chooser::indexDefinitions() {
  for (auto &object : plan.objects)
    for (ObjectSymbol &s : object->symbols) {
      if (!s.isDefined() || s.isLocal() || s.name.empty())
        continue;
      ObjectSymbol *&known = globals[s.name];
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

bool Chooser::isSelected(const ObjectSymbol &s, StringRef pattern) const {
  StringRef name = pattern;
  // file.c:name, but not the :: of a demangled name.
  if (size_t colon = pattern.find(':');
      colon != StringRef::npos && !pattern.substr(colon).starts_with("::")) {
    if (s.file != pattern.take_front(colon))
      return false;
    name = pattern.drop_front(colon + 1);
  }
  if (s.name == name)
    return true;
  if (isOutlinedPart(s.name))
    return false;
  if (plainName(s.name) == name && !StringRef(s.name).contains(".part."))
    return true;
  std::string readable = demangle(s.name);
  return readable != s.name &&
         (readable == name ||
          StringRef(readable).take_until([](char c) { return c == '('; }) ==
              name);
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
SmallVector<const AppSymbol *>
Chooser::candidates(const ObjectSymbol &s, StringRef file) const {
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
  prefer([&](const AppSymbol *a) {
    return a->source == AppSymbol::Source::User;
  });
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
  // The numbers that compilers give to function-scoped statics shift when one is
  // added: they say which is which only if both sides have as many.
  if (!s.isLocal() || s.name == canonical || s.isFunction() ||
      found.size() == countAlike(s, canonical))
    prefer([&](const AppSymbol *a) { return a->name == s.name; });
  if (!s.isFunction())
    prefer([&](const AppSymbol *a) { return a->size == s.size; });
  // Aliases of one place are one candidate.
  SmallVector<const AppSymbol *> distinct;
  for (const AppSymbol *a : found)
    if (none_of(distinct, [&](const AppSymbol *d) {
          return d->address == a->address;
        }))
      distinct.push_back(a);
  return distinct;
}

Expected<const AppSymbol *> Chooser::boundByUser(const ObjectSymbol &s) {
  for (const auto &[name, what] : config.bind) {
    if (name != s.name && plainName(s.name) != name && !isSelected(s, name))
      continue;
    selectionsUsed.insert(name);
    StringRef target = what, file;
    uint64_t address;
    if (target.consume_front("0x") && !target.getAsInteger(16, address)) {
      // The index holds user symbols under their own name; see collectNames.
      for (const AppSymbol *a : index.find(plainName("--bind " + name)))
        return a;
      return nullptr;
    }
    target = what;
    if (size_t colon = target.find(':');
        colon != StringRef::npos && !target.substr(colon).starts_with("::")) {
      file = target.take_front(colon);
      target = target.drop_front(colon + 1);
    }
    SmallVector<const AppSymbol *> found;
    for (const AppSymbol *a : index.find(plainName(target)))
      if ((a->name == target || plainName(a->name) == target) &&
          (file.empty() || a->file == file))
        found.push_back(a);
    if (found.size() == 1)
      return found[0];
    return makeError("--bind " + name + "=" + what + ": " + image.path +
                     (found.empty() ? " has no such symbol"
                                    : " has several symbols of that name") +
                     "\n>>> remedy: name it as file.c:name or by address, "
                     "0xADDR");
  }
  return nullptr;
}

static std::string describe(const AppSymbol &a) {
  return hex(a.address) + " " + (a.file.empty() ? "" : a.file + ":") + a.name;
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
  out.reason += "\n>>> remedy: --bind " + s.name + "=" +
                (found[0]->file.empty() ? hex(found[0]->address)
                                        : found[0]->file + ":" + found[0]->name);
  return Error::success();
}

Error Chooser::decideFunction(Object &object, ObjectSymbol &s, Decision &out) {
  if (isOutlinedPart(s.name))
    return Error::success(); // goes with the function it was cut from
  StringRef selection;
  for (const std::string &pattern : config.replace)
    if (isSelected(s, pattern)) {
      selection = pattern;
      selectionsUsed.insert(pattern);
    }
  bool kept = any_of(config.keep, [&](const std::string &pattern) {
    bool match = isSelected(s, pattern);
    if (match)
      selectionsUsed.insert(pattern);
    return match;
  });
  auto user = boundByUser(s);
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
    std::string message = image.path + ": has no function " + shown(s.name) +
                          " to replace";
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
      return makeError(image.path + ": " + shown(s.name) + " and " +
                       shown(r.body->name) +
                       " of the patch both replace the function at " +
                       hex(app.address));
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
  auto user = boundByUser(s);
  if (!user)
    return user.takeError();
  bool fresh = any_of(config.newData, [&](const std::string &pattern) {
    bool match = isSelected(s, pattern);
    if (match)
      selectionsUsed.insert(pattern);
    return match;
  });
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
        {&s, s.name, "read-only data differs from the app's at " +
                     hex(out.app->address) +
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
                 "it when that was built\n>>> " + image.path + ": " +
                 describe(*out.app) + "\n>>> remedy: --bind " + s.name + "=" +
                 hex(out.app->address) + " if the patch only reads it; or "
                 "--new-data " + s.name + " for a variable of the patch's own";
    return Error::success();
  }
  out.action = Action::Bind;
  if (isState && s.section && !equalInitialValue(image, *out.app, s))
    plan.remarks.push_back({&s, s.name, "is the app's variable; the patch's "
                                    "initial value differs and is ignored"});
  return Error::success();
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
      ObjectSymbol *winner = s.isLocal() ? &s : globals.lookup(s.name);
      if (winner == &s)
        if (Error e = decide(*object, s, d))
          return e;
      plan.decisions[&s] = std::move(d);
    }
  return checkSelectionsUsed();
}

Error Chooser::checkSelectionsUsed() const {
  auto missing = [&](StringRef option, StringRef pattern) {
    std::string message = ("--" + option + " " + pattern +
                           ": the patch defines no such function or variable")
                              .str();
    std::vector<std::pair<unsigned, std::string>> near;
    for (auto &object : plan.objects)
      for (const ObjectSymbol &s : object->symbols)
        if (s.isDefined() && s.isFunction())
          near.push_back({StringRef(s.name).edit_distance(pattern), s.name});
    llvm::sort(near);
    for (size_t i = 0; i < near.size() && i < 3; ++i)
      message += "\n>>> it defines: " + shown(near[i].second);
    return makeError(message);
  };
  for (const std::string &p : config.replace)
    if (!selectionsUsed.contains(p))
      return missing("replace", p);
  for (const std::string &p : config.keep)
    if (!selectionsUsed.contains(p))
      return missing("keep", p);
  for (const std::string &p : config.newData)
    if (!selectionsUsed.contains(p))
      return missing("new-data", p);
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

//===----------------------------------------------------------------------===//
// Pass 2
//===----------------------------------------------------------------------===//

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

ObjectSymbol *Chooser::definitionOf(ObjectSymbol *s) const {
  if (!s || s->isLocal())
    return s;
  ObjectSymbol *winner = globals.lookup(s->name);
  return winner ? winner : s;
}

void Chooser::markSection(const ObjectSection *s) {
  if (s && !s->dropped && plan.live.insert(s).second)
    worklist.push_back(s);
}

/// Jump tables of functions that are not needed lie beside those that are: an
/// entry must not keep its function alive.
static bool isTableEntry(const ObjectSection &from, const ObjectRelocation &r) {
  return !from.isCode() && !from.isWritable() && r.symbol->isSection() &&
         r.symbol->section && r.symbol->section->isCode();
}

void Chooser::visit(const ObjectSection &from, const ObjectRelocation &r) {
  ObjectSymbol *s = definitionOf(r.symbol);
  if (!s || isTableEntry(from, r))
    return;
  if (s->isSection()) {
    markSection(s->section);
    return;
  }
  const Decision &d = plan.decisions[s];
  if (d.action == Action::Own && s->kind == ObjectSymbol::Kind::Defined)
    markSection(s->section);
}

Error Chooser::markLive() {
  for (auto &object : plan.objects) {
    auto &frames = plan.frames[object.get()];
    for (const ObjectSection &s : object->sections)
      if (isEhFrame(s) && !s.dropped) {
        auto records = readFrameRecords(*object, s);
        if (!records)
          return records.takeError();
        frames.push_back({&s, std::move(*records)});
      }
    for (const Plan::Frames &f : frames)
      for (unsigned i = 0; i < f.records.size(); ++i)
        if (const ObjectRelocation *r = f.records[i].function)
          if (r->symbol && r->symbol->section)
            frameOf.try_emplace(r->symbol->section, &f, i);
  }
  for (const Replacement &r : plan.replacements)
    markSection(r.body->section);
  auto keepNew = [&](auto &slots) {
    erase_if(slots, [&](auto &slot) {
      ObjectSymbol *s = definitionOf(slot.second->symbol);
      if (s->isSection()) {
        markSection(s->section);
        return false;
      }
      const Decision &d = plan.decisions[s];
      if (d.action != Action::Own)
        return true;
      markSection(s->section);
      return false;
    });
  };
  keepNew(plan.constructors);
  keepNew(plan.destructors);
  // Rule 12: a library's new global symbols are exported, as a link would.
  bool exportAll = image.kind == ImageKind::Shared && !image.dynamic.verdefnum &&
                   config.replace.empty();
  for (auto &[name, symbol] : globals) {
    bool asked = is_contained(config.exports, symbol->name);
    if (symbol->visibility == STV_HIDDEN || symbol->visibility == STV_INTERNAL)
      continue;
    if (plan.decisions[symbol].action != Action::Own ||
        symbol->kind != ObjectSymbol::Kind::Defined)
      continue;
    if (!asked && (!exportAll || symbol->isWeak()))
      continue;
    plan.exports.push_back(symbol);
    markSection(symbol->section);
  }
  llvm::sort(plan.exports, [](auto *a, auto *b) { return a->name < b->name; });

  while (!worklist.empty()) {
    const ObjectSection &s = *worklist.back();
    worklist.pop_back();
    for (const ObjectRelocation &r : s.relocations)
      visit(s, r);
    auto frame = frameOf.find(&s);
    if (frame == frameOf.end())
      continue;
    // Its LSDA, and through the CIE its personality routine.
    const auto &[f, at] = frame->second;
    const FrameRecord &fde = f->records[at], &cie = f->records[fde.cie];
    for (const ObjectRelocation &r : f->ehFrame->relocations)
      if ((r.offset > fde.offset + 8 && r.offset < fde.offset + fde.size) ||
          (r.offset >= cie.offset && r.offset < cie.offset + cie.size))
        visit(s, r);
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Pass 3
//===----------------------------------------------------------------------===//

LinkTarget &Chooser::newTarget(LinkTarget::Kind kind, StringRef name) {
  LinkTarget &t = plan.targets.emplace_back();
  t.kind = kind;
  t.name = name.str();
  t.linkName = t.name;
  // A static and a global of one name are two targets with two link names.
  for (unsigned n = 1; !linkNames.insert(t.linkName).second; ++n)
    t.linkName = (name + ".relink." + Twine(n)).str();
  return t;
}

Expected<LinkTarget *> Chooser::targetFor(const AppSymbol &a) {
  LinkTarget *&known =
      byKey[(Twine(a.type == STT_TLS ? "tls " : "at ") + hex(a.address) +
             (a.dynamic ? " " + a.name : ""))
                .str()];
  if (known)
    return known;
  // Rule 12 and -Bsymbolic: an exported symbol of a library may be preempted,
  // by an executable's COPY relocation for one, so it is not bound at once.
  bool preemptible = image.kind == ImageKind::Shared && a.dynamic &&
                     a.visibility == STV_DEFAULT && !image.dynamic.symbolic &&
                     !a.isLocal();
  if (a.type == STT_GNU_IFUNC && !preemptible) {
    uint64_t stub = imports.ifuncStub(a.address);
    if (!stub && image.kind == ImageKind::StaticExecutable)
      return makeError(image.path + ": " + a.name + " is an indirect function "
                       "(IFUNC) that the app itself never calls, and a static "
                       "executable can resolve no new one\n>>> remedy: call "
                       "one of its implementations by name");
    LinkTarget &t = newTarget(LinkTarget::Kind::Address, a.name);
    t.address = stub ? stub : a.address;
    t.type = stub ? STT_FUNC : STT_GNU_IFUNC;
    return known = &t;
  }
  LinkTarget &t = newTarget(preemptible ? LinkTarget::Kind::Export
                                        : LinkTarget::Kind::Address,
                            a.name);
  t.address = a.address;
  t.size = a.size;
  t.type = a.type;
  t.dynamic = a.dynamic;
  return known = &t;
}

Expected<LinkTarget *> Chooser::importTarget(StringRef name, bool weak) {
  LinkTarget *&known = byKey[("import " + name).str()];
  if (known)
    return known;
  const DynamicReference *have = imports.undefined(name);
  if (have && have->canonicalPlt) {
    // Its PLT entry is the function's address for the whole process.
    LinkTarget &t = newTarget(LinkTarget::Kind::Address, name);
    t.address = have->canonicalPlt;
    t.type = STT_FUNC;
    return known = &t;
  }
  LibrarySymbol found;
  if (have) {
    const Sym &s = image.dynamicSymbols()[have->index];
    found.type = s.getType();
    found.size = s.st_size;
    found.binding = s.getBinding();
    // An undefined entry often lacks type and size, which a COPY relocation
    // and a canonical PLT entry need; the library knows them.
    if (found.type == STT_NOTYPE || (found.type == STT_OBJECT && !found.size) ||
        (found.type == STT_OBJECT && !image.isPositionIndependent())) {
      auto fromLibrary = libraries.find(name);
      if (!fromLibrary)
        return fromLibrary.takeError();
      if (*fromLibrary)
        found = **fromLibrary;
    }
    found.needsNewDependency = false;
  } else {
    if (image.isStatic())
      return nullptr;
    auto fromLibrary = libraries.find(name);
    if (!fromLibrary)
      return fromLibrary.takeError();
    if (!*fromLibrary)
      return nullptr;
    found = **fromLibrary;
  }
  LinkTarget &t = newTarget(LinkTarget::Kind::Import, name);
  t.dynamic = have ? have->index : 0;
  t.type = found.type;
  t.size = found.size;
  t.weak = weak;
  t.library = found;
  return known = &t;
}

Error Chooser::undefinedError(const Object &object,
                              const ObjectSymbol &s) const {
  std::string message = object.name + ": undefined symbol: " + shown(s.name);
  for (const ObjectSection *section : plan.live)
    for (const ObjectRelocation &r : section->relocations)
      if (r.symbol == &s) {
        message += "\n>>> referenced by " + object.name + ":(" + section->name +
                   "+" + hex(r.offset) + ")";
        goto named;
      }
named:
  message += "\n>>> neither the patch, " + image.path +
             ", nor a library it needs defines it";
  for (const std::string &n : nearNames(image, plainName(s.name)))
    message += "\n>>> did you mean: " + shown(n);
  for (const std::string &library : libraries.missing())
    message += "\n>>> needed library not found: " + library;
  if (!index.hasFullTable)
    message += "\n>>> " + image.path + " was stripped, so its own local and "
               "hidden symbols are not known";
  return makeError(message + "\n>>> remedy: --bind " + s.name +
                   "=file.c:name or 0xADDR, --symbol " + s.name +
                   "=0xADDR, or -l LIBRARY");
}

/// Rule 8, first match wins; definitions in the patch were looked at before.
Expected<LinkTarget *>
Chooser::resolveUndefined(const Object &object, const ObjectSymbol &s) {
  auto user = boundByUser(s);
  if (!user)
    return user.takeError();
  if (*user)
    return targetFor(**user);
  auto found = index.find(plainName(s.name));
  SmallVector<const AppSymbol *> global, sameFile, local;
  for (const AppSymbol *a : found) {
    if (a->name != s.name)
      continue;
    if (!a->isLocal()) {
      global.push_back(a);
      continue;
    }
    bool near = any_of(plan.replacements, [&](const Replacement &r) {
      return r.object == &object && !r.app->file.empty() &&
             r.app->file == a->file;
    });
    (near ? sameFile : local).push_back(a);
  }
  if (!global.empty())
    return targetFor(*global.front());
  if (imports.undefined(s.name))
    return importTarget(s.name, s.isWeak());
  for (auto &list : {sameFile, local}) {
    if (list.size() == 1)
      return targetFor(*list.front());
    if (list.empty())
      continue;
    std::string message = object.name + ": " + shown(s.name) + " could be " +
                          std::to_string(list.size()) + " symbols of the app";
    for (const AppSymbol *a : list)
      message += "\n>>> candidate: " + describe(*a);
    return makeError(message + "\n>>> remedy: --bind " + s.name + "=" +
                     list.front()->file + ":" + s.name);
  }
  return importTarget(s.name, s.isWeak());
}

Error Chooser::resolve(const Object &object, ObjectSymbol *symbol) {
  ObjectSymbol *s = definitionOf(symbol);
  if (!s || s->isSection() || plan.references.count(s))
    return Error::success();
  if (!s->isDefined()) {
    if (isLinkerDefined(s->name))
      return Error::success();
    auto target = resolveUndefined(object, *s);
    if (!target)
      return target.takeError();
    if (!*target && !s->isWeak())
      return undefinedError(object, *s);
    if (*target)
      plan.references[s] = *target;
    return Error::success();
  }
  const Decision &d = plan.decisions[s];
  if (d.action == Action::Ambiguous)
    return makeError(d.reason);
  if (d.action == Action::Own) {
    linkNames.insert(s->name);
    return Error::success();
  }
  auto target = targetFor(*d.app);
  if (!target)
    return target.takeError();
  plan.references[s] = *target;
  if (d.action == Action::Bind)
    plan.bound.push_back({s->name, d.app->address});
  return Error::success();
}

/// In executables the general and local dynamic TLS sequences become plain
/// accesses (psABI, "Linker optimization"), and the call in them goes away:
/// static programs may have nothing to call.
bool Chooser::isRelaxedCall(const ObjectSection &s,
                            const ObjectRelocation &r) const {
  return image.kind != ImageKind::Shared && r.symbol->name == "__tls_get_addr" &&
         any_of(s.relocations, [&](const ObjectRelocation &before) {
           return (before.type == R_X86_64_TLSGD ||
                   before.type == R_X86_64_TLSLD) &&
                  before.offset < r.offset && r.offset - before.offset < 10;
         });
}

Error Chooser::resolveReferences() {
  // Names the patch itself defines are taken before others are given out.
  for (auto &[name, symbol] : globals)
    if (plan.decisions[symbol].action == Action::Own)
      linkNames.insert(name);
  for (auto &object : plan.objects) {
    for (ObjectSection &s : object->sections) {
      if (!plan.live.count(&s))
        continue;
      for (const ObjectRelocation &r : s.relocations)
        if (r.symbol && !isTableEntry(s, r) && !isRelaxedCall(s, r))
          if (Error e = resolve(*object, r.symbol))
            return e;
      auto frame = frameOf.find(&s);
      if (frame == frameOf.end())
        continue;
      const auto &[f, at] = frame->second;
      const FrameRecord &cie = f->records[f->records[at].cie];
      for (const ObjectRelocation &r : f->ehFrame->relocations)
        if (r.offset >= cie.offset && r.offset < cie.offset + cie.size)
          if (Error e = resolve(*object, r.symbol))
            return e;
    }
    // Own functions of the patch, for the summary.
    for (ObjectSymbol &s : object->symbols)
      if (s.isFunction() && s.section && plan.live.count(s.section) &&
          plan.decisions[&s].action == Action::Own && !isOutlinedPart(s.name))
        plan.added.push_back(s.name);
  }
  erase_if(plan.remarks, [&](const Remark &r) {
    return !plan.references.count(r.about) && !plan.live.count(r.about->section);
  });
  for (LinkTarget &t : plan.targets)
    if (t.library.needsNewDependency &&
        !is_contained(plan.newDependencies, t.library.library))
      plan.newDependencies.push_back(t.library.library);
  return Error::success();
}

Error Chooser::run() {
  if (Error e = indexDefinitions())
    return e;
  if (Error e = decideAll())
    return e;
  if (Error e = markLive())
    return e;
  return resolveReferences();
}

} // namespace

StringSet<> collectNames(const Config &config, const Plan &plan) {
  StringSet<> names;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (!s.name.empty() && !s.isSection() &&
          !StringRef(s.name).starts_with(".L"))
        names.insert(plainName(s.name));
  for (const auto &[name, what] : config.bind) {
    StringRef target = what;
    if (size_t colon = target.find(':');
        colon != StringRef::npos && !target.substr(colon).starts_with("::"))
      target = target.drop_front(colon + 1);
    names.insert(plainName(target));
  }
  return names;
}

Error chooseByRules(const Config &config, const Image &image,
                    const SymbolIndex &index, const ImportTable &imports,
                    Plan &plan) {
  return Chooser(config, image, index, imports, plan).run();
}

} // namespace relink
