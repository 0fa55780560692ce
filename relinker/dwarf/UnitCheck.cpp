//===- UnitCheck.cpp - Entries that LLVM may read -------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "UnitCheck.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/DebugInfo/DWARF/DWARFDebugAbbrev.h"
#include "llvm/DebugInfo/DWARF/DWARFTypeUnit.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {
namespace {

/// Walks entries as DWARFUnit::extractDIEsToVector does.
class Walk {
public:
  explicit Walk(DWARFUnit &unit)
      : unit(unit), params(unit.getFormParams()),
        data(unit.getInfoSection().Data.take_front(unit.getNextUnitOffset()),
             true, params.AddrSize),
        at(unit.getOffset() + unit.getHeaderSize()) {}
  ~Walk() { consumeError(at.takeError()); }

  /// False if an entry ends behind the unit.
  bool run(bool firstOnly);
  std::vector<DWARFUnit *> others; ///< that it refers to

private:
  bool skip(Form form);
  void addUnitAt(uint64_t offset);
  void addTypeUnit(uint64_t signature);

  DWARFUnit &unit;
  FormParams params;
  DataExtractor data;
  DataExtractor::Cursor at;
};

void Walk::addUnitAt(uint64_t offset) {
  DWARFUnit *other = unit.getUnitVector().getUnitForOffset(offset);
  if (other && other != &unit)
    others.push_back(other);
}

void Walk::addTypeUnit(uint64_t signature) {
  if (signature >= ~uint64_t(1))
    return; // see referredEntry()
  DWARFUnit *type =
      unit.getContext().getTypeUnitForHash(signature, unit.isDWOUnit());
  if (type && type != &unit)
    others.push_back(type);
}

/// DWARF 5, section 7.5.6. False for a form that LLVM does not know: it stops
/// there.
bool Walk::skip(Form form) {
  if (form == DW_FORM_ref_addr) {
    addUnitAt(data.getUnsigned(at, params.getRefAddrByteSize()));
    return true;
  }
  if (form == DW_FORM_ref_sig8) {
    addTypeUnit(data.getU64(at));
    return true;
  }
  if (auto size = getFixedFormByteSize(form, params)) {
    data.skip(at, *size);
    return true;
  }
  switch (form) {
  case DW_FORM_block:
  case DW_FORM_exprloc:
    data.skip(at, data.getULEB128(at));
    return true;
  case DW_FORM_block1:
    data.skip(at, data.getU8(at));
    return true;
  case DW_FORM_block2:
    data.skip(at, data.getU16(at));
    return true;
  case DW_FORM_block4:
    data.skip(at, data.getU32(at));
    return true;
  case DW_FORM_string:
    data.getCStrRef(at);
    return true;
  case DW_FORM_sdata:
    data.getSLEB128(at);
    return true;
  case DW_FORM_udata:
  case DW_FORM_ref_udata:
  case DW_FORM_strx:
  case DW_FORM_addrx:
  case DW_FORM_loclistx:
  case DW_FORM_rnglistx:
  case DW_FORM_GNU_addr_index:
  case DW_FORM_GNU_str_index:
    data.getULEB128(at);
    return true;
  case DW_FORM_LLVM_addrx_offset:
    data.getULEB128(at);
    data.skip(at, 4);
    return true;
  default:
    return false;
  }
}

bool Walk::run(bool firstOnly) {
  const DWARFAbbreviationDeclarationSet *abbreviations = unit.getAbbreviations();
  if (!abbreviations)
    return false;
  for (uint64_t depth = 0, end = data.size(); at.tell() < end;) {
    uint64_t code = data.getULEB128(at);
    if (!at)
      return false;
    if (code == 0) {
      if (depth <= 1)
        return true;
      --depth;
      continue;
    }
    const DWARFAbbreviationDeclaration *d =
        code <= UINT32_MAX ? abbreviations->getAbbreviationDeclaration(code)
                           : nullptr;
    if (!d)
      return code <= UINT32_MAX; // LLVM stops here
    for (const auto &a : d->attributes()) {
      Form form = a.Form;
      // An indirect form has no constant in the abbreviation to point to.
      if (form == DW_FORM_indirect) {
        form = Form(data.getULEB128(at));
        if (form == DW_FORM_indirect || form == DW_FORM_implicit_const)
          return false;
      }
      if (form == DW_FORM_implicit_const)
        continue;
      bool isKnown = at && skip(form);
      if (!at)
        return false;
      if (!isKnown)
        return true;
    }
    if (d->hasChildren())
      ++depth;
    if (firstOnly || depth == 0)
      return true;
  }
  return true;
}

} // namespace

bool UnitCheck::isFirstEntrySound(DWARFUnit &unit) {
  return Walk(unit).run(true);
}

bool UnitCheck::isSound(DWARFUnit &unit) {
  auto it = known.find(&unit);
  if (it != known.end())
    return it->second;
  bool sound = true;
  std::vector<DWARFUnit *> queue = {&unit};
  DenseSet<const DWARFUnit *> seen = {&unit};
  for (size_t n = 0; n < queue.size() && sound; ++n) {
    auto before = known.find(queue[n]);
    if (before != known.end()) {
      sound = before->second;
      continue;
    }
    Walk walk(*queue[n]);
    sound = walk.run(false);
    for (DWARFUnit *other : walk.others)
      if (seen.insert(other).second)
        queue.push_back(other);
  }
  // What a sound unit leads to is sound as well.
  if (sound)
    for (const DWARFUnit *u : queue)
      known[u] = true;
  known[&unit] = sound;
  return sound;
}

} // namespace relink
