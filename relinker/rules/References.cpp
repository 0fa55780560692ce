//===- References.cpp - What the patch's references mean ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "References.h"
#include "DirectCalls.h"
#include "Error.h"
#include "Imports.h"
#include "Liveness.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// The linker defines these itself.
bool isLinkerDefined(StringRef name) {
  return name == "_GLOBAL_OFFSET_TABLE_" || name == "_TLS_MODULE_BASE_" ||
         name == "__tls_get_addr_opt";
}

class ReferenceResolver {
public:
  ReferenceResolver(const Config &config, const Image &image,
                    const SymbolIndex &index, const ImportTable &imports,
                    Selections &selections, Plan &plan)
      : image(image), index(index), imports(imports), selections(selections),
        plan(plan), libraries(image, config), directCalls(image) {}
  Error run();

private:
  Error resolve(const Object &object, ObjectSymbol *symbol);
  Error checkBiased(const Object &object, const ObjectSection &section,
                    const ObjectRelocation &r);
  bool isRelaxedCall(const ObjectSection &s, const ObjectRelocation &r) const;
  Expected<LinkTarget *> resolveUndefined(const Object &object,
                                          const ObjectSymbol &symbol);
  Expected<LinkTarget *> targetFor(const AppSymbol &symbol);
  LinkTarget &newTarget(LinkTarget::Kind kind, StringRef name);
  Expected<LinkTarget *> importTarget(StringRef name, bool weak,
                                      bool needsOwnSlot = false);
  Expected<LinkTarget *> newImport(StringRef name, StringRef version, bool weak);
  Expected<LinkTarget *> versionedTarget(const ObjectSymbol &symbol);
  Expected<LinkTarget *> originalTarget(Replacement &replacement);
  Expected<LinkTarget *> realTarget(const Object &object,
                                    const ObjectSymbol &symbol);
  Error undefinedError(const Object &object, const ObjectSymbol &symbol) const;
  Expected<LinkTarget *> ownHandle();

  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  Selections &selections;
  Plan &plan;
  LibrarySearch libraries;
  DirectCalls directCalls;
  StringMap<LinkTarget *> byKey;
  StringSet<> linkNames;
};

LinkTarget &ReferenceResolver::newTarget(LinkTarget::Kind kind,
                                         StringRef name) {
  LinkTarget &t = plan.targets.emplace_back();
  t.kind = kind;
  t.name = name.str();
  t.linkName = linkableName(t.name);
  // A static and a global of one name are two targets with two link names.
  for (unsigned n = 1; !linkNames.insert(t.linkName).second; ++n)
    t.linkName = (name + ".relink." + Twine(n)).str();
  return t;
}

