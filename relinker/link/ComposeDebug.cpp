//===- ComposeDebug.cpp - The patch's DWARF in the link --------------------===//
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

} // namespace relink
