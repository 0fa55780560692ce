//===- PatchMapWriter.h - Makes the map of a link ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_PATCHMAPWRITER_H
#define RELINK_LLD_PATCHMAPWRITER_H

#include "Hash.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/StringRef.h"
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

/// Looks at objects in threads of its own while lld goes on.
class PatchMapWriter {
public:
  /// In the order in which lld takes them.
  void add(const MapObject &object);

  /// The section's contents. Called once.
  std::vector<uint8_t> finish();

private:
  struct Entry {
    MapObject object;
    map::InputKind kind;
    Digest hash;
    uint64_t functions = 0, relocations = 0;
  };
  static void look(Entry &entry);
  std::vector<uint8_t> encodeInputs() const;

  std::deque<Entry> entries;
  llvm::DefaultThreadPool threads; ///< ends before `entries`
};

} // namespace relink

#endif
