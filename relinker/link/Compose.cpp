//===- Compose.cpp - The inputs of the link --------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Composer.h"
#include "Error.h"
#include "OriginalEntry.h"
#include "Selections.h"
#include "StubLibrary.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {

//===----------------------------------------------------------------------===//
// TLS
//===----------------------------------------------------------------------===//

void Composer::layOutTls() {
  TlsLayout &t = inputs.tls;
  if (const Phdr *p = image.segmentOfType(PT_TLS)) {
    t.present = true;
    t.appSize = p->p_memsz;
    t.appAlign = std::max<uint64_t>(p->p_align, 1);
    // Congruent to the app's template, so that offsets come out the same.
    t.address = p->p_vaddr;
  }
  t.align = t.appAlign;
  for (const ObjectSection *s : plan.live)
    if (s->isTls()) {
      t.present = t.grows = true;
      t.align = std::max(t.align, s->align);
    }
}

//===----------------------------------------------------------------------===//
// In place
//===----------------------------------------------------------------------===//

/// What the new body changes and the old one did not: its callers may count on
/// it, unless they could not see the old body because it may be preempted.
Error Composer::chooseRegisters(Replacement &r) {
  bool preemptible = image.kind == ImageKind::Shared && r.app->dynamic &&
                     r.app->visibility == STV_DEFAULT;
  if (!config.keepRegisters || preemptible || r.body->type == STT_GNU_IFUNC)
    return Error::success();
  RegisterSet fresh = clobbers.mayClobber(*r.body);
  fresh &= ~clobbers.clobberedBy(r.address, r.size);
  if (!fresh)
    return Error::success();
  ArrayRef<uint8_t> code =
      ArrayRef(r.body->section->data).drop_front(r.body->value);
  if (target.readsStackArguments(code.take_front(r.body->size),
                                 plan.frames.lsda(*r.body->section)))
    return makeError(
        image.path + ": " + r.body->name + " at " + hex(r.address) +
        " takes arguments on the stack, and its callers may rely on registers "
        "that the old body left alone and the new one changes\n>>> they are: " +
        target.describe(fresh) +
        "\n>>> remedy: compile the patch with -fcall-saved-REG for each, or "
        "--no-keep-registers if the program was built with -fno-ipa-ra or by "
        "clang");
  r.preserved = fresh;
  return Error::success();
}

/// The other way round: the patch's compiler saw the patch's version of a function
/// that is bound to the app's, and new callers may count on registers which that
/// version leaves alone.
Error Composer::keepForNewCallers() {
  if (!config.keepRegisters)
    return Error::success();
  for (const auto &[s, t] : plan.references) {
    if (s->kind != ObjectSymbol::Kind::Defined || !s->section->isCode() ||
        !s->isFunction() || !s->size || t->kind != LinkTarget::Kind::Address ||
        replacementOf.count(s))
      continue;
    auto verdict = plan.verdicts.find(s);
    const AppSymbol *app = plan.decisions[s].app;
    if (!app || (verdict != plan.verdicts.end() &&
                 verdict->second.kind != Verdict::Kind::Changed))
      continue;
    RegisterSet set = clobbers.mayClobberAt(app->address, app->size) &
                      ~clobbers.knownToClobber(plan, *s);
    if (!set)
      continue;
    auto fde = unwind.find(image, app->address);
    if (target.readsStackArguments(image.bytesAt(app->address, app->size),
                                   fde && fde->lsda))
      return makeError(
          image.path + ": the patch calls " + shown(s->name) + ", which is the "
          "app's, takes arguments on the stack, and changes registers that the "
          "patch's version leaves alone\n>>> they are: " + target.describe(set) +
          "\n>>> remedy: compile the patch with -fno-ipa-ra, replace the function "
          "too, or --no-keep-registers if the patch was compiled so or by clang");
    kept[s] = set;
  }
  return Error::success();
}

/// Frame records are padded with nops (0) to their alignment.
static bool equalPadded(ArrayRef<uint8_t> a, ArrayRef<uint8_t> b) {
  while (!a.empty() && a.back() == 0)
    a = a.drop_back();
  while (!b.empty() && b.back() == 0)
    b = b.drop_back();
  return a.equals(b);
}

