//===- DwarfEntries.cpp - What an entry of DWARF says ---------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DwarfEntries.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {

/// Longer chains are no compiler's.
constexpr unsigned mostHops = 8;

DWARFDie referredEntry(DWARFDie die, Attribute a) {
  auto value = die.find(a);
  if (!value)
    return {};
  // LLVM looks signatures up in a DenseMap, which has its own use for these two.
  if (auto signature = value->getAsSignatureReference();
      signature && *signature >= ~uint64_t(1))
    return {};
  return die.getAttributeValueAsReferencedDie(*value);
}

DWARFDie behindSignature(DWARFDie die) {
  DWARFDie type = referredEntry(die, DW_AT_signature);
  return type ? type : die;
}

static DWARFDie next(DWARFDie die) {
  for (Attribute a : {DW_AT_abstract_origin, DW_AT_specification})
    if (DWARFDie to = referredEntry(die, a))
      return to;
  return {};
}

DWARFDie rootOf(DWARFDie die) {
  for (unsigned i = 0; i < mostHops; ++i) {
    DWARFDie to = next(die);
    if (!to)
      break;
    die = to;
  }
  return die;
}

std::optional<DWARFFormValue> findAlong(DWARFDie die, ArrayRef<Attribute> any) {
  for (unsigned i = 0; die && i < mostHops; ++i, die = next(die))
    if (auto value = die.find(any))
      return value;
  return std::nullopt;
}

DWARFDie declaredType(DWARFDie die) {
  for (unsigned i = 0; die && i < mostHops; ++i, die = next(die))
    if (DWARFDie type = referredEntry(die, DW_AT_type))
      return behindSignature(type);
  return {};
}

StringRef functionName(DWARFDie die) {
  StringRef linkage =
      toStringRef(findAlong(die, {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}));
  return linkage.empty() ? toStringRef(findAlong(die, DW_AT_name)) : linkage;
}

SmallVector<uint64_t, 2> startsOf(DWARFDie die) {
  SmallVector<uint64_t, 2> out;
  auto ranges = die.getAddressRanges();
  if (!ranges)
    consumeError(ranges.takeError());
  else
    for (const DWARFAddressRange &r : *ranges)
      if (r.LowPC < r.HighPC)
        out.push_back(r.LowPC);
  return out;
}

} // namespace relink