Expected<LinkTarget *> ReferenceResolver::targetFor(const AppSymbol &a) {
  LinkTarget *&known = byKey[(Twine(a.type == STT_TLS ? "tls " : "at ") +
                              hex(a.address) + (a.dynamic ? " " + a.name : ""))
                                 .str()];
  if (known)
    return known;
  // Rule 12 and -Bsymbolic: an exported symbol of a library may be preempted,
  // by an executable's COPY relocation for one, so it is not bound at once.
  bool preemptible = image.kind == ImageKind::Shared && a.dynamic &&
                     a.visibility == STV_DEFAULT && !image.dynamic.symbolic &&
                     !a.isLocal() && !directCalls.areTo(a);
  if (a.type == STT_GNU_IFUNC && !preemptible) {
    uint64_t stub = imports.ifuncStub(a.address);
    if (!stub && image.kind == ImageKind::StaticExecutable)
      return makeError(image.path + ": " + a.name +
                       " is an indirect function "
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

Expected<LinkTarget *> ReferenceResolver::importTarget(StringRef name, bool weak,
                                                       bool needsOwnSlot) {
  LinkTarget *&known =
      byKey[((needsOwnSlot ? "real import " : "import ") + name).str()];
  if (known)
    return known;
  const DynamicReference *have = imports.undefined(name);
  if (have && have->canonicalPlt && !needsOwnSlot) {
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
    auto fresh = newImport(name, "", weak);
    return fresh ? known = *fresh : std::move(fresh);
  }
  LinkTarget &t = newTarget(LinkTarget::Kind::Import, name);
  t.dynamic = have ? have->index : 0;
  t.type = found.type;
  t.size = found.size;
  t.weak = weak;
  t.library = found;
  t.needsOwnSlot = needsOwnSlot;
  return known = &t;
}

Expected<LinkTarget *> ReferenceResolver::newImport(StringRef name,
                                                    StringRef version,
                                                    bool weak) {
  if (image.isStatic())
    return nullptr;
  auto found = libraries.find(name, version);
  if (!found)
    return found.takeError();
  if (!*found)
    return nullptr;
  LinkTarget &t = newTarget(LinkTarget::Kind::Import, name);
  t.type = (*found)->type;
  t.size = (*found)->size;
  t.weak = weak;
  t.library = **found;
  return &t;
}

/// `name@VERSION` (.symver): a definition or an import of the app, or a symbol of
/// a needed library, of that version only.
Expected<LinkTarget *>
ReferenceResolver::versionedTarget(const ObjectSymbol &s) {
  auto [name, version] = splitVersion(s.name);
  for (const std::string &known : {s.name, (name + "@@" + version).str()})
    for (const AppSymbol *a : index.find(known))
      return targetFor(*a);
  if (const DynamicReference *have = imports.undefined(name))
    if (image.dynamicVersion(have->index) == version)
      return importTarget(name, s.isWeak());
  LinkTarget *&known = byKey["import " + s.name];
  if (!known) {
    auto fresh = newImport(name, version, s.isWeak());
    if (!fresh)
      return fresh.takeError();
    known = *fresh;
  }
  return known;
}

Expected<LinkTarget *> ReferenceResolver::originalTarget(Replacement &r) {
  LinkTarget *&known = byKey["original " + r.linkName];
  if (known)
    return known;
  if (r.app->type == STT_GNU_IFUNC)
    return makeError(image.path + ": the patch calls __real_" + r.body->name +
                     ", which is an indirect function (IFUNC): its old body "
                     "chooses an implementation\n>>> remedy: call one of the "
                     "implementations by name");
  LinkTarget &t =
      newTarget(LinkTarget::Kind::Original, "__real_" + r.body->name);
  r.originalName = t.linkName;
  t.address = r.address;
  return known = &t;
}

/// Rule 9: what `__real_NAME` means: what NAME meant before the patch.
Expected<LinkTarget *>
ReferenceResolver::realTarget(const Object &object, const ObjectSymbol &s) {
  StringRef name = realName(s.name);
  Replacement *found = nullptr;
  for (Replacement &r : plan.replacements) {
    if (r.body->name != name && plainName(r.body->name) != name)
      continue;
    // A static function of this object, before one of another.
    if (!found || (r.object == &object && found->object != &object))
      found = &r;
  }
  if (found)
    return originalTarget(*found);
  if (ObjectSymbol *own = plan.definitions.lookup(name)) {
    if (plan.interpositionOf(*own))
      return importTarget(name, s.isWeak(), true);
    if (const Decision &d = plan.decisions[own]; d.app)
      return targetFor(*d.app);
  }
  ObjectSymbol before = s;
  before.name = name.str();
  return resolveUndefined(object, before);
}

Error ReferenceResolver::undefinedError(const Object &object,
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
    message += "\n>>> " + image.path +
               " was stripped, so its own local and hidden symbols are not known: an "
               "object that it was linked of and that uses " + s.name +
               " shows where it is, by --orig";
  // A static program loads none.
  StringRef last = image.isStatic()
                       ? "the object that defines it as a further file of the "
                         "patch (ar x libc.a)"
                       : "-l LIBRARY";
  return makeError(message + "\n>>> remedy: --bind " + s.name +
                   "=file.c:name or 0xADDR, --symbol " + s.name + "=0xADDR, or " +
                   last);
}

/// Rule 8, first match wins; definitions in the patch were looked at before.
Expected<LinkTarget *>
ReferenceResolver::resolveUndefined(const Object &object,
                                    const ObjectSymbol &s) {
  auto user = selections.boundTo(s);
  if (!user)
    return user.takeError();
  if (*user)
    return targetFor(**user);
  // What code that refers to it shows it to be.
  if (auto known = plan.learned.find(&s); known != plan.learned.end())
    return targetFor(*known->second);
  if (StringRef(s.name).contains('@'))
    return versionedTarget(s);
  auto found = index.find(plainName(s.name));
  if (!realName(s.name).empty() &&
      none_of(found, [&](const AppSymbol *a) { return a->name == s.name; }))
    return realTarget(object, s);
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
    return makeError(message + "\n>>> remedy: " + bindOption(s.name, list));
  }
  return importTarget(s.name, s.isWeak());
}

/// Start-up code's name for the module: what __cxa_atexit() and __cxa_finalize() tell
/// modules apart by. crtbegin's word holds its own address; in an executable, whose
/// destructors run at the end in any case, another address of its own does as well.
Expected<LinkTarget *> ReferenceResolver::ownHandle() {
  uint64_t address = 0;
  for (const Rela &r : image.relocations())
    if (r.getType(false) == R_X86_64_RELATIVE && r.r_offset == uint64_t(r.r_addend))
      if (const Section *s = image.sectionAt(r.r_offset);
          s && s->name == ".data" && s->address == r.r_offset)
        address = r.r_offset;
  for (const Phdr &p : image.segments)
    if (!address && image.kind != ImageKind::Shared && p.p_type == PT_LOAD)
      address = p.p_vaddr ? p.p_vaddr : p.p_vaddr + 1; // null is another module's
  if (!address)
    return nullptr;
  AppSymbol &handle = plan.unnamed.emplace_back();
  handle.name = "__dso_handle";
  handle.address = address;
  handle.type = STT_OBJECT;
  handle.binding = STB_LOCAL;
  handle.source = AppSymbol::Source::Learned;
  return targetFor(handle);
}

Error ReferenceResolver::resolve(const Object &object, ObjectSymbol *symbol) {
  ObjectSymbol *s = plan.definitionOf(symbol);
  if (!s || s->isSection() || plan.references.count(s))
    return Error::success();
  if (!s->isDefined()) {
    if (isLinkerDefined(s->name))
      return Error::success();
    auto target = resolveUndefined(object, *s);
    if (!target)
      return target.takeError();
    if (!*target && s->name == "__dso_handle") {
      target = ownHandle();
      if (!target)
        return target.takeError();
    }
    if (!*target && !s->isWeak())
      return undefinedError(object, *s);
    if (*target)
      plan.references[s] = *target;
    return Error::success();
  }
  const Decision &d = plan.decisions[s];
  if (d.action == Decision::Action::Ambiguous)
    return makeError(d.reason);
  if (d.action == Decision::Action::Own) {
    linkNames.insert(s->name);
    return Error::success();
  }
  auto target = d.app ? targetFor(*d.app) : importTarget(s->name, false);
  if (!target)
    return target.takeError();
  plan.references[s] = *target;
  if (d.action == Decision::Action::Bind && d.app)
    plan.bound.push_back({s->name, d.app->address});
  return Error::success();
}

/// Which variable \p r counts from is not known: those it may be have to be as far
/// from each other in the app as they are in the patch.
Error ReferenceResolver::checkBiased(const Object &object,
                                     const ObjectSection &section,
                                     const ObjectRelocation &r) {
  const ObjectSection &original = *r.symbol->section->original;
  uint64_t start = r.symbol->section->originalOffset;
  bool isAtStart = r.addend + (isPcRelative(r.type) ? r.toEnd : 0) == 0;
  std::optional<uint64_t> base;
  for (const ObjectSymbol &s : object.symbols) {
    if (!s.section || s.section->original != &original || s.isSection() ||
        StringRef(s.name).starts_with(".L"))
      continue;
    uint64_t at = s.section->originalOffset + s.value;
    if (isAtStart && at != start && at + s.size != start)
      continue;
    const Decision &d = plan.decisions[&s];
    bool isBound = d.action == Decision::Action::Bind;
    if (isBound && !base)
      base = d.app->address - at;
    if (!isBound || *base != d.app->address - at)
      return makeError(object.name + ": " + section.name + "+" + hex(r.offset) +
                       ": refers to " + original.name + "+" + hex(start) +
                       ", and whether that is " + shown(r.symbol->name) +
                       " or counts from another variable can't be told\n>>> "
                       "remedy: compile the patch with -fdata-sections");
  }
  return Error::success();
}

/// In executables the general and local dynamic TLS sequences become plain
/// accesses (psABI, "Linker optimization"), and the call in them goes away:
/// static programs may have nothing to call.
bool ReferenceResolver::isRelaxedCall(const ObjectSection &s,
                                      const ObjectRelocation &r) const {
  return image.kind != ImageKind::Shared &&
         r.symbol->name == "__tls_get_addr" &&
         any_of(s.relocations, [&](const ObjectRelocation &before) {
           return (before.type == R_X86_64_TLSGD ||
                   before.type == R_X86_64_TLSLD) &&
                  before.offset < r.offset && r.offset - before.offset < 10;
         });
}

Error ReferenceResolver::run() {
  // Names the patch itself defines are taken before others are given out.
  for (auto &[name, symbol] : plan.definitions)
    if (plan.decisions[symbol].action == Decision::Action::Own)
      linkNames.insert(name);
  for (auto &object : plan.objects) {
    for (ObjectSection &s : object->sections) {
      if (!plan.live.count(&s))
        continue;
      for (const ObjectRelocation &r : s.relocations)
        if (r.symbol && !isTableEntry(s, r) && !isRelaxedCall(s, r)) {
          if (Error e = resolve(*object, r.symbol))
            return e;
          if (r.isBiased)
            if (Error e = checkBiased(*object, s, r))
              return e;
        }
      auto frame = plan.frames.recordOf.find(&s);
      if (frame == plan.frames.recordOf.end())
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
          plan.decisions[&s].action == Decision::Action::Own &&
          !isOutlinedPart(s.name))
        plan.added.push_back(s.name);
  }
  auto isUsed = [&](const Remark &r) {
    return plan.references.count(r.about) || plan.live.count(r.about->section);
  };
  copy_if(plan.remarks, std::back_inserter(plan.unused),
          [&](const Remark &r) { return !isUsed(r); });
  erase_if(plan.remarks, [&](const Remark &r) { return !isUsed(r); });
  for (LinkTarget &t : plan.targets)
    if (t.library.needsNewDependency &&
        !is_contained(plan.newDependencies, t.library.library))
      plan.newDependencies.push_back(t.library.library);
  return Error::success();
}

} // namespace

Error resolveReferences(const Config &config, const Image &image,
                        const SymbolIndex &index, const ImportTable &imports,
                        Selections &selections, Plan &plan) {
  return ReferenceResolver(config, image, index, imports, selections, plan)
      .run();
}

} // namespace relink