/// Code that needs nothing but its own bytes, with the app's own unwind
/// information still right for it.
bool Composer::canPatchInPlace(const Replacement &r) const {
  const ObjectSection &s = *r.body->section;
  if (config.inPlace == InPlacePolicy::Never || !r.size || r.preserved ||
      !r.originalName.empty() ||
      r.body->type == STT_GNU_IFUNC || r.body->value != 0 ||
      s.size != r.body->size || s.size > r.size || s.align > 64 ||
      r.address % s.align)
    return false;
  // Another symbol inside the section would be a second way in.
  for (const ObjectSymbol &other : r.object->symbols)
    if (other.section == &s && other.isFunction() && other.value != 0)
      return false;
  auto old = unwind.find(image, r.address);
  auto view = frameOf(r);
  if (!view)
    return !old;
  return old && old->start == r.address && !old->hasLsda && !view->hasLsda &&
         old->codeAlign == view->codeAlign &&
         old->dataAlign == view->dataAlign && old->size >= s.size &&
         old->cieInstructions == view->cieInstructions &&
         equalPadded(old->instructions, view->instructions);
}

/// The FDE of the new body. Its relocatable fields are zero; sizes are not
/// relocated.
std::optional<FdeView> Composer::frameOf(const Replacement &r) const {
  auto it = plan.frames.recordOf.find(r.body->section);
  if (it == plan.frames.recordOf.end())
    return std::nullopt;
  const auto &[table, record] = it->second;
  return decodeFde(table->ehFrame->data, 0, table->records[record].offset);
}

//===----------------------------------------------------------------------===//
// Patch objects
//===----------------------------------------------------------------------===//

/// Sections sort by what they are: the script places them by name.
std::string linkSectionName(const ObjectSection &s) {
  StringRef name = s.name;
  if (s.isTls())
    return (s.isNoBits() ? ".tbss." : ".tdata.") + s.name;
  if (s.isCode())
    return ".text." + s.name;
  if (name.starts_with(".gcc_except_table"))
    return s.name;
  if (s.isWritable()) {
    if (name.starts_with(".data.rel.ro"))
      return ".data.rel.ro." + s.name;
    return (s.isNoBits() ? ".bss." : ".data.") + s.name;
  }
  return ".rodata." + s.name;
}

/// \p s, of a section that is in \p to, under another name.
ObjectSymbol &Composer::addAlias(Object &to, const ObjectSymbol &s,
                                 StringRef name) {
  ObjectSymbol &alias = to.addSymbol(linkableName(name));
  alias.kind = ObjectSymbol::Kind::Defined;
  alias.type = STT_FUNC;
  alias.visibility = STV_HIDDEN;
  alias.section = sectionMap[s.section];
  alias.value = s.value + placeIn.lookup(s.section);
  alias.size = s.size;
  return alias;
}

/// For a jump, so that a later patch can redirect this body whatever it starts with:
/// without alignment there may be no padding near it.
void Composer::addRoom(ObjectSection &code) const {
  constexpr uint64_t usual = 16, room = 8;
  if (code.align >= usual || code.data.size() != code.size)
    return;
  code.data.resize(code.size + room, target.trapByte());
  code.size += room;
}

