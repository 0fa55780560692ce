//===- ReserveNote.h - The format of .note.relink ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ld.relink writes and relink reads; docs/format.md is the specification.
// Integers are little-endian and unaligned: a note is aligned to 4 bytes only.
//
// Places are distances from the field that holds them, so that the linker can
// fill them in (R_X86_64_PC64, R_AARCH64_PREL64) without dynamic relocations,
// and so that they hold at any load address and without section headers.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RESERVENOTE_H
#define RELINK_RESERVENOTE_H

#include "llvm/Support/Endian.h"
#include <cstdint>

namespace relink::reserve {

constexpr char noteOwner[] = "relink"; ///< n_name; 7 bytes with the NUL
constexpr uint32_t reserveNoteType = 1, spareHeaderNoteType = 2;
constexpr uint16_t noteVersion = 1;

constexpr unsigned poolKinds = 6;
enum class PoolKind : uint16_t { Text = 1, ReadOnly, Relro, Data, Bss, Tls };
/// As --patch-reserve and relink --reserve name them, by kind - 1.
constexpr const char *poolNames[poolKinds] = {"text", "rodata", "relro",
                                              "data", "bss",    "tls"};

/// Of the pool of code.
constexpr char textSection[] = ".relink.text";

enum class HotPatchKind : uint8_t {
  NotLookedAt,
  None,    ///< no object has entries
  Uniform, ///< every object that has entries has the same prefix
  Mixed,
};

using llvm::support::little64_t;
using llvm::support::ulittle16_t;
using llvm::support::ulittle32_t;
using llvm::support::ulittle64_t;

/// Start of the descriptor of a note of type 1. Sizes of what follows are in
/// it, so that later versions can add fields at the end of each record.
struct Header {
  ulittle16_t version, headerSize;
  ulittle16_t poolCount, poolSize;
  ulittle16_t spareCount, spareSize;
  ulittle32_t paddingBytes;   ///< behind each function section; 0: none
  ulittle16_t paddingPercent; ///< of each function section; 0: none
  uint8_t hotPatchKind;
  uint8_t flags;           ///< 0
  ulittle16_t entryNops;   ///< bytes of nops behind an entry, the least found
  ulittle16_t prefixNops;  ///< bytes of nops in front of it, the least found
  ulittle32_t codeObjects; ///< objects with functions, the toolchain's left out
  ulittle32_t readyObjects; ///< those of them that have hot-patch entries

  // From here on there if headerSize says so.
  ulittle16_t constructors; ///< spare words of .init_array
  ulittle16_t frameRows;    ///< spare records of .eh_frame, and rows for them
  ulittle32_t frameSize;    ///< bytes that these records take
  little64_t constructorDistance; ///< from this field to the first such word
  little64_t frameDistance;       ///< from this field to the first such record
  /// From this field to the word that spare dynamic relocations are of; 0: none.
  little64_t slotDistance;
  /// From these fields to the start and the end of the table of hot-patch entries:
  /// distances of 4 bytes, from each to the start of the nops.
  little64_t entriesDistance, entriesEndDistance;
};
static_assert(sizeof(Header) == 80);
constexpr unsigned leastHeaderSize = 32;

/// Spare entries of .dynsym: weak, undefined, of these names. The first is
/// followed by a number. The second is followed by dots, room for other names,
/// which is taken from its end.
constexpr char spareSymbolPrefix[] = "relink.spare.";
constexpr char stringRoomPrefix[] = "relink.room.";
/// Spare records of .eh_frame are of the first bytes of the text pool, one byte
/// each: so many are never code.
constexpr unsigned mostFrameRows = 64;
/// A section of zeros, not loaded, where records of patches go.
constexpr char recordPoolName[] = ".patch.record";

struct Pool {
  ulittle16_t kind, flags; ///< PoolKind; 0
  ulittle32_t padding;     ///< 0
  little64_t distance;     ///< from this field to the pool
  ulittle64_t size;
  ulittle64_t used; ///< bytes from its start that a patch has taken
};
static_assert(sizeof(Pool) == 32);

struct Spare {
  little64_t distance; ///< from this field to the note that holds the header
  ulittle64_t size;    ///< of that note, p_filesz of its PT_NOTE
};
static_assert(sizeof(Spare) == 16);

} // namespace relink::reserve

#endif
