//===- PatchMap.h - What ld.relink says a program was made of ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHMAP_H
#define RELINK_PATCHMAP_H

#include "Hash.h"
#include "Image.h"
#include "PatchMapFormat.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <vector>

namespace relink {

/// An object that was linked into the program.
struct MapInput {
  map::InputKind kind = map::InputKind::Object;
  std::string path;   ///< as the linker got it
  std::string member; ///< of the archive at `path`; empty if it is none
  Digest sha256{};    ///< of the object's bytes, before function padding
  uint64_t size = 0;  ///< of the object
  uint64_t functions = 0;   ///< it defines
  uint64_t relocations = 0; ///< in sections that are loaded

  /// "path" or "path(member)".
  std::string name() const {
    return member.empty() ? path : path + "(" + member + ")";
  }
};

class PatchMap {
public:
  /// None if \p image has no map; an error if it has one that can't be read.
  static llvm::Expected<std::optional<PatchMap>> read(const Image &image);

  uint32_t version() const { return formatVersion; }
  uint64_t size() const { return bytes.size(); } ///< of the section
  /// In the order in which the linker took them.
  llvm::ArrayRef<MapInput> inputs() const { return allInputs; }

private:
  struct Block {
    map::BlockKind kind;
    llvm::ArrayRef<uint8_t> packed;
    uint64_t unpacked, count;
  };
  llvm::Error readBlocks();
  llvm::Error readInputs(const Block &block);
  llvm::Expected<llvm::SmallVector<uint8_t, 0>> unpack(const Block &b) const;
  llvm::Error error(const llvm::Twine &what) const;

  std::string path; ///< of the program
  llvm::ArrayRef<uint8_t> bytes;
  uint32_t formatVersion = 0;
  std::vector<Block> blocks;
  std::vector<MapInput> allInputs;
};

void printMap(const PatchMap &map, llvm::StringRef path, llvm::raw_ostream &os);
llvm::json::Value toJson(const PatchMap &map, llvm::StringRef path);

} // namespace relink

#endif
