//===- Record.h - What a patch did, kept in the patched file ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The record says which bytes of the original were changed, and what they were:
// with it the original can be restored and every byte be accounted for. It lies
// in the section .patch.record; where no section header was written, behind what
// the ELF headers describe. docs/format.md describes it byte by byte.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RECORD_H
#define RELINK_RECORD_H

#include "Hash.h"
#include "Image.h"
#include "llvm/Support/JSON.h"

namespace relink {

/// A range of the original that was overwritten.
struct RecordedEdit {
  uint64_t offset = 0, size = 0;
  uint64_t check = 0; ///< shortHash() of the new bytes
};

struct Record {
  FileHash original;       ///< of the whole file before
  uint64_t elfEnd = 0;     ///< what follows in the original was moved to the end
  uint64_t tailOffset = 0; ///< where the appended part starts
  uint64_t resultSize = 0; ///< of the patched file
  Digest tailHash{}; ///< BLAKE3 from elfEnd to the payload, itself as zeros
  std::vector<RecordedEdit> edits;  ///< ascending, disjoint
  std::vector<uint8_t> originals;   ///< the bytes of `edits` before, in order
  llvm::json::Object description;   ///< what was replaced, from what

  uint64_t offset = 0; ///< of the record in the file it was read from
  uint64_t size = 0;
  /// Nothing was appended: the record lies where the original has zeros.
  bool isInside = false;

  /// Whether a file of this hash is the original.
  bool isOriginal(const FileHash &hash) const {
    return hash.tree == original.tree &&
           (!original.sha || hash.sha == original.sha);
  }
  /// Bytes behind elfEnd in the original: a payload (a zip), or an older record.
  uint64_t payloadSize() const { return original.size - elfEnd; }
  /// Whether the file's byte at \p at was appended by the patch.
  bool isAppended(uint64_t at) const { return !isInside && at >= tailOffset; }
};

/// Patches of one file that are followed back.
constexpr unsigned mostPatches = 1000;

constexpr llvm::StringLiteral recordSection = ".patch.record";
/// Where, from a record's start, its tailHash is.
constexpr uint64_t tailHashOffset = 136;
constexpr uint64_t resultSizeOffset = 48;
/// And the checks of its edits: each the last 8 bytes of 24.
constexpr uint64_t editsOffset = 168, editEntrySize = 24;

/// A section that ld.relink made for records, which lie in it one behind the
/// other, each at a multiple of 8.
struct RecordPool {
  uint64_t offset = 0, size = 0; ///< in the file
  uint64_t used = 0;             ///< bytes from its start
};

std::optional<RecordPool> findRecordPool(const Image &file);

std::vector<uint8_t> encodeRecord(const Record &record);

/// Sorts, and joins what overlaps or touches.
void normalizeEdits(std::vector<RecordedEdit> &edits);

/// The newest record in \p file; nothing when there is none. An error when there
/// is one that can't be read, or that contradicts the file's size.
llvm::Expected<std::optional<Record>> readRecord(const Image &file);

/// BLAKE3 of what a patch appended to \p file, or of the record if it appended
/// nothing; with zeros for the hash itself.
Digest hashTail(llvm::ArrayRef<uint8_t> file, const Record &record);

/// The file as it was before the newest patch, as far as \p record tells; its
/// hash is not checked.
std::vector<uint8_t> restore(llvm::ArrayRef<uint8_t> file, const Record &record);

} // namespace relink

#endif
