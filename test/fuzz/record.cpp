//===- record.cpp - Any bytes as a patched file, or as its record ---------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fuzz.h"
#include "History.h"
#include "Verify.h"

using namespace llvm;
using namespace relink;

static void readPatched(const std::string &path, const Target &target) {
  for (bool json : {false, true}) {
    drop(listPatches(path, json, nulls()));
    auto good = verifyFile({path, RELINK_FUZZ_APP, {RELINK_FUZZ_PATCH}, false, json},
                           target, nulls());
    if (!good)
      drop(good.takeError());
  }
}

/// The description is packed, where no mutation finds its way in; so a record
/// with these bytes as its text is made and put behind the app.
static void readDescription(ArrayRef<uint8_t> text, const Target &target) {
  static std::unique_ptr<Image> app = cantFail(Image::open(RELINK_FUZZ_APP));
  Record r;
  r.original = hashFile(app->bytes());
  r.elfEnd = app->elfEnd;
  r.tailOffset = alignTo(app->elfEnd, 8);
  if (auto value = json::parse(toStringRef(text))) {
    if (auto *object = value->getAsObject())
      r.description = std::move(*object);
  } else {
    consumeError(value.takeError());
  }
  std::vector<uint8_t> file = app->bytes().vec();
  file.resize(r.tailOffset);
  r.resultSize = file.size() + encodeRecord(r).size();
  std::vector<uint8_t> record = encodeRecord(r);
  file.insert(file.end(), record.begin(), record.end());
  MemoryFile patched(file.data(), file.size());
  readPatched(patched.path(), target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static std::unique_ptr<Target> target = cantFail(createX86_64Target());
  if (size && bytes[0] == '{') {
    readDescription({bytes, size}, *target);
    return 0;
  }
  MemoryFile file(bytes, size);
  readPatched(file.path(), *target);
  return 0;
}
