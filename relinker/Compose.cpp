//===- Compose.cpp - The inputs of the link -------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compose.h"
#include "Error.h"
#include "Preserve.h"
#include "StubLibrary.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::write32le;

namespace relink {
namespace {

using Action = Decision::Action;
constexpr uint64_t retain = SHF_GNU_RETAIN;

/// How a field uses its symbol, as far as it matters for imports.
enum class Use { Branch, IndirectBranch, GotLoad, Other };

Use useOf(const ObjectSection &s, const ObjectRelocation &r) {
  auto byte = [&](uint64_t back) -> unsigned {
    return r.offset >= back && r.offset - back < s.data.size()
               ? s.data[r.offset - back]
               : 0;
  };
  if (!s.isCode())
    return Use::Other;
  switch (r.type) {
  case R_X86_64_PLT32:
    return Use::Branch;
  case R_X86_64_PC32:
    return byte(1) == 0xe8 || byte(1) == 0xe9 ||
                   (byte(2) == 0x0f && (byte(1) & 0xf0) == 0x80)
               ? Use::Branch
               : Use::Other;
  case R_X86_64_GOTPCREL:
  case R_X86_64_GOTPCRELX:
  case R_X86_64_REX_GOTPCRELX:
    return byte(2) == 0xff && (byte(1) == 0x15 || byte(1) == 0x25)
               ? Use::IndirectBranch
               : Use::GotLoad;
  default:
    return Use::Other;
  }
}

class Composer {
public:
  Composer(const Config &config, const Image &image, const ImportTable &imports,
           const UnwindTable &unwind, const Target &target, Plan &plan)
      : config(config), image(image), imports(imports), unwind(unwind),
        target(target), plan(plan), clobbers(image, unwind, target) {}
  Expected<LinkInputs> run();

private:
  void layOutTls();
  Error chooseRegisters(Replacement &r);
  bool canPatchInPlace(const Replacement &r) const;
  std::optional<FdeView> frameOf(const Replacement &r) const;
  void composePatch(const Object &from);
  bool carriesDebugInfo(const Object &object) const;
  ObjectSection *keepWhole(const ObjectSection &piece, Object &to);
  bool describesDropped(const ObjectSection &from, const ObjectSection &text,
                        uint64_t offset) const;
  void copyDebugSections(const Object &from, Object &to);
  void copySections(const Object &from, Object &to);
  void copyFrames(const Object &from, Object &to);
  void copyArrays(const Object &from, Object &to);
  void copyRelocation(const ObjectSection &from, ObjectSection &to,
                      ObjectRelocation r, Object &object) {
    copyRelocation(from, to, r, r, object);
  }
  void copyRelocation(const ObjectSection &from, ObjectSection &to,
                      const ObjectRelocation &old, ObjectRelocation r,
                      Object &object);
  ObjectSymbol *symbolIn(Object &to, ObjectSymbol *old);
  ObjectSymbol *outside(Object &to, StringRef linkName);
  LinkTarget &appPlace(const LinkTarget &of, StringRef suffix, uint64_t address,
                       uint8_t type);
  bool useExistingSlot(Object &to, const LinkTarget &t, Use use,
                       ObjectRelocation &r);
  void composeStandIn();
  ObjectSection &pinnedSection(Object &standIn, const Phdr &load);
  void addOldArray(Object &standIn, StringRef name, uint32_t type,
                   uint64_t address, uint64_t size);
  void addProperty(Object &object) const;
  uint64_t dynamicRoom() const;
  const LinkTarget *targetOf(const ObjectSymbol *s) const {
    auto it = plan.references.find(s);
    return it == plan.references.end() ? nullptr : it->second;
  }

