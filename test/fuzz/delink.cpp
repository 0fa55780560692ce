//===- delink.cpp - Any bytes as the program to take apart ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last byte of e_ident, which means nothing, chooses the options, so that an
// input that fails fails alone again.
//
//===----------------------------------------------------------------------===//

#include "Delink.h"
#include "Fuzz.h"

using namespace llvm;
using namespace relink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const TemporaryDirectory directory;
  uint8_t choice = size > 15 ? bytes[15] : 0;
  MemoryFile app(bytes, size);
  DelinkConfig config;
  config.app = app.path();
  config.debugDirs = {"/nonexistent"};
  using enum DelinkConfig::Granularity;
  config.granularity = choice & 1 ? Function : choice & 16 ? Whole : Known;
  config.assumeAddresses = choice & 32;
  config.asLibrary = choice & 64;
  config.strict = choice & 2;
  if (choice & 4)
    config.shuffle = choice;
  // Rarely: linking takes longer than all else.
  config.check = (choice & 0xf8) == 8;
  if (!config.check) {
    config.output = directory.path() + "/out";
    config.references = directory.path() + "/references";
  }
  auto report = delink(config);
  directory.clear();
  if (report)
    printReport(*report, nulls());
  else
    drop(report.takeError());
  return 0;
}
