//===- decode.cpp - Any bytes as instructions -----------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the quick decoder knows, LLVM's knows too, and as the same. What else takes
// instructions apart must not read beyond them.
//
//===----------------------------------------------------------------------===//

#include "../unit/SameInstruction.h"
#include "Fuzz.h"

using namespace llvm;
using namespace relink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::unique_ptr<Target> target = cantFail(createX86_64Target());
  // A copy that ends where the bytes end, so that reading on is seen.
  std::vector<uint8_t> bytes(data, data + size);
  ArrayRef<uint8_t> rest = bytes;
  for (unsigned n = 0; n < 64 && !rest.empty(); ++n) {
    uint64_t address = 0x401000 + size - rest.size();
    std::string difference = quickDifference(*target, rest, address);
    if (!difference.empty()) {
      errs() << difference << "\n";
      abort();
    }
    Instruction i;
    if (!target->decode(rest, address, i))
      break;
    ArrayRef<uint8_t> whole = rest.take_front(i.size);
    target->followAddresses(whole);
    if (i.fieldSize == 4)
      for (bool thread : {false, true}) {
        auto code = target->goThroughSlot(whole, i.fieldOffset, 8, thread);
        if (!code)
          drop(code.takeError());
      }
    rest = rest.drop_front(i.size);
  }
  auto displaced = target->displaceEntry(bytes, 0x401000);
  if (!displaced)
    drop(displaced.takeError());
  target->decodePltEntry(bytes, 0x401000);
  for (bool hasLandingPads : {false, true})
    target->readsStackArguments(bytes, hasLandingPads);
  target->paddingLength(bytes, {});
  return 0;
}