void Composer::copySections(const Object &from, Object &to) {
  bool debug = carriesDebugInfo(from);
  for (const ObjectSection &s : from.sections) {
    if (!plan.live.count(&s) || isEhFrame(s))
      continue;
    if (ObjectSection *whole = debug ? keepWhole(s, to) : nullptr) {
      sectionMap[&s] = whole;
      placeIn[&s] = s.originalOffset;
      continue;
    }
    ObjectSection &out =
        to.addSection(linkSectionName(s), s.type == SHT_NOBITS ? SHT_NOBITS
                                                               : SHT_PROGBITS,
                      s.flags & ~uint64_t(SHF_GNU_RETAIN));
    // Large-model sections are placed with the others; relocations tell.
    out.flags &= ~uint64_t(SHF_X86_64_LARGE);
    out.align = s.align;
    out.entrySize = s.entrySize;
    out.size = s.size;
    out.data = s.data;
    sectionMap[&s] = &out;
  }
  for (const Replacement &r : plan.replacements) {
    if (r.object != &from)
      continue;
    ObjectSection *s = sectionMap[r.body->section];
    s->flags |= retain;
    if (r.inPlace)
      s->name = ".relink.inplace." + r.linkName;
    else if (!placeIn.contains(r.body->section))
      addRoom(*s);
    addAlias(to, *r.body, r.linkName);
    ObjectSymbol &entry = addAlias(to, *r.body, r.entryName);
    // For the new symbol table: the function under its own name.
    ObjectSymbol &named = addAlias(to, *r.body, r.body->name);
    named.type = r.body->type;
    named.binding = STB_LOCAL;
    named.visibility = STV_DEFAULT;
    if (r.body->type == STT_GNU_IFUNC && r.app->type != STT_GNU_IFUNC) {
      // The entry jumps to code, so the indirect function needs a way in.
      ObjectSection &jump = to.addSection(".text.relink.ifunc", SHT_PROGBITS,
                                          SHF_ALLOC | SHF_EXECINSTR | retain);
      jump.data = {0xe9, 0, 0, 0, 0};
      jump.size = 5;
      jump.relocations.push_back({1, R_X86_64_PLT32, &named, -4});
      entry.section = &jump;
      entry.value = 0;
      entry.size = jump.size;
    } else if (r.preserved) {
      entry.section =
          &addPreservingEntry(to, named, r.preserved, target, r.entryName);
      entry.value = 0;
      entry.size = entry.section->size;
    }
  }
  for (const Interposition &i : plan.interpositions)
    if (i.object == &from) {
      addAlias(to, *i.definition, i.linkName);
      sectionMap[i.definition->section]->flags |= retain;
    }
}

/// The way to the old body is code that other objects of the patch may call, so
/// it lies in the object of the new one.
Error Composer::addOriginals(const Object &from, Object &to) {
  for (const Replacement &r : plan.replacements) {
    if (r.object != &from || r.originalName.empty())
      continue;
    auto place = [&](uint64_t address) {
      LinkTarget &t = appPlace("relink.app." + hex(address), address, STT_FUNC);
      return outside(to, t.linkName);
    };
    if (Error e = addOriginalEntry(image, unwind, target, r, to, place))
      return e;
  }
  return Error::success();
}

/// Keeps the FDEs of the functions that are kept, and the CIEs these need.
void Composer::copyFrames(const Object &from, Object &to) {
  auto tables = plan.frames.tables.find(&from);
  if (tables == plan.frames.tables.end())
    return;
  for (const FrameIndex::Table &f : tables->second) {
    std::map<unsigned, uint64_t> cieAt;
    ObjectSection *out = nullptr;
    auto copyRecord = [&](const FrameRecord &record) {
      uint64_t at = out->data.size();
      auto begin = f.ehFrame->data.begin() + record.offset;
      out->data.insert(out->data.end(), begin, begin + record.size);
      for (const ObjectRelocation &r : f.ehFrame->relocations)
        if (r.offset >= record.offset && r.offset < record.offset + record.size) {
          ObjectRelocation moved = r;
          moved.offset = at + (r.offset - record.offset);
          copyRelocation(*f.ehFrame, *out, moved, to);
        }
      return at;
    };
    for (const FrameRecord &record : f.records) {
      if (record.isCie || !record.function || !record.function->symbol ||
          !sectionMap.count(record.function->symbol->section))
        continue;
      bool covered = any_of(plan.replacements, [&](const Replacement &r) {
        return r.inPlace && r.body->section == record.function->symbol->section;
      });
      if (covered)
        continue; // the app's own FDE serves
      if (!out) {
        out = &to.addSection(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC);
        out->align = 8;
      }
      auto [cie, isNew] = cieAt.try_emplace(record.cie);
      if (isNew)
        cie->second = copyRecord(f.records[record.cie]);
      uint64_t at = copyRecord(record);
      // The FDE's function is this very section, whatever its symbol means.
      for (ObjectRelocation &r : out->relocations)
        if (r.offset == at + 8)
          r.symbol =
              &to.sectionSymbol(*sectionMap[record.function->symbol->section]),
          r.addend = record.function->addend +
                     placeIn.lookup(record.function->symbol->section) +
                     (record.function->symbol->isSection()
                          ? 0
                          : record.function->symbol->value);
      write32le(&out->data[at + 4], at + 4 - cie->second);
    }
    if (out)
      out->size = out->data.size();
  }
}

