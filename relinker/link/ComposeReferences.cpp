//===- ComposeReferences.cpp - What the patch's references become ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Composer.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

Composer::Use Composer::useOf(const ObjectSection &s, const ObjectRelocation &r) {
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

ObjectSymbol *Composer::outside(Object &to, StringRef linkName) {
  ObjectSymbol *&s = outsiders[linkName];
  if (!s)
    s = &to.addSymbol(linkName);
  return s;
}

LinkTarget &Composer::appPlace(const std::string &name, uint64_t address,
                               uint8_t type) {
  LinkTarget *&t = places[name];
  if (!t) {
    t = &plan.targets.emplace_back();
    t->name = t->linkName = name;
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
  if (!have || config.fullRelink || t.kind == LinkTarget::Kind::Address ||
      t.kind == LinkTarget::Kind::Original || t.needsOwnSlot ||
      use == Use::Other)
    return false;
  if (use == Use::Branch) {
    if (!have->pltEntry)
      return false;
    LinkTarget &place =
        appPlace(t.linkName + ".relink.plt", have->pltEntry, STT_FUNC);
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
  LinkTarget &place = appPlace(t.linkName + ".relink.got", slot, STT_OBJECT);
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
    made = &to.addSymbol(linkableName(s->name));
    // What the linker takes out of a TLS sequence need not exist.
    bool weak = s->isWeak() || s->name == "__tls_get_addr";
    made->binding = weak ? STB_WEAK : STB_GLOBAL;
    return made;
  }
  made = &to.addSymbol(linkableName(s->name));
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

/// The entry through which new code calls \p s, if one has to keep registers.
ObjectSymbol *Composer::keepingEntry(Object &to, const ObjectSymbol &s,
                                     const LinkTarget &t) {
  auto set = kept.find(&s);
  if (set == kept.end())
    return nullptr;
  ObjectSymbol *&entry = keepingEntries[&s];
  if (!entry)
    entry = &to.sectionSymbol(
        addPreservingEntry(to, *outside(to, t.linkName), set->second, target,
                           "relink.keep." + t.linkName));
  return entry;
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
    ObjectSymbol *entry =
        use == Use::Branch ? keepingEntry(object, *s, *t) : nullptr;
    r.symbol = entry ? entry : outside(object, t->linkName);
    if (t->weak)
      r.symbol->binding = STB_WEAK;
  }
  to.relocations.push_back(r);
}

} // namespace relink
