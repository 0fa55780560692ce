//===- RelocationTypes.h - x86-64 relocations in general --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// x86-64 psABI, table 4.9.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RELOCATIONTYPES_H
#define RELINK_RELOCATIONTYPES_H

#include "llvm/BinaryFormat/ELF.h"
#include <cstdint>

namespace relink {

/// True for relocations whose value counts from their place.
constexpr bool isPcRelative(uint32_t type) {
  switch (type) {
  case llvm::ELF::R_X86_64_PC32:
  case llvm::ELF::R_X86_64_PLT32:
  case llvm::ELF::R_X86_64_GOTPCREL:
  case llvm::ELF::R_X86_64_GOTPCRELX:
  case llvm::ELF::R_X86_64_REX_GOTPCRELX:
  case llvm::ELF::R_X86_64_PC64:
  case llvm::ELF::R_X86_64_PC8:
  case llvm::ELF::R_X86_64_PC16:
    return true;
  default:
    return false;
  }
}

/// Bytes of the field that a relocation of this type fills, or of the instruction that
/// it marks.
constexpr unsigned fieldSize(uint32_t type) {
  switch (type) {
  case llvm::ELF::R_X86_64_64:
  case llvm::ELF::R_X86_64_PC64:
  case llvm::ELF::R_X86_64_GOTOFF64:
  case llvm::ELF::R_X86_64_GOTPC64:
  case llvm::ELF::R_X86_64_GOT64:
  case llvm::ELF::R_X86_64_PLTOFF64:
  case llvm::ELF::R_X86_64_DTPOFF64:
  case llvm::ELF::R_X86_64_TPOFF64:
    return 8;
  case llvm::ELF::R_X86_64_TLSDESC_CALL:
  case llvm::ELF::R_X86_64_16:
  case llvm::ELF::R_X86_64_PC16:
    return 2;
  case llvm::ELF::R_X86_64_8:
  case llvm::ELF::R_X86_64_PC8:
    return 1;
  default:
    return 4;
  }
}

} // namespace relink

#endif
