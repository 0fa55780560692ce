//===- CodeReferences.h - What in the app's code leads to a function -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Not all code is decoded: bytes are searched for fields that lead to one of the
// wanted addresses, and the functions around them are decoded from their start
// through to their end, which tells instructions from chance.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CODEREFERENCES_H
#define RELINK_CODEREFERENCES_H

#include "AddressMap.h"
#include "CodeMap.h"
#include "Target.h"

namespace relink {

struct CodeReference {
  uint64_t place = 0;  ///< address of the field, or of bytes that may be one
  uint64_t target = 0; ///< one of the wanted addresses
  bool isCertain = false; ///< decoded; otherwise the code could not be
  bool isEntry = false;   ///< a jump that its function starts with
  bool isBranch = false;  ///< a direct call or jump with a 32-bit field
};

/// Direct calls and jumps with a 32-bit field that are known to lead to one of
/// \p wanted, by address.
std::vector<CodeReference>
findDirectBranches(const Image &image, const UnwindTable &unwind,
                   const Target &target,
                   const AddressSet &wanted);

/// Everything in the code that does, or may, refer to one of \p wanted, by
/// address: short jumps and PC-relative operands too, and in a program at fixed
/// addresses any constant of that value.
std::vector<CodeReference>
findCodeReferences(const Image &image, const UnwindTable &unwind,
                   const Target &target,
                   const AddressSet &wanted);

} // namespace relink

#endif
