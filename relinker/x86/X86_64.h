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

// See the members of Target of these names.
llvm::Expected<SlotCode> goThroughSlotX86_64(llvm::ArrayRef<uint8_t> instruction,
                                             unsigned field, int32_t offset,
                                             bool thread);
llvm::Expected<Redirect> planRedirectX86_64(const Target &target,
                                            const RedirectSite &site,
                                            uint64_t destination);
uint64_t paddingLengthX86_64(const Target &target, llvm::ArrayRef<uint8_t> gap,
                             llvm::ArrayRef<uint8_t> following);
FieldUse fieldUseX86_64(llvm::ArrayRef<uint8_t> before);
bool isShortJumpX86_64(uint8_t opcode);
bool isLandingPadX86_64(llvm::ArrayRef<uint8_t> code);
/// See Target::measure(). False also for what it does not know.
bool measureX86_64(llvm::ArrayRef<uint8_t> code, uint64_t address,
                   Instruction &out);

} // namespace relink

#endif
