//===- AddedSection.h - One section more in a linked file -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ADDEDSECTION_H
#define RELINK_LLD_ADDEDSECTION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Object/ELFTypes.h"
#include <optional>
#include <vector>

namespace relink {

/// How a file that lld has written gets a section more: what follows the names
/// of sections moves, and all of it is known before the contents are, but for the
/// section headers and the file's.
class AddedSection {
public:
  /// None if \p file is not of the form that lld writes: names of sections, other
  /// sections that are not loaded, section headers. Nothing is changed.
  static std::optional<AddedSection> plan(llvm::ArrayRef<uint8_t> file,
                                          llvm::StringRef name);

  /// From \p file, before the section's contents: each at its new offset. The
  /// file's header is missing, and its bytes are none of these.
  struct Part {
    uint64_t offset;
    llvm::ArrayRef<uint8_t> bytes;
  };
  std::vector<Part> firstParts() const;

  /// Of a section of \p size bytes, where they begin in the file.
  uint64_t contentsAt() const { return contentsOffset; }
  /// The section headers, for behind those, with their offset, and the file's
  /// header: where they are is written there.
  std::vector<uint8_t> finish(uint64_t size);
  uint64_t headersAt() const { return headersOffset; }
  llvm::ArrayRef<uint8_t> fileHeader() const { return header; }
  uint64_t fileSize() const; ///< after finish()

private:
  using Shdr = llvm::object::ELF64LE::Shdr;
  llvm::ArrayRef<uint8_t> file;
  uint64_t keep = 0; ///< bytes of the file that stay where they are
  std::vector<uint8_t> inserted, header;
  std::vector<Shdr> headers;
  uint32_t names = 0; ///< index of .shstrtab
  uint64_t oldHeaders = 0, contentsOffset = 0, headersOffset = 0;
};

/// Whether a file of this header gets one: x86-64 and little-endian AArch64.
bool canAddSection(llvm::ArrayRef<uint8_t> file);

} // namespace relink

#endif
