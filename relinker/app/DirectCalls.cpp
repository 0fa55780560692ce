//===- DirectCalls.cpp - Calls that nothing can preempt -------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DirectCalls.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

bool DirectCalls::isLookedUp(unsigned dynamic) {
  if (!lookedUp) {
    lookedUp.emplace();
    for (const Rela &r : image.relocations())
      lookedUp->insert(r.getSymbol(false));
  }
  return lookedUp->contains(dynamic);
}

/// By the bytes of `call` and `jmp` with a distance of 32 bits; that others have
/// this distance by chance is one in some thousand libraries of the largest.
bool DirectCalls::isCalled(uint64_t address) const {
  constexpr uint8_t call = 0xe8, jump = 0xe9;
  for (const Phdr &p : image.segments) {
    if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
      continue;
    ArrayRef<uint8_t> code = image.bytesFrom(p.p_vaddr);
    for (size_t at = 0; at + 5 <= code.size(); ++at)
      if ((code[at] == call || code[at] == jump) &&
          p.p_vaddr + at + 5 + int32_t(support::endian::read32le(&code[at + 1])) ==
              address)
        return true;
  }
  return false;
}

bool DirectCalls::areTo(const AppSymbol &function) {
  if (!function.isFunction() || function.type == STT_GNU_IFUNC ||
      isLookedUp(function.dynamic))
    return false;
  bool hasLocalName = false;
  AddressSet here;
  here.insert(function.address);
  forEachFunctionAt(image, here, [&](uint64_t, StringRef name) {
    hasLocalName |= name != function.name;
  });
  return !hasLocalName && isCalled(function.address);
}

} // namespace relink