  const Config &config;
  const Image &image;
  const ImportTable &imports;
  const UnwindTable &unwind;
  const Target &target;
  Plan &plan;
  ClobberAnalysis clobbers;
  LinkInputs inputs;
  DenseMap<const LinkTarget *, bool> used;
  std::map<std::string, LinkTarget *> places;
  DenseMap<const ObjectSymbol *, const Replacement *> replacementOf;
  // Per patch object:
  DenseMap<const ObjectSection *, ObjectSection *> sectionMap;
  DenseMap<const ObjectSymbol *, ObjectSymbol *> symbolMap;
  StringMap<ObjectSymbol *> outsiders;
  DenseMap<const ObjectSection *, uint64_t> placeIn; ///< offset in its section
  DenseMap<const ObjectSection *, ObjectSection *> wholes; ///< see keepWhole()
};

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
  if (target.readsStackArguments(code.take_front(r.body->size)))
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

ObjectSymbol *Composer::outside(Object &to, StringRef linkName) {
  ObjectSymbol *&s = outsiders[linkName];
  if (!s)
    s = &to.addSymbol(linkName);
  return s;
}

LinkTarget &Composer::appPlace(const LinkTarget &of, StringRef suffix,
                               uint64_t address, uint8_t type) {
  std::string name = of.linkName + suffix.str();
  LinkTarget *&t = places[name];
  if (!t) {
    t = &plan.targets.emplace_back();
    t->name = of.name;
    t->linkName = name;
    t->address = address;
    t->type = type;
  }
  used[t] = true;
  return *t;
}

/// The app's own PLT entry or GOT slot serves the reference: no dynamic
/// relocation is needed.
bool Composer::useExistingSlot(Object &to, const LinkTarget &t, Use use,
                               ObjectRelocation &r) {
  const DynamicReference *have = imports.find(t.name);
  if (!have || t.kind == LinkTarget::Kind::Address || use == Use::Other)
    return false;
  if (use == Use::Branch) {
    if (!have->pltEntry)
      return false;
    LinkTarget &place = appPlace(t, ".relink.plt", have->pltEntry, STT_FUNC);
    r.symbol = outside(to, place.linkName);
    return true;
  }
  // A lazy slot holds the way to the resolver until the first call: good to
  // call through, not to take an address from.
  uint64_t slot = have->gotSlot;
  if (!slot && (use == Use::IndirectBranch || image.dynamic.bindNow))
    slot = have->jumpSlot;
  if (!slot)
    return false;
  LinkTarget &place = appPlace(t, ".relink.got", slot, STT_OBJECT);
  r.symbol = outside(to, place.linkName);
  r.type = R_X86_64_PC32;
  return true;
}

ObjectSymbol *Composer::symbolIn(Object &to, ObjectSymbol *old) {
  ObjectSymbol *s = plan.definitionOf(old);
  if (!s)
    return nullptr;
  ObjectSymbol *&made = symbolMap[s];
  if (made)
    return made;
  if (s->isSection())
    return made = sectionMap.count(s->section)
                      ? &to.sectionSymbol(*sectionMap[s->section])
                      : nullptr;
  bool here = s->kind == ObjectSymbol::Kind::Defined &&
              sectionMap.count(s->section);
  if (s->kind == ObjectSymbol::Kind::Undefined ||
      (s->kind == ObjectSymbol::Kind::Defined && !here)) {
    made = &to.addSymbol(s->name);
    // What the linker takes out of a TLS sequence need not exist.
    bool weak = s->isWeak() || s->name == "__tls_get_addr";
    made->binding = weak ? STB_WEAK : STB_GLOBAL;
    return made;
  }
  made = &to.addSymbol(s->name);
  made->kind = s->kind;
  made->type = s->type;
  made->binding = s->binding;
  made->value = s->value;
  made->size = s->size;
  if (here) {
    made->section = sectionMap[s->section];
    made->value += placeIn.lookup(s->section);
  }
  // What is not asked to be exported stays inside the patched program.
  made->visibility = is_contained(plan.exports, s) ? s->visibility
                     : made->isLocal()             ? uint8_t(STV_DEFAULT)
                                                   : uint8_t(STV_HIDDEN);
  return made;
}

/// \p r is \p old at its place in \p to.
void Composer::copyRelocation(const ObjectSection &from, ObjectSection &to,
                              const ObjectRelocation &old, ObjectRelocation r,
                              Object &object) {
  ObjectSymbol *s = plan.definitionOf(r.symbol);
  if (!s) {
    to.relocations.push_back(r);
    return;
  }
  const LinkTarget *t = targetOf(s);
  if (!t) {
    if (s->isSection())
      r.addend += placeIn.lookup(s->section);
    r.symbol = symbolIn(object, s);
    if (!r.symbol) {
      // A jump table entry of a function that is not needed.
      r.type = R_X86_64_NONE;
      r.addend = 0;
    }
    to.relocations.push_back(r);
    return;
  }
  Use use = useOf(from, old);
  auto replaced = replacementOf.find(s);
  bool direct = t->kind == LinkTarget::Kind::Address &&
                replaced != replacementOf.end() && use == Use::Branch;
  if (direct)
    r.symbol = outside(object, replaced->second->linkName);
  else if (!useExistingSlot(object, *t, use, r)) {
    used[t] = true;
    r.symbol = outside(object, t->linkName);
    if (t->weak)
      r.symbol->binding = STB_WEAK;
  }
  to.relocations.push_back(r);
}

/// Sections sort by what they are: the script places them by name.
static std::string linkSectionName(const ObjectSection &s) {
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

bool Composer::carriesDebugInfo(const Object &object) const {
  return inputs.debug.carry &&
         any_of(object.sections, [](const ObjectSection &s) {
           return s.name == ".debug_info" && s.size;
         });
}

/// Line tables and location lists count from the start of a text section. With
/// them, the section keeps its shape: the functions that are needed stay where
/// they were in it, the rest is filled with traps.
ObjectSection *Composer::keepWhole(const ObjectSection &piece, Object &to) {
  ObjectSection *original = piece.original;
  bool inPlace = any_of(plan.replacements, [&](const Replacement &r) {
    return r.inPlace && r.body->section == &piece;
  });
  if (!original || !piece.isCode() || inPlace)
    return nullptr;
  // A piece that grew by a jump island may not fit where it was.
  for (const ObjectSection *other : plan.live)
    if (other != &piece && other->original == original &&
        other->originalOffset >= piece.originalOffset &&
        other->originalOffset < piece.originalOffset + piece.size)
      return nullptr;
  ObjectSection *&whole = wholes[original];
  if (!whole) {
    whole = &to.addSection(linkSectionName(*original), SHT_PROGBITS,
                           original->flags & ~uint64_t(SHF_GNU_RETAIN));
    whole->align = original->align;
    whole->data.assign(original->size, target.trapByte());
  }
  whole->data.resize(std::max<uint64_t>(whole->data.size(),
                                        piece.originalOffset + piece.size),
                     target.trapByte());
  whole->size = whole->data.size();
  std::copy(piece.data.begin(), piece.data.end(),
            whole->data.begin() + piece.originalOffset);
  return whole;
}

/// Whether an entry of .debug_info or .debug_addr is that of a function which
/// is traps now: a debugger would offer a second place to stop. The start of
/// the section is the unit's as well, and is let alone.
bool Composer::describesDropped(const ObjectSection &from,
                                const ObjectSection &text,
                                uint64_t offset) const {
  if ((from.name != ".debug_info" && from.name != ".debug_addr") || offset == 0)
    return false;
  return none_of(plan.live, [&](const ObjectSection *s) {
    return s->original == &text && offset >= s->originalOffset &&
           offset < s->originalOffset + s->size;
  });
}

void Composer::copyDebugSections(const Object &from, Object &to) {
  if (!carriesDebugInfo(from))
    return;
  for (const ObjectSection &s : from.sections) {
    if (!s.isDebug() || s.dropped)
      continue;
    ObjectSection &out = to.addSection(s.name, s.type, s.flags);
    out.align = s.align;
    out.entrySize = s.entrySize;
    out.size = s.size;
    out.data = s.data;
    sectionMap[&s] = &out;
  }
  for (const ObjectSection &s : from.sections) {
    if (!s.isDebug() || s.dropped)
      continue;
    for (ObjectRelocation r : s.relocations) {
      ObjectSymbol *symbol = plan.definitionOf(r.symbol);
      const ObjectSection *home = symbol ? symbol->section : nullptr;
      ObjectSection *whole = home ? wholes.lookup(home) : nullptr;
      if (whole && symbol->isSection()) {
        if (r.type == R_X86_64_64 && describesDropped(s, *home, r.addend)) {
          // DWARF's "no address", as of issue 200609.1 (lld writes it as well).
          std::vector<uint8_t> &data = sectionMap[&s]->data;
          if (r.offset + 8 <= data.size())
            std::fill_n(data.begin() + r.offset, 8, 0xff);
          continue;
        }
        r.symbol = &to.sectionSymbol(*whole);
        sectionMap[&s]->relocations.push_back(r);
      } else if (symbol && (targetOf(symbol) || sectionMap.count(home))) {
        copyRelocation(s, *sectionMap[&s], r, to);
      } // else: what it describes is not here; 0 says so
    }
  }
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
    uint64_t at = r.body->value + placeIn.lookup(r.body->section);
    ObjectSymbol &body = to.addSymbol(r.linkName);
    body.kind = ObjectSymbol::Kind::Defined;
    body.type = STT_FUNC;
    body.visibility = STV_HIDDEN;
    body.section = s;
    body.value = at;
    body.size = r.body->size;
    ObjectSymbol &entry = to.addSymbol(r.entryName);
    entry.kind = ObjectSymbol::Kind::Defined;
    entry.type = STT_FUNC;
    entry.visibility = STV_HIDDEN;
    entry.section = s;
    entry.value = at;
    // For the new symbol table: the function under its own name.
    ObjectSymbol &named = to.addSymbol(r.body->name);
    named.kind = ObjectSymbol::Kind::Defined;
    named.type = r.body->type;
    named.binding = STB_LOCAL;
    named.section = s;
    named.value = at;
    named.size = r.body->size;
    if (r.body->type == STT_GNU_IFUNC && r.app->type != STT_GNU_IFUNC) {
      // The entry jumps to code, so the indirect function needs a way in.
      ObjectSection &jump = to.addSection(".text.relink.ifunc", SHT_PROGBITS,
                                          SHF_ALLOC | SHF_EXECINSTR | retain);
      jump.data = {0xe9, 0, 0, 0, 0};
      jump.size = 5;
      jump.relocations.push_back({1, R_X86_64_PLT32, &named, -4});
      entry.section = &jump;
      entry.value = 0;
    } else if (r.preserved) {
      entry.section =
          &addPreservingEntry(to, named, r.preserved, target, r.entryName);
      entry.value = 0;
    }
  }
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

void Composer::composePatch(const Object &from) {
  sectionMap.clear();
  symbolMap.clear();
  outsiders.clear();
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
  copyArrays(from, to);
  copyDebugSections(from, to);
  // Named symbols of what is kept: for the new symbol table and diagnostics,
  // and exports must be there even when nothing refers to them.
  for (const ObjectSymbol &s : from.symbols) {
    const Decision &d = plan.decisions[&s];
    bool kept = s.section && sectionMap.count(s.section) && !s.isSection() &&
                !s.name.empty() && d.action == Action::Own &&
                !StringRef(s.name).starts_with(".L");
    bool winner = s.isLocal() || plan.definitions.lookup(s.name) == &s;
    if (kept && winner)
      if (ObjectSymbol *made = symbolIn(to, const_cast<ObjectSymbol *>(&s));
          made && is_contained(plan.exports, &s))
        made->section->flags |= retain;
  }
  addProperty(to);
  if (!sectionMap.empty() || inputs.hasConstructors)
    inputs.objects.push_back({from.name, writeObject(to)});
}

//===----------------------------------------------------------------------===//
// The stand-in
//===----------------------------------------------------------------------===//

/// One object without IBT or SHSTK would clear them for all (psABI).
void Composer::addProperty(Object &object) const {
  if (!image.ibt && !image.shstk)
    return;
  ObjectSection &s =
      object.addSection(".note.gnu.property", SHT_NOTE, SHF_ALLOC);
  s.align = 8;
  s.data.assign(32, 0);
  write32le(&s.data[0], 4);
  write32le(&s.data[4], 16);
  write32le(&s.data[8], NT_GNU_PROPERTY_TYPE_0);
  memcpy(&s.data[12], "GNU", 4);
  write32le(&s.data[16], GNU_PROPERTY_X86_FEATURE_1_AND);
  write32le(&s.data[20], 4);
  write32le(&s.data[24],
            (image.ibt ? unsigned(GNU_PROPERTY_X86_FEATURE_1_IBT) : 0) |
                (image.shstk ? unsigned(GNU_PROPERTY_X86_FEATURE_1_SHSTK) : 0));
  s.size = s.data.size();
}

ObjectSection &Composer::pinnedSection(Object &standIn, const Phdr &load) {
  std::string name = (".relink.app." + hex(load.p_vaddr));
  for (ObjectSection &s : standIn.sections)
    if (s.name == name)
      return s;
  uint64_t flags = SHF_ALLOC;
  if (load.p_flags & PF_X)
    flags |= SHF_EXECINSTR;
  if (load.p_flags & PF_W)
    flags |= SHF_WRITE;
  ObjectSection &s = standIn.addSection(name, SHT_NOBITS, flags);
  s.size = load.p_memsz;
  inputs.pinned.push_back({name, load.p_vaddr});
  return s;
}

/// The app's own entries come first in the merged array; lld makes their
/// relocations with the others.
void Composer::addOldArray(Object &standIn, StringRef name, uint32_t type,
                           uint64_t address, uint64_t size) {
  ObjectSection &s =
      standIn.addSection((name + ".relink.old").str(), type,
                         SHF_ALLOC | SHF_WRITE | retain);
  s.align = 8;
  s.size = alignTo(size, 8);
  s.data.resize(s.size);
  for (auto [at, value] : readPointers(image, address, address + size)) {
    const Phdr *load = image.loadAt(value);
    if (!load)
      continue;
    ObjectSection &pinned = pinnedSection(standIn, *load);
    s.relocations.push_back({at - address, R_X86_64_64,
                             &standIn.sectionSymbol(pinned),
                             int64_t(value - load->p_vaddr)});
  }
}

void Composer::composeStandIn() {
  Object standIn;
  ObjectSection *tls = nullptr;
  const TlsLayout &t = inputs.tls;
  if (t.present && t.appSize) {
    tls = &standIn.addSection(".relink.apptls",
                              t.grows ? SHT_PROGBITS : SHT_NOBITS,
                              SHF_ALLOC | SHF_WRITE | SHF_TLS | retain);
    tls->align = t.appAlign;
    tls->size = t.appSize;
    if (t.grows) {
      // The new template begins as the old one does.
      const Phdr *p = image.segmentOfType(PT_TLS);
      ArrayRef<uint8_t> initial = image.bytesAt(p->p_vaddr, p->p_filesz);
      tls->data.assign(initial.begin(), initial.end());
      tls->data.resize(t.appSize);
    }
  }
  // Indices: pinnedSection() may add sections while symbols are added.
  for (LinkTarget &target : plan.targets) {
    if (!used.lookup(&target) || target.kind == LinkTarget::Kind::Import)
      continue;
    ObjectSymbol &s = standIn.addSymbol(target.linkName);
    s.kind = ObjectSymbol::Kind::Defined;
    s.type = target.type;
    s.size = target.size;
    s.visibility = target.kind == LinkTarget::Kind::Export ? STV_DEFAULT
                                                           : STV_HIDDEN;
    if (target.type == STT_TLS) {
      s.section = tls;
      s.value = target.address;
      continue;
    }
    const Phdr *load = image.loadAt(target.address);
    if (!load) // one past the end of a segment (`_end`)
      load = image.loadAt(target.address - 1);
    if (!load) {
      s.kind = ObjectSymbol::Kind::Absolute;
      s.value = target.address;
      continue;
    }
    s.section = &pinnedSection(standIn, *load);
    s.value = target.address - load->p_vaddr;
  }
  const DynamicTables &d = image.dynamic;
  if (inputs.hasConstructors)
    addOldArray(standIn, ".init_array", SHT_INIT_ARRAY, d.initArray,
                d.initArraySize);
  if (inputs.hasDestructors)
    addOldArray(standIn, ".fini_array", SHT_FINI_ARRAY, d.finiArray,
                d.finiArraySize);
  inputs.dynamicRoom = dynamicRoom();
  if (inputs.dynamicRoom) {
    ObjectSection &room = standIn.addSection(".relink.dynamic", SHT_PROGBITS,
                                             SHF_ALLOC | SHF_WRITE | retain);
    room.align = 8;
    room.size = inputs.dynamicRoom;
    room.data.resize(room.size);
  }
  addProperty(standIn);
  if (!standIn.sections.empty())
    inputs.objects.insert(inputs.objects.begin(),
                          {"stand-in for " + image.path, writeObject(standIn)});
}

/// How many bytes a .dynamic with the patch's entries needs, when the app's has
/// no room for them. An upper bound: what the link will need is not known yet.
uint64_t Composer::dynamicRoom() const {
  const DynamicTables &d = image.dynamic;
  if (!d.address)
    return 0;
  unsigned more = plan.newDependencies.size();
  bool dynamicRelocations = false, versions = false;
  for (const LinkTarget &t : plan.targets) {
    if (!used.lookup(&t) || t.kind == LinkTarget::Kind::Address)
      continue;
    dynamicRelocations = true;
    versions |= !t.dynamic && !t.library.version.empty();
  }
  if (image.isPositionIndependent())
    for (const ObjectSection *s : plan.live)
      dynamicRelocations |= any_of(s->relocations, [](auto &r) {
        return r.type == R_X86_64_64 || r.type == R_X86_64_TLSGD ||
               r.type == R_X86_64_TLSLD || r.type == R_X86_64_GOTTPOFF ||
               r.type == R_X86_64_GOTPCREL;
      });
  dynamicRelocations |= inputs.hasConstructors || inputs.hasDestructors;
  if (dynamicRelocations && !d.has(DT_RELA))
    more += 3;
  if (versions && !d.has(DT_VERSYM))
    more += 1;
  if (versions && !d.has(DT_VERNEED))
    more += 2;
  if (inputs.hasConstructors && !d.has(DT_INIT_ARRAY))
    more += 2;
  if (inputs.hasDestructors && !d.has(DT_FINI_ARRAY))
    more += 2;
  if (more <= d.spareEntries)
    return 0;
  return (d.entries.size() + more + 1) * sizeof(Dyn);
}

//===----------------------------------------------------------------------===//

Expected<LinkInputs> Composer::run() {
  for (Replacement &r : plan.replacements) {
    if (Error e = chooseRegisters(r))
      return e;
    r.inPlace = canPatchInPlace(r);
    replacementOf[r.body] = &r;
  }
  layOutTls();
  inputs.debug = planDebugInfo(config, image, plan);
  for (auto &object : plan.objects)
    composePatch(*object);
  composeStandIn();
  std::vector<const LinkTarget *> imported;
  for (const LinkTarget &t : plan.targets)
    if (used.lookup(&t) && t.kind == LinkTarget::Kind::Import)
      imported.push_back(&t);
  if (!imported.empty())
    inputs.libraries.push_back({"imports", makeStubLibrary(imported)});
  return std::move(inputs);
}

} // namespace

Expected<LinkInputs> composeInputs(const Config &config, const Image &image,
                                   const ImportTable &imports,
                                   const UnwindTable &unwind,
                                   const Target &target, Plan &plan) {
  return Composer(config, image, imports, unwind, target, plan).run();
}

} // namespace relink
