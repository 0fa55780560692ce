//===- ninja.cpp - Any bytes as the files of a build with Ninja -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An input is build.ninja, .ninja_log and .ninja_deps, one behind the other with
// a line of `%%` between. What the seed of run.py names is there.
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "Fuzz.h"
#include "Image.h"
#include "NinjaInputs.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace relink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static std::unique_ptr<Image> app = cantFail(Image::open(RELINK_FUZZ_APP));
  static const TemporaryDirectory directory;
  StringRef rest(reinterpret_cast<const char *>(bytes), size);
  for (const char *name : {"build.ninja", ".ninja_log", ".ninja_deps"}) {
    StringRef part;
    std::tie(part, rest) = rest.split("\n%%\n");
    directory.write(name, part);
  }
  directory.write("app", toStringRef(app->bytes()));
  for (const char *name : {"app.o", "part.o"})
    directory.write(name, StringRef("\x7f" "ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0", 18));
  directory.write("libpart.a", "!<arch>\n");
  for (const char *name : {"app.c", "part:1.c", "config.h", "script.ld"})
    directory.write(name, "");
  Config config;
  config.app = "app";
  config.ninjaDirectory = directory.path();
  for (bool hasMap : {false, true})
    for (const char *target : {"", "all"}) {
      config.ninjaTarget = target;
      auto inputs = readNinjaInputs(config, *app, hasMap);
      if (!inputs)
        drop(inputs.takeError());
    }
  directory.clear();
  return 0;
}
