//===- EntryNops.cpp - Nops at functions' entries as the app has them -----===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EntryNops.h"

using namespace llvm;

namespace relink {

void joinEntryNops(const Reserve *reserve, const Target &target,
                   ArrayRef<std::unique_ptr<Object>> objects) {
  constexpr uint8_t nop = 0x90, operandSize = 0x66;
  constexpr uint64_t landingPadSize = 4; // endbr64
  if (!reserve || !reserve->entryTable)
    return;
  for (const auto &object : objects)
    for (const ObjectSymbol &s : object->symbols) {
      if (!s.isFunction() || s.kind != ObjectSymbol::Kind::Defined || !s.section ||
          !s.section->isCode() || s.value > s.section->data.size())
        continue;
      std::vector<uint8_t> &data = s.section->data;
      uint64_t at = s.value;
      if (target.isLandingPad(ArrayRef(data).drop_front(at)))
        at += landingPadSize;
      if (at + 2 <= data.size() && data[at] == nop && data[at + 1] == nop)
        data[at] = operandSize;
    }
}

} // namespace relink
