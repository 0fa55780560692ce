//===- X86_64.h - Parts of the x86-64 target --------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_X86_64_H
#define RELINK_X86_64_H

#include "Target.h"

namespace relink {

/// With IBT, indirect calls must land on this instruction.
constexpr uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

inline bool startsWithEndbr(llvm::ArrayRef<uint8_t> bytes) {
  return bytes.take_front(sizeof(endbr64)).equals(endbr64);
}

/// See Target::followAddresses().
AddressFlow followAddressesX86_64(llvm::ArrayRef<uint8_t> instruction);

/// See Target::displaceEntry().
llvm::Expected<DisplacedCode> displaceEntryX86_64(const Target &target,
                                                  llvm::ArrayRef<uint8_t> body,
                                                  uint64_t entry);

/// See Target::readLinkedField().
bool readLinkedFieldX86_64(llvm::ArrayRef<uint8_t> object, uint64_t place,
                           llvm::ArrayRef<ObjectRelocation> relocations,
                           llvm::ArrayRef<uint8_t> linked, uint64_t address,
                           LinkedField &out);

} // namespace relink

#endif
