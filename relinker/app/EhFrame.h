//===- EhFrame.h - The app's unwind tables ----------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// .eh_frame_hdr is the sorted search table that unwinders use (LSB, "Exception
// Frames"); .eh_frame holds the records. A static program of gcc has no table: its
// start-up code hands the records over (libgcc, __register_frame_info).
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_EHFRAME_H
#define RELINK_EHFRAME_H

#include "Image.h"
#include <vector>

namespace relink {

/// One row: where a function starts and where its FDE lies.
struct UnwindRow {
  uint64_t function = 0, fde = 0; ///< addresses
};

/// What an FDE says, as far as two of them are compared.
struct FdeView {
  uint64_t start = 0, size = 0;        ///< of the function
  bool hasLsda = false;
  uint64_t lsda = 0; ///< its address; 0 when the function has none
  uint64_t personality = 0; ///< address of the routine or of what holds it; 0: none
  bool isPersonalityIndirect = false;
  llvm::ArrayRef<uint8_t> cieInstructions, instructions;
  int64_t codeAlign = 0, dataAlign = 0;
};

struct UnwindTable {
  uint64_t address = 0;      ///< of .eh_frame_hdr, 0 when there is none
  uint64_t frameAddress = 0; ///< of .eh_frame
  /// Only the usual encoding (udata4 count, datarel|sdata4 rows) is readable.
  bool readable = false;
  uint64_t rows = 0;
  /// Where there is no table: what it would hold, of the records of the section.
  std::vector<UnwindRow> found;

  static UnwindTable read(const Image &image);
  UnwindRow row(const Image &image, uint64_t i) const;
  /// The number of rows whose function starts at or before \p address.
  uint64_t rowsUpTo(const Image &image, uint64_t address) const;
  /// What row \p i leads to; nothing when that can't be read.
  std::optional<FdeView> fdeOf(const Image &image, uint64_t i) const;
  /// The FDE of the function that contains \p address.
  std::optional<FdeView> find(const Image &image, uint64_t address) const;
};

/// Decodes the FDE whose length field is at \p offset of \p section bytes that
/// lie at \p sectionAddress.
std::optional<FdeView> decodeFde(llvm::ArrayRef<uint8_t> section,
                                 uint64_t sectionAddress, uint64_t offset);

} // namespace relink

#endif
