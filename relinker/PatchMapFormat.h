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

#include "llvm/Support/Endian.h"
#include <cstdint>

namespace relink::map {

using llvm::support::ulittle32_t;

constexpr char sectionName[] = ".patch.map";
constexpr char magic[16] = {'r', 'e', 'l', 'i', 'n', 'k', ' ',  'm',
                            'a', 'p', 0,   0,   0,   0,   '\r', '\n'};
constexpr uint32_t formatVersion = 1;

enum class BlockKind : uint32_t { Inputs = 1 };

/// Block table entries follow the header, the blocks follow them.
struct Header {
  char magic[16];
  ulittle32_t version, flags; ///< 1, 0
  ulittle32_t blockCount, blockEntrySize;
};
static_assert(sizeof(Header) == 32);

struct BlockEntry {
  ulittle32_t kind;
  ulittle32_t packed, unpacked; ///< bytes
  ulittle32_t count;            ///< records in it
};
static_assert(sizeof(BlockEntry) == 16);

/// Readers refuse larger blocks before they unpack them.
constexpr uint64_t mostUnpacked = uint64_t(64) << 20;

enum class InputKind : uint8_t { Object = 1, Bitcode };

} // namespace relink::map

#endif
