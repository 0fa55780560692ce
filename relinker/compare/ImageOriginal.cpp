//===- ImageOriginal.cpp - Comparing with the finished program ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Original.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read64le;

namespace relink {

ArrayRef<uint8_t> ImageOriginal::bytes(const Place &at, uint64_t size) {
  return image.bytesAt(at.offset, size);
}

std::optional<Place> ImageOriginal::exceptionTable(const Place &function) {
  auto fde = unwind.find(image, function.offset);
  if (!fde || fde->start != function.offset || !fde->lsda)
    return std::nullopt;
  return Place{nullptr, nullptr, fde->lsda};
}

std::optional<Place> ImageOriginal::personality(const Place &function) {
  auto fde = unwind.find(image, function.offset);
  if (!fde || !fde->personality)
    return std::nullopt;
  if (!fde->isPersonalityIndirect)
    return Place{nullptr, nullptr, fde->personality};
  OriginalField f;
  if (!readPointer(fde->personality, f) || f.kind != OriginalField::Kind::Place)
    return std::nullopt;
  return f.place;
}

/// Linkers put the RELATIVE relocations first, sorted (DT_RELACOUNT); the rest
/// is short.
void ImageOriginal::indexRelocations() {
  indexed = true;
  ArrayRef<Rela> all = image.relocations();
  relatives = all.take_while(
      [](const Rela &r) { return r.getType(false) == R_X86_64_RELATIVE; });
  relativesSorted = is_sorted(relatives, [](const Rela &a, const Rela &b) {
    return a.r_offset < b.r_offset;
  });
  for (const Rela &r : all.drop_front(relativesSorted ? relatives.size() : 0))
    others[r.r_offset] = &r;
  for (const Rela &r : image.pltRelocations())
    others[r.r_offset] = &r;
}

const Rela *ImageOriginal::relocationAt(uint64_t address) {
  if (!indexed)
    indexRelocations();
  if (auto it = others.find(address); it != others.end())
    return it->second;
  if (!relativesSorted)
    return nullptr;
  auto r = partition_point(
      relatives, [&](const Rela &r) { return r.r_offset < address; });
  return r != relatives.end() && r->r_offset == address ? r : nullptr;
}

void ImageOriginal::setName(uint32_t symbol, int64_t addend,
                            OriginalField &out) {
  const Sym &s = image.dynamicSymbols()[symbol];
  out.kind = OriginalField::Kind::Name;
  out.name = image.dynamicName(s);
  out.isHere = s.st_shndx != SHN_UNDEF;
  out.place = {nullptr, nullptr, s.st_value + addend};
  out.nameOffset = addend;
}

/// What the pointer at \p address holds once the app is loaded.
bool ImageOriginal::readPointer(uint64_t address, OriginalField &out) {
  if (const Rela *r = relocationAt(address)) {
    switch (uint32_t(r->getType(false))) {
    case R_X86_64_RELATIVE:
    case R_X86_64_IRELATIVE:
      out.place = {nullptr, nullptr, uint64_t(r->r_addend)};
      return true;
    case R_X86_64_64:
    case R_X86_64_GLOB_DAT:
    case R_X86_64_JUMP_SLOT: {
      uint32_t symbol = r->getSymbol(false);
      if (symbol >= image.dynamicSymbols().size())
        return false;
      setName(symbol, r->r_addend, out);
      return true;
    }
    default:
      return false;
    }
  }
  // A word that no table relocates holds its link-time value, one of RELR too.
  ArrayRef<uint8_t> word = image.bytesAt(address, 8);
  if (word.empty())
    return false;
  out.place = {nullptr, nullptr, read64le(word.data())};
  return true;
}

Place ImageOriginal::fromThreadPointer(int64_t offset) const {
  uint64_t end = threadBlockSize(image.segmentOfType(PT_TLS));
  return {nullptr, nullptr, end + offset, true};
}

bool ImageOriginal::readBlockOffset(const Rela *r, uint64_t slot,
                                    OriginalField &out) {
  if (r && r->getSymbol(false)) {
    if (r->getSymbol(false) >= image.dynamicSymbols().size())
      return false;
    setName(r->getSymbol(false), r->r_addend, out);
    out.place.tls = true;
    return true;
  }
  if (r) {
    out.place = {nullptr, nullptr, uint64_t(r->r_addend), true};
    return true;
  }
  ArrayRef<uint8_t> word = image.bytesAt(slot, 8);
  if (word.empty())
    return false;
  out.place = {nullptr, nullptr, read64le(word.data()), true};
  return true;
}

bool ImageOriginal::readThreadOffset(uint64_t slot, OriginalField &out) {
  const Rela *r = relocationAt(slot);
  if (r)
    return r->getType(false) == R_X86_64_TPOFF64 &&
           readBlockOffset(r, slot, out);
  ArrayRef<uint8_t> word = image.bytesAt(slot, 8);
  if (word.empty())
    return false;
  out.place = fromThreadPointer(read64le(word.data()));
  return true;
}

/// What refers to the old entry of a function that was patched means the function.
bool ImageOriginal::readField(const ObjectSection &ours, uint64_t from,
                              uint64_t to,
                              ArrayRef<ObjectRelocation> relocations,
                              const Place &at, OriginalField &out) {
  if (!readLinked(ours, from, to, relocations, at, out))
    return false;
  if (out.kind == OriginalField::Kind::Place && !out.place.tls)
    out.place.offset = earlier.bodyOf(out.place.offset);
  return true;
}

bool ImageOriginal::readLinked(const ObjectSection &ours, uint64_t from,
                               uint64_t to,
                               ArrayRef<ObjectRelocation> relocations,
                               const Place &at, OriginalField &out) {
  const ObjectRelocation &r = relocations.front();
  ArrayRef<uint8_t> linked = bytes(at, to - from);
  LinkedField f;
  if (!target.readLinkedField(ArrayRef(ours.data).slice(from, to - from),
                              r.offset - from, relocations, linked, at.offset,
                              f))
    return false;
  out = {};
  out.begin = f.begin + from;
  out.end = f.end + from;
  out.consumed = f.consumed;
  uint64_t place = f.value - r.addend;
  switch (f.kind) {
  case LinkedField::Kind::Address:
    // A pointer in data is what the loader makes of it.
    if (r.type == R_X86_64_64 && image.isPositionIndependent()) {
      if (!readPointer(at.offset + (r.offset - from), out))
        return false;
      out.place.offset -= r.addend;
      out.nameOffset -= r.addend;
      return out.nameOffset == 0 || out.kind != OriginalField::Kind::Name;
    }
    out.place = {nullptr, nullptr, place};
    return true;
  case LinkedField::Kind::Slot:
    return readPointer(place, out) && out.nameOffset == 0;
  case LinkedField::Kind::TlsThread:
    out.place = fromThreadPointer(place);
    return true;
  case LinkedField::Kind::TlsBlock:
    out.place = {nullptr, nullptr, place, true};
    return true;
  case LinkedField::Kind::TlsSlot:
    return readThreadOffset(place, out);
  case LinkedField::Kind::TlsIndex: {
    const Rela *offset = relocationAt(place + 8);
    if (!offset)
      if (const Rela *module = relocationAt(place);
          module && module->getSymbol(false))
        return readBlockOffset(module, place, out);
    return readBlockOffset(offset, place + 8, out);
  }
  case LinkedField::Kind::TlsDescriptor:
    return readBlockOffset(relocationAt(place), place + 8, out);
  case LinkedField::Kind::Nothing:
    out.kind = OriginalField::Kind::Nothing;
    return true;
  }
  llvm_unreachable("all kinds are handled");
}

Original::Answer ImageOriginal::isSame(const ObjectSymbol &s,
                                       const OriginalField &f) {
  auto named = [&](StringRef pattern) { return Selections::matches(s, pattern); };
  if (any_of(config.newData, named))
    return Answer::No;
  if (f.kind == OriginalField::Kind::Name)
    return f.name == s.name ? Answer::Yes : Answer::No;
  if (f.place.tls != (s.type == STT_TLS) && s.type != STT_NOTYPE)
    return Answer::No;
  auto candidates = counterparts.all(s);
  for (const AppSymbol *a : candidates)
    if (a->address == f.place.offset)
      return imports.ifuncResolver(a->address) ? Answer::Stub : Answer::Yes;
  for (const AppSymbol *a : candidates)
    if (a->type == STT_GNU_IFUNC &&
        imports.ifuncResolver(f.place.offset) == a->address)
      return Answer::Stub;
  // Old callers of a function that was patched before.
  for (const AppSymbol *a : index.find(plainName(s.name)))
    if (a->address == f.place.offset && a->name == s.name + ".relink.orig")
      return Answer::Stub;
  const DynamicReference *dynamic =
      s.isLocal() ? nullptr : imports.find(s.name);
  if (dynamic && f.place.offset &&
      (dynamic->pltEntry == f.place.offset ||
       dynamic->canonicalPlt == f.place.offset))
    return Answer::Stub;
  if (!s.isDefined() && s.isWeak() && f.place.offset == 0)
    return Answer::Yes;
  if (!candidates.empty() || (dynamic && imports.undefined(s.name)))
    return Answer::No;
  return index.hasFullTable && s.isDefined() ? Answer::No : Answer::Unknown;
}

std::string ImageOriginal::describe(const OriginalField &f) {
  if (f.kind == OriginalField::Kind::Name)
    return shown(f.name);
  return (f.place.tls ? "thread-local offset " : "") + hex(f.place.offset);
}

} // namespace relink
