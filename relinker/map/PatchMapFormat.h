//===- PatchMapFormat.h - The format of .patch.map --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ld.relink writes and relink reads; docs/format.md is the specification.
// A header, a table of blocks, and the blocks, each packed by zstd alone: a
// reader unpacks only those it needs. In blocks integers are ULEB128, strings
// are their length and their bytes.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHMAPFORMAT_H
#define RELINK_PATCHMAPFORMAT_H

#include "RelocationTypes.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"
#include <cstdint>
#include <vector>

namespace relink::map {

using llvm::support::ulittle32_t;

constexpr char sectionName[] = ".patch.map";
constexpr char magic[16] = {'r', 'e', 'l', 'i', 'n', 'k', ' ',  'm',
                            'a', 'p', 0,   0,   0,   0,   '\r', '\n'};
/// Readers know version 3 as well, which has no block of kind Prefix.
constexpr uint32_t formatVersion = 4, oldestVersion = 3;

enum class BlockKind : uint32_t {
  Inputs = 1,
  Objects, ///< the lengths of the inputs' details, in their order
  Names,   ///< ended by NULs; numbers count from 0 through all such blocks
  Definers, ///< one for each block of names: which input defines each
  Folds,    ///< functions that share their code with others
  Details,  ///< behind those lengths: a part of the details of each input
  Inlined,  ///< of each input: which functions hold copies of others
  Prefix,   ///< bytes of the program that blocks may be packed with
};

/// In BlockEntry::kind: packed with the prefix.
constexpr uint32_t isPrefixed = uint32_t(1) << 31;

/// Bytes of a prefix, at most: a reader that unpacks goes through all of it.
constexpr uint64_t mostPrefix = uint64_t(1) << 20;

/// Block table entries follow the header, the blocks follow them.
struct Header {
  char magic[16];
  ulittle32_t version, flags; ///< 4, 0
  ulittle32_t blockCount, blockEntrySize;
};
static_assert(sizeof(Header) == 32);

struct BlockEntry {
  ulittle32_t kind; ///< BlockKind, and isPrefixed
  ulittle32_t packed, unpacked; ///< bytes
  ulittle32_t count;            ///< records in it
};
static_assert(sizeof(BlockEntry) == 16);

/// Readers refuse larger blocks before they unpack them, and those of more than
/// blockBase and mostRatio times their packed size.
constexpr uint64_t mostUnpacked = uint64_t(32) << 20;
constexpr uint64_t blockBase = uint64_t(1) << 20, mostRatio = 200;

enum class InputKind : uint8_t { Object = 1, Bitcode };

/// Whether an input's DWARF has told of inlined copies.
enum class Inlining : uint8_t {
  Unknown,
  All,
  Part, ///< what could be read; there may be others
};

/// Of a function that was inlined: its name is the linkage name; other units may
/// know it by that name.
constexpr uint64_t inlinedHasLinkageName = 1, inlinedMayBeExternal = 2;

/// What is known of a section's bytes.
enum class SectionKind : uint8_t {
  Placed = 1, ///< they are in the program
  Contents,   ///< they are in the map
  NoBits,
};

/// Where a symbol is defined; its section's number, from 1, is added.
constexpr uint64_t homeUndefined = 0, homeAbsolute = 1, homeCommon = 2,
                   homeSections = 2;

/// Bytes of an x86-64 relocation's field, for which the map says nothing: in the
/// object they are zero (psABI, table 4.9).
constexpr unsigned fieldSize(uint32_t type) {
  bool isNone = type == llvm::ELF::R_X86_64_NONE ||
                type == llvm::ELF::R_X86_64_TLSDESC_CALL; // marks an instruction
  return isNone ? 0 : relink::fieldSize(type);
}

/// Bytes of a field that holds the distance from itself to symbol plus addend, if
/// the symbol is where the linker put its section: the addend follows from them.
constexpr unsigned distanceSize(uint32_t type) {
  return type == llvm::ELF::R_X86_64_PC32 || type == llvm::ELF::R_X86_64_PLT32 ? 4
         : type == llvm::ELF::R_X86_64_PC64                                    ? 8
                                                                               : 0;
}

/// The addend by what the \p field at \p place holds.
inline int64_t addendIn(llvm::ArrayRef<uint8_t> field, uint64_t place,
                        uint64_t symbol) {
  uint64_t distance =
      field.size() == 8
          ? llvm::support::endian::read64le(field.data())
          : int64_t(int32_t(llvm::support::endian::read32le(field.data())));
  return distance + place - symbol;
}

/// Of addends, one after the other, from 0 on.
constexpr uint64_t mixAddend(uint64_t sum, int64_t addend) {
  constexpr uint64_t odd = 0x9e3779b97f4a7c15; // 2^64 by the golden ratio
  sum = (sum ^ uint64_t(addend)) * odd;
  return sum ^ (sum >> 32);
}

/// What tells whether an object was made again as it was: of XXH3 hashes of its
/// sections of kind Placed, in order, and at last mixAddend() of all addends.
inline uint64_t hashOfHashes(llvm::ArrayRef<uint64_t> hashes) {
  std::vector<llvm::support::ulittle64_t> bytes(hashes.begin(), hashes.end());
  return llvm::xxh3_64bits(
      llvm::ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()),
                     bytes.size() * sizeof(bytes[0])));
}

} // namespace relink::map

#endif
