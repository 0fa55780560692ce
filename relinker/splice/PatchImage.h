//===- PatchImage.h - What lld made of the patch ----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHIMAGE_H
#define RELINK_PATCHIMAGE_H

#include "EhFrame.h"
#include "Link.h"

namespace relink {

struct PatchSection {
  llvm::StringRef name;
  uint32_t type = 0;
  uint64_t flags = 0, address = 0, size = 0, align = 1, entrySize = 0;
  llvm::ArrayRef<uint8_t> data; ///< empty for NOBITS
};

struct PatchSymbol {
  llvm::StringRef name;
  uint64_t value = 0, size = 0;
  uint8_t type = 0, binding = 0, visibility = 0;
  const PatchSection *section = nullptr; ///< null: undefined or absolute
};

struct PatchRelocation {
  uint64_t offset = 0;
  uint32_t type = 0;
  const PatchSymbol *symbol = nullptr; ///< null for symbol 0
  int64_t addend = 0;
};

/// The linked patch. What is to be kept lies in the sections named .relink.*.
struct PatchImage {
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::vector<PatchSection> sections;
  std::vector<PatchSymbol> symbols, dynamicSymbols;
  std::vector<PatchRelocation> relocations; ///< .rela.dyn, then .rela.plt
  std::vector<UnwindRow> unwindRows;        ///< of its .eh_frame_hdr

  uint64_t start = 0, fileEnd = 0, rwEnd = 0; ///< writable part
  uint64_t rxStart = 0, rxEnd = 0;            ///< code and constants

  /// In a reserve there are no such parts, but the ends of what lies in each
  /// pool, by PoolKind - 1.
  std::array<uint64_t, reserve::poolKinds> poolEnds{};
  bool isInReserve = false;

  bool hasWritable() const { return rwEnd > start; }
  const PatchSection *section(llvm::StringRef name) const;
  const PatchSymbol *symbol(llvm::StringRef name) const;

  static llvm::Expected<PatchImage>
  read(std::unique_ptr<llvm::MemoryBuffer> buffer);
};

} // namespace relink

#endif
