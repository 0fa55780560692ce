//===- FunctionPadding.h - Room behind each function ------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing inside of an object moves: relocations, symbols, groups and .eh_frame stay
// right as they are. Either a longer copy of each section of code is appended to the
// file and the section's header is pointed there; or the section only becomes longer in
// its header, over what follows it in the file, and the bytes that are too many are
// written when lld copies the section to the output (GrownSections.h). The latter
// copies nothing but the headers' pages.
//
// A section is left alone if what follows it has to follow directly: .init and
// .fini, whose parts fall through, sections named by a C identifier, which are
// iterated from __start_NAME to __stop_NAME, and any without a symbol of type
// STT_FUNC, because that was written by hand for a purpose unknown.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_FUNCTIONPADDING_H
#define RELINK_LLD_FUNCTIONPADDING_H

#include "EntryTable.h"
#include "GrownSections.h"
#include "LinkOptions.h"
#include "llvm/Support/MemoryBufferRef.h"

namespace relink {

/// Bytes that stop a program that runs into them: int3 on x86, udf #0 on
/// AArch64.
void fillWithTraps(uint16_t machine, char *at, uint64_t size);

/// Where a padded object's bytes go.
class PaddedObject {
public:
  /// Empty (isPadded() false) when \p bytes are no object with code to pad, or
  /// one that lld will refuse.
  static PaddedObject plan(llvm::StringRef bytes, const ObjectChanges &changes);

  bool isPadded() const { return !sections.empty() || entries; }
  bool hasSmallTable() const { return bool(entries); }
  uint64_t size() const { return newSize; }
  /// Writes size() bytes.
  void write(char *out) const;

  /// Whether edit() can do it: no section grows over the end of the file.
  bool canStay() const;
  /// Makes sections longer in \p copy, the object's bytes, which may be shared with it
  /// up to here.
  void edit(char *copy) const;
  /// What edit() has made longer.
  std::vector<GrownSection> grown() const;

private:
  struct PaddedSection {
    uint64_t headerOffset, offset, size, newOffset, newSize;
  };
  template <class ELFT> void writeSizes(char *out) const;
  template <class ELFT> void planSections(const Padding &padding);
  template <class ELFT> void writeHeaders(char *out) const;

  llvm::StringRef bytes;
  std::vector<PaddedSection> sections;
  EntryTable entries;
  uint64_t newSize = 0;
  uint16_t machine = 0;
  unsigned char fileClass = 0;
};

/// Whether code of this e_machine is padded.
bool canPad(uint16_t machine);

} // namespace relink

#endif
