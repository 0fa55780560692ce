//===- app.cpp - Any bytes as the program ---------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "EarlierPatches.h"
#include "EhFrame.h"
#include "Fuzz.h"
#include "Image.h"
#include "Imports.h"
#include "LoaderRules.h"
#include "Relink.h"
#include "SymbolIndex.h"

using namespace llvm;
using namespace relink;

/// Every reader, though relink() may refuse before it gets there.
static void readTables(const Image &app, const Config &config,
                       const Target &target) {
  StringSet<> wanted;
  for (const char *name : {"work", "helper", "main", "puts", "count"})
    wanted.insert(name);
  auto index = SymbolIndex::read(app, config, wanted, EarlierPatches::read(app));
  if (!index)
    drop(index.takeError());
  ImportTable imports(app, target);
  imports.find("puts");
  UnwindTable unwind = UnwindTable::read(app);
  unwind.find(app, app.header.e_entry);
  for (uint64_t i = 0; i < std::min<uint64_t>(unwind.rows, 64); ++i)
    unwind.find(app, unwind.row(app, i).function);
  for (unsigned i = 0; i < app.dynamicSymbols().size(); ++i)
    app.dynamicVersion(i);
  nearNames(app, "wrok");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static std::unique_ptr<Target> target = cantFail(createX86_64Target());
  ArrayRef<uint8_t> file(bytes, size);
  checkLoaderRules(file);

  MemoryFile app(bytes, size);
  Config config;
  config.app = app.path();
  config.patches = {RELINK_FUZZ_PATCH};
  config.dryRun = true;
  config.verbose = true;
  config.accepted = {"lost-cet", "constructors", "clones", "shared-code"};
  config.debugDirs = {"/nonexistent"};
  auto image = Image::open(config.app);
  if (!image) {
    drop(image.takeError());
    return 0;
  }
  readTables(**image, config, *target);
  auto report = relink::relink(config);
  if (!report)
    drop(report.takeError());
  return 0;
}