void Composer::copyArrays(const Object &from, Object &to) {
  auto copy = [&](auto &slots, uint32_t type, bool &any) {
    for (auto &[section, r] : slots) {
      if (none_of(from.sections,
                  [&, s = section](const ObjectSection &o) { return &o == s; }))
        continue;
      any = true;
      // Priorities stand in the section's name; the script sorts by it.
      ObjectSection &out = to.addSection(section->name, type,
                                         SHF_ALLOC | SHF_WRITE | retain);
      out.align = 8;
      out.size = 8;
      out.data.resize(8);
      ObjectRelocation moved = *r;
      moved.offset = 0;
      copyRelocation(*section, out, moved, to);
    }
  };
  copy(plan.constructors, SHT_INIT_ARRAY, inputs.hasConstructors);
  copy(plan.destructors, SHT_FINI_ARRAY, inputs.hasDestructors);
}

Error Composer::composePatch(const Object &from) {
  sectionMap.clear();
  symbolMap.clear();
  outsiders.clear();
  keepingEntries.clear();
  placeIn.clear();
  wholes.clear();
  Object to;
  copySections(from, to);
  for (const ObjectSection &s : from.sections)
    if (auto it = sectionMap.find(&s); it != sectionMap.end())
      for (ObjectRelocation r : s.relocations) {
        ObjectRelocation moved = r;
        moved.offset += placeIn.lookup(&s);
        copyRelocation(s, *it->second, r, moved, to);
      }
  copyFrames(from, to);
  if (Error e = addOriginals(from, to))
    return e;
  copyArrays(from, to);
  copyDebugSections(from, to);
  // Named symbols of what is kept: for the new symbol table and diagnostics,
  // and exports must be there even when nothing refers to them.
  for (const ObjectSymbol &s : from.symbols) {
    const Decision &d = plan.decisions[&s];
    bool kept = s.section && sectionMap.count(s.section) && !s.isSection() &&
                !s.name.empty() && d.action == Decision::Action::Own &&
                !StringRef(s.name).starts_with(".L");
    bool winner = s.isLocal() || plan.definitions.lookup(s.name) == &s;
    if (kept && winner)
      if (ObjectSymbol *made = symbolIn(to, const_cast<ObjectSymbol *>(&s));
          made && is_contained(plan.exports, &s))
        made->section->flags |= retain;
  }
  addPropertyNote(to, image.ibt, image.shstk);
  if (!sectionMap.empty() || inputs.hasConstructors)
    inputs.objects.push_back({from.name, writeObject(to)});
  return Error::success();
}

//===----------------------------------------------------------------------===//

Expected<LinkInputs> Composer::run() {
  for (Replacement &r : plan.replacements) {
    if (Error e = chooseRegisters(r))
      return e;
    r.inPlace = canPatchInPlace(r);
    replacementOf[r.body] = &r;
  }
  if (Error e = keepForNewCallers())
    return e;
  layOutTls();
  inputs.debug = planDebugInfo(config, image, plan);
  for (auto &object : plan.objects)
    if (Error e = composePatch(*object))
      return e;
  composeStandIn();
  std::vector<const LinkTarget *> imported;
  for (const LinkTarget &t : plan.targets)
    if (used.lookup(&t) && t.kind == LinkTarget::Kind::Import)
      imported.push_back(&t);
  // Without a library, lld gives a program at fixed addresses no .dynsym.
  if (!imported.empty() || (!plan.exports.empty() && !image.isStatic()))
    inputs.libraries.push_back({"imports", makeStubLibrary(imported)});
  return std::move(inputs);
}

Expected<LinkInputs> composeInputs(const Config &config, const Image &image,
                                   const ImportTable &imports,
                                   const UnwindTable &unwind,
                                   const Target &target, Plan &plan) {
  return Composer(config, image, imports, unwind, target, plan).run();
}

} // namespace relink
