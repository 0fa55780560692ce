//===- patch.cpp - Any bytes as the patch object --------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "Fuzz.h"
#include "Relink.h"
#include "llvm/BinaryFormat/Magic.h"

using namespace llvm;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  // Bitcode is LLVM's own business, and its reader is not made for this.
  if (identify_magic(StringRef(reinterpret_cast<const char *>(bytes), size)) ==
      file_magic::bitcode)
    return 0;
  relink::MemoryFile patch(bytes, size);
  relink::Config config;
  config.app = RELINK_FUZZ_APP;
  config.patches = {patch.path()};
  config.dryRun = true;
  config.accepted = {"lost-cet", "constructors", "clones", "shared-code"};
  config.debugDirs = {"/nonexistent"};
  auto report = relink::relink(config);
  if (!report)
    relink::drop(report.takeError());
  return 0;
}
