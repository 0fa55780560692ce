//===- SameInstruction.h - What two decoders have to agree on ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_TEST_SAMEINSTRUCTION_H
#define RELINK_TEST_SAMEINSTRUCTION_H

#include "Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace relink {

/// All but the registers, for people.
inline std::string describe(const Instruction &i) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << i.size << " bytes";
  for (auto [is, name] :
       {std::pair(i.isCall, "call"), {i.isBranch, "branch"},
        {i.isConditional, "conditional"}, {i.isIndirect, "indirect"},
        {i.isNop, "nop"}, {i.endsFlow, "ends flow"}})
    if (is)
      os << ", " << name;
  if (i.branchTarget)
    os << ", to " << llvm::utohexstr(*i.branchTarget);
  if (i.memoryTarget)
    os << ", memory " << llvm::utohexstr(*i.memoryTarget);
  if (i.fieldSize)
    os << ", field of " << i.fieldSize << " at " << i.fieldOffset;
  return text;
}

/// Nothing, or how Target::measureQuickly() and Target::decode() differ on the
/// instruction at the start of \p bytes.
inline std::string quickDifference(const Target &target,
                                   llvm::ArrayRef<uint8_t> bytes,
                                   uint64_t address) {
  Instruction quick, whole;
  if (!target.measureQuickly(bytes, address, quick))
    return {};
  std::string as = target.decode(bytes, address, whole) ? describe(whole)
                                                        : "no instruction";
  if (describe(quick) == as)
    return {};
  return llvm::toHex(bytes.take_front(16)) + ": quickly " + describe(quick) +
         "; by LLVM " + as;
}

} // namespace relink

#endif
