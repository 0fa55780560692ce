//===- PatchMapWriter.h - Makes the map of a link ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_PATCHMAPWRITER_H
#define RELINK_LLD_PATCHMAPWRITER_H

#include "Hash.h"
#include "ObjectFacts.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ThreadPool.h"
#include <deque>
#include <string>

namespace relink {

/// An object that lld links.
struct MapObject {
  std::string path, member; ///< the latter of an archive's
  llvm::StringRef original; ///< bytes as they were on disk; outlive the writer
  llvm::StringRef bytes;    ///< as lld has them
};

/// Looks at objects in other threads while lld goes on.
class PatchMapWriter {
public:
  /// \p threads end before it.
  explicit PatchMapWriter(llvm::ThreadPoolInterface &threads)
      : tasks(threads) {}

  /// In the order in which lld takes them. \p name is what lld calls it.
  void add(llvm::StringRef name, const MapObject &object);

  /// lld has folded a section into one of the same code. Both are called as
  /// lld prints them: `file:(section)`.
  void addFold(llvm::StringRef kept, llvm::StringRef removed) {
    folds.push_back({kept.str(), removed.str()});
  }

  /// The section's contents; \p file is what lld has written. Called once.
  llvm::SmallVector<uint8_t, 0> finish(llvm::ArrayRef<uint8_t> file);

private:
  struct Entry {
    MapObject object;
    map::InputKind kind;
    Digest hash;
    ObjectFacts facts;
    bool isRead = false;
    /// Encoded: all its parts, and where each ends.
    llvm::ArrayRef<uint8_t> details;
    llvm::ArrayRef<uint32_t> cuts;
    llvm::ArrayRef<uint8_t> inlined; ///< encoded
    llvm::ArrayRef<uint8_t> part(unsigned i) const;
    /// Made when one of its sections was folded.
    llvm::StringMap<llvm::SmallVector<uint32_t, 1>> sections;
  };
  /// Records [first, first + count) of its kind.
  struct Block {
    map::BlockKind kind;
    bool isPrefixed = false; ///< packed with the program's constants
    uint32_t first = 0, count = 0;
    unsigned part = 0; ///< of details
    uint64_t unpacked = 0;
    llvm::ArrayRef<uint8_t> packed;
  };
  /// A section of an input, by index.
  struct SectionPlace {
    Entry *entry;
    uint32_t section;
  };
  void look(Entry &entry);
  void place(const LinkedFile &file);
  void applyFolds();
  llvm::SmallVector<SectionPlace, 1> sectionsNamed(llvm::StringRef name);
  void numberNames();
  struct NameShard;
  void listFolds(const LinkedFile &file);
  void addBlocks(map::BlockKind kind, size_t count,
                 llvm::function_ref<size_t(size_t)> sizeOf);
  void addDetails();
  void addInlined();
  void encode(MapEncoder &out, const Block &block) const;
  void encodeInput(MapEncoder &out, const Entry &e) const;
  bool isWorthPrefix(const LinkedFile &file) const;
  void encodePrefix(MapEncoder &out, const LinkedFile &file) const;
  llvm::SmallVector<uint8_t, 0> pack(const LinkedFile &file);

  ZeroedMemory memory;
  std::deque<Entry> entries;
  llvm::StringMap<llvm::SmallVector<Entry *, 1>> byName;
  std::vector<std::pair<std::string, std::string>> folds; ///< kept, removed
  std::vector<SectionPlace> shared; ///< what `folds` means, both sides
  llvm::MutableArrayRef<llvm::StringRef> names; ///< by their numbers
  /// Of each name: number of the input that defines it, from 1; 0: none.
  llvm::MutableArrayRef<uint32_t> definers;
  std::vector<std::pair<uint64_t, uint32_t>> foldList; ///< addresses, names
  std::vector<Block> blocks;
  llvm::ThreadPoolTaskGroup tasks; ///< ends before `entries`
};

} // namespace relink

#endif
