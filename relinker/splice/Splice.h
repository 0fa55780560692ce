//===- Splice.h - Joining the patch image to the app ------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Output = the app's bytes + edits + an appended tail. The tail is, in order:
// the writable segment's file bytes, the read-only and executable segment's
// bytes (with every merged table), sections that are not loaded, the section
// header table, and the payload the app carried behind its ELF part.
//
// Each step lives in a file of its own, named after the table it merges.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SPLICE_H
#define RELINK_SPLICE_H

#include "PatchImage.h"
#include "Record.h"
#include "ReserveSpace.h"

namespace relink {

/// New bytes for a place in the original.
struct Edit {
  uint64_t offset = 0;
  std::vector<uint8_t> bytes;
  std::string what; ///< for --dry-run and the record
};

/// A section header to be written; `original` is its index in the app or -1.
struct OutputSection {
  std::string name;
  Shdr header{};
  int original = -1;
  std::string renamed; ///< a new name for an original section
};

/// What was done, for the summary.
struct ReplacedFunction {
  std::string name;
  uint64_t oldAddress = 0, oldSize = 0, newAddress = 0, newSize = 0;
  uint64_t newEntry = 0; ///< the body, or what saves registers for it
  RedirectMethod method = RedirectMethod::NearJump;
  std::string preserved; ///< registers its entry saves for the callers
};

/// The output as it takes shape. Offsets in the tail count from `tailOffset`.
struct Output {
  std::vector<Edit> edits;
  uint64_t tailOffset = 0;
  std::vector<uint8_t> tail;

  std::vector<Phdr> segments;
  std::vector<OutputSection> sections; ///< empty: the app has no table
  std::vector<std::pair<int64_t, uint64_t>> dynamic;
  bool dynamicChanged = false;
  uint64_t dynamicAddress = 0; ///< where it will be, if it moves

  uint64_t tableOffset = 0; ///< of the program headers
  bool mergeNotes = false;  ///< two PT_NOTEs become one, to save an entry
  uint64_t rxStart = 0;   ///< address of the RX segment
  uint64_t rxOffset = 0;  ///< its offset in the tail
  uint64_t rxFileSize = 0; ///< set when the RX segment is complete
  uint64_t rwEnd = 0;     ///< address of the end of the RW segment in memory
  uint64_t rwFileSize = 0;

  /// Old to new index of the app's dynamic symbols; empty when unchanged.
  std::vector<uint32_t> dynamicIndex;

  Record record;             ///< of this patch
  uint64_t recordAt = 0;     ///< its offset in the tail
  std::vector<uint8_t> recordBytes; ///< of one in the reserve

  /// Where the patch goes instead of a tail; null: it has one.
  ReserveSpace *space = nullptr;
  /// What had no room in `space`, in words; empty if all had.
  std::string reserveLacks;
  std::vector<std::pair<reserve::PoolKind, uint64_t>> reserveTaken; ///< bytes

  /// FileHash::tree that the finished file must have, if that is known.
  std::optional<Digest> expected;

  std::vector<ReplacedFunction> replaced;
  unsigned redirectedCalls = 0, redirectedSlots = 0; ///< by --redirect-calls
  std::vector<std::string> unchanged; ///< new body and old are the same bytes
  std::vector<std::string> newImports, notes;

  /// Room in the RX segment. \p bytes may be filled in later through the
  /// returned tail offset.
  struct Place {
    uint64_t address = 0, tailAt = 0;
  };
  Place allocate(llvm::ArrayRef<uint8_t> bytes, uint64_t align);
  void fill(Place place, llvm::ArrayRef<uint8_t> bytes);
  /// Bytes of the original with the edits made so far; the edits are dropped,
  /// since the caller writes the bytes elsewhere.
  std::vector<uint8_t> takeEdited(const Image &image, uint64_t offset,
                                  uint64_t size);
  void edit(uint64_t offset, llvm::ArrayRef<uint8_t> bytes, llvm::Twine what);
  /// Index of the section of the patch that holds \p address: a new one, or in a
  /// reserve the pool.
  std::optional<uint16_t> newSectionAt(uint64_t address) const;
  OutputSection *sectionAt(uint64_t address, uint32_t type);
  unsigned addSection(llvm::StringRef name, uint32_t type, uint64_t flags,
                      uint64_t address, uint64_t offset, uint64_t size,
                      uint64_t align);
  /// Adds or changes an entry of .dynamic.
  void setDynamic(int64_t tag, uint64_t value);
  bool hasTail() const { return !tail.empty(); }
};

/// What identifies the inputs of a patch.
struct Identity {
  const FileHash &original;
  std::string buildId;          ///< the original's, or empty
  std::vector<Digest> patches;  ///< SHA-256 of each patch file
};

struct SpliceContext {
  const Config &config;
  const Image &image;
  const Plan &plan;
  const LinkInputs &inputs;
  const PatchImage &patch;
  const UnwindTable &unwind;
  const Target &target;
  const Reserve *reserve = nullptr;   ///< null: the app has none
  const Identity *identity = nullptr; ///< null: no record is kept
};

/// The patch in segments of its own, behind the app.
llvm::Expected<Output> splice(const SpliceContext &context,
                              const Placement &placement);

/// The patch in \p space. `reserveLacks` says what has no room there.
llvm::Expected<Output> spliceIntoReserve(const SpliceContext &context,
                                         ReserveSpace &space);

/// The app's headers and tables, with nothing changed.
Output startOutput(const SpliceContext &context);
bool isKept(const PatchSection &section);

/// By how much the offsets of the app's thread-locals, counted from their
/// block's start, have grown.
uint64_t tlsShift(const SpliceContext &c);

/// Whether \p more program headers fit behind the table as it stands,
/// where \p reserve has not left enough.
bool canGrowProgramHeaders(const Image &image, const Reserve *reserve,
                           unsigned more);

// The steps, in the order splice() takes them.
void copyPatchSegments(const SpliceContext &c, const Placement &placement,
                       Output &out);
llvm::Error redirectEntries(const SpliceContext &c, Output &out);
void redirectCalls(const SpliceContext &c, Output &out);
llvm::Error mergeTls(const SpliceContext &c, Output &out);
llvm::Error mergeConstructors(const SpliceContext &c, Output &out);
llvm::Error mergeDynamicTables(const SpliceContext &c, Output &out);
llvm::Error mergeUnwindTable(const SpliceContext &c, Output &out);
void fillSpareFrames(const SpliceContext &c, Output &out);
llvm::Error makeRoomForSegments(const SpliceContext &c, Output &out);
llvm::Error writeDynamicSection(const SpliceContext &c, Output &out);
llvm::Error writeProgramHeaders(const SpliceContext &c, Output &out);
llvm::Error mergeSymbolTable(const SpliceContext &c, Output &out);
void hideReplacedFunctions(const SpliceContext &c, Output &out);
void addDebugInfo(const SpliceContext &c, Output &out);
void addDebugFrame(const SpliceContext &c, Output &out);
void placeRecord(const SpliceContext &c, Output &out);
llvm::Error writeHeaders(const SpliceContext &c, Output &out);
llvm::Error writeRecord(const SpliceContext &c, Output &out);
void addPatchNote(const SpliceContext &c, Output &out);

Phdr makeSegment(uint32_t type, uint32_t flags, uint64_t address,
                 uint64_t offset, uint64_t fileSize, uint64_t memorySize,
                 uint64_t align);

/// Offset in the tail of a patch address, or nothing for .bss.
std::optional<uint64_t> tailOffsetOf(const Output &out, const PatchImage &patch,
                                     uint64_t address);

} // namespace relink

#endif
