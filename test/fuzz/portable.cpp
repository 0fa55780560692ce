//===- portable.cpp - Any bytes as a portable patch -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fuzz.h"
#include "Image.h"
#include "Hash.h"
#include "PortablePatch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"

using namespace llvm;
using namespace relink;

/// A directory that is there as long as the process.
struct OutputDirectory {
  SmallString<64> path;
  OutputDirectory() {
    if (sys::fs::createUniqueDirectory("relink-fuzz", path))
      abort();
  }
  ~OutputDirectory() { sys::fs::remove(path); }
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static OutputDirectory directory;
  static std::unique_ptr<Image> app = cantFail(Image::open(RELINK_FUZZ_APP));
  static FileHash hash = hashFile(app->bytes());
  std::string output = (directory.path + "/out").str();
  // No mutation finds the app's size and hash (docs/format.md).
  std::vector<uint8_t> patch(bytes, bytes + size);
  if (size >= 96) {
    support::endian::write64le(&patch[24], hash.size);
    llvm::copy(hash.tree, patch.begin() + 64);
  }
  MemoryFile file(patch.data(), patch.size());
  drop(importPatch({RELINK_FUZZ_APP, file.path(), output}, nulls()));
  sys::fs::remove(output);
  return 0;
}
