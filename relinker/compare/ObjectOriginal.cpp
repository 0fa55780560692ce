//===- ObjectOriginal.cpp - Comparing with the unfixed object -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Original.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

ObjectOriginal::ObjectOriginal(const Plan &objects) : plan(objects) {
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.section && !s.isSection() && !s.name.empty())
        symbols[{s.section, s.value}].push_back(&s);
      else if (!s.isDefined() && !s.isLocal())
        undefined.try_emplace(s.name, &s);
}

ObjectOriginal::ObjectOriginal(const Plan &objects, const ObjectPairs &pairs)
    : ObjectOriginal(objects) {
  this->pairs = &pairs;
}

/// The definition that \p symbol refers to; what none of the objects defines is
/// the same thing for all of them.
const ObjectSymbol *ObjectOriginal::meant(const ObjectSymbol *symbol) const {
  const ObjectSymbol *s =
      plan.definitionOf(const_cast<ObjectSymbol *>(symbol));
  if (!s || s->isDefined() || s->isLocal())
    return s;
  return undefined.lookup(s->name);
}

ArrayRef<uint8_t> ObjectOriginal::bytes(const Place &at, uint64_t size) {
  if (!at.section || at.offset > at.section->data.size() ||
      size > at.section->data.size() - at.offset)
    return {};
  return ArrayRef(at.section->data).slice(at.offset, size);
}

std::optional<Place> ObjectOriginal::exceptionTable(const Place &function) {
  if (!function.section)
    return std::nullopt;
  const ObjectRelocation *r = plan.frames.lsda(*function.section);
  if (!r || !r->symbol || !r->symbol->section)
    return std::nullopt;
  return Place{r->symbol->section, nullptr, r->symbol->value + r->addend};
}

/// Relocations that mean the same in the same instruction.
static unsigned relocationClass(uint32_t type) {
  switch (type) {
  case R_X86_64_PLT32:
    return R_X86_64_PC32;
  case R_X86_64_GOTPCRELX:
  case R_X86_64_REX_GOTPCRELX:
    return R_X86_64_GOTPCREL;
  default:
    return type;
  }
}

bool ObjectOriginal::readField(const ObjectSection &, uint64_t from,
                               uint64_t to,
                               ArrayRef<ObjectRelocation> relocations,
                               const Place &at, OriginalField &out) {
  const ObjectRelocation &r = relocations.front();
  if (!at.section)
    return false;
  uint64_t offset = at.offset + (r.offset - from);
  ArrayRef<ObjectRelocation> all = r.type == R_X86_64_PC8
                                       ? at.section->shortJumps
                                       : at.section->relocations;
  auto theirs = partition_point(
      all, [&](const ObjectRelocation &o) { return o.offset < offset; });
  if (theirs == all.end() || theirs->offset != offset ||
      relocationClass(theirs->type) != relocationClass(r.type) ||
      (at.section->isCode() && theirs->toEnd != r.toEnd))
    return false;
  out = {};
  out.begin = r.offset;
  out.end = r.offset + fieldSize(r.type);
  if (out.end > to)
    return false;
  const ObjectSymbol *s = meant(theirs->symbol);
  if (!s) {
    out.kind = OriginalField::Kind::Nothing;
    return !r.symbol && r.addend == theirs->addend;
  }
  uint64_t shift = theirs->addend - r.addend;
  bool tls = s->type == STT_TLS;
  out.place = s->section ? Place{s->section, nullptr, s->value + shift, tls}
                         : Place{nullptr, s, shift, tls};
  return true;
}

const ObjectSymbol *ObjectOriginal::symbolAt(const Place &p) const {
  if (p.symbol)
    return p.offset == 0 ? p.symbol : nullptr;
  auto it = symbols.find({p.section, p.offset});
  return it == symbols.end() ? nullptr : it->second.front();
}

Original::Answer ObjectOriginal::isSame(const ObjectSymbol &s,
                                        const OriginalField &f) {
  if (f.place.symbol)
    return f.place.offset == 0 && !s.isLocal() && f.place.symbol->name == s.name
               ? Answer::Yes
               : Answer::No;
  auto it = symbols.find({f.place.section, f.place.offset});
  if (it == symbols.end())
    return s.isSection() || s.name.empty() ? Answer::Unknown : Answer::No;
  for (const ObjectSymbol *o : it->second) {
    // A static function that became global is still the same one.
    bool same = s.isLocal() || o->isLocal()
                    ? canonicalName(o->name) == canonicalName(s.name)
                    : o->name == s.name;
    bool mayBe = !s.isLocal() || !o->isLocal() || !pairs || pairs->mayBe(s, *o);
    // A name without a definition has no type.
    bool sameType = !s.isDefined() || o->isFunction() == s.isFunction();
    if (same && mayBe && sameType)
      return Answer::Yes;
  }
  return Answer::No;
}

bool ObjectOriginal::mayStartFunction(const Place &place) const {
  if (!place.section)
    return false;
  auto it = symbols.find({place.section, place.offset});
  return it != symbols.end() &&
         any_of(it->second, [](const ObjectSymbol *s) { return s->isFunction(); });
}

std::string ObjectOriginal::describe(const OriginalField &f) {
  if (const ObjectSymbol *s = symbolAt(f.place))
    return shown(s->name);
  return f.place.section ? f.place.section->name + "+" + hex(f.place.offset)
                         : "another place";
}

} // namespace relink
