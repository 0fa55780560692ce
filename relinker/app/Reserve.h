//===- Reserve.h - What ld.relink reserved in a program ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RESERVE_H
#define RELINK_RESERVE_H

#include "Image.h"
#include "Record.h"
#include "ReserveNote.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <vector>

namespace relink {

/// A range of the program that is kept free. Bytes of a .bss pool are in
/// memory only.
struct ReservePool {
  reserve::PoolKind kind = reserve::PoolKind::Text;
  uint64_t address = 0, size = 0, used = 0;
  std::optional<uint64_t> offset; ///< in the file
  uint64_t sizeField = 0, usedField = 0; ///< offsets in the file
};

struct Reserve {
  uint16_t version = 0;
  std::vector<ReservePool> pools;
  /// Indices of PT_NOTEs that hold nothing but a spare note.
  std::vector<unsigned> spareHeaders;
  uint32_t paddingBytes = 0, paddingPercent = 0;
  reserve::HotPatchKind hotPatch = reserve::HotPatchKind::NotLookedAt;
  unsigned entryNops = 0, prefixNops = 0; ///< bytes
  uint32_t codeObjects = 0, readyObjects = 0;
  /// The table of hot-patch entries; 0 and 0 if there is none.
  uint64_t entryTable = 0, entryTableSize = 0;

  // Room in tables, which patches fill where it is.
  uint64_t frames = 0, frameSize = 0; ///< in .eh_frame: address, bytes
  unsigned frameRows = 0;             ///< of .eh_frame_hdr, for these
  uint64_t constructors = 0;          ///< in .init_array: address
  unsigned constructorCount = 0;      ///< words
  /// What spare dynamic relocations are of; 0: there are none.
  uint64_t slot = 0;
  std::vector<unsigned> spareSymbols; ///< indices in .dynsym
  /// The entry of .dynsym whose name is room for others; 0: none.
  unsigned stringRoom = 0;
  std::optional<RecordPool> record;

  const ReservePool *pool(reserve::PoolKind kind) const;
  bool isInPool(uint64_t address) const;
};

/// Names the reserve's symbols in .dynsym.
bool isReserveSymbol(llvm::StringRef name);

/// Found through the program headers, so that it is there after strip. None if
/// \p image has no note of ld.relink; an error if what it says can't be.
llvm::Expected<std::optional<Reserve>> readReserve(const Image &image);

void printReserve(const Image &image, const Reserve &reserve,
                  llvm::raw_ostream &os);
llvm::json::Value toJson(const Image &image, const Reserve &reserve);

} // namespace relink

#endif
