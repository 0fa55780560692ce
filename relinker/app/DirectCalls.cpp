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

/// By the bytes of `call` and `jmp` with a distance of 32 bits; that others have such a
/// distance by chance is rare even in the largest libraries.
void DirectCalls::read() {
  constexpr uint8_t call = 0xe8, jump = 0xe9;
  isRead = true;
  for (const Rela &r : image.relocations())
    lookedUp.insert(r.getSymbol(false));
  for (const Rela &r : image.pltRelocations())
    lookedUp.insert(r.getSymbol(false));
  AddressSet exported;
  for (const Sym &s : image.dynamicSymbols())
    if (s.st_shndx != SHN_UNDEF && s.getType() == STT_FUNC)
      exported.insert(s.st_value);
  for (const Phdr &p : image.segments) {
    if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
      continue;
    ArrayRef<uint8_t> code = image.bytesFrom(p.p_vaddr);
    for (size_t at = 0; at + 5 <= code.size(); ++at) {
      if (code[at] != call && code[at] != jump)
        continue;
      uint64_t target = p.p_vaddr + at + 5 +
                        int32_t(support::endian::read32le(&code[at + 1]));
      if (exported.contains(target))
        called.insert(target);
    }
  }
}

bool DirectCalls::areTo(const AppSymbol &function) {
  if (!function.isFunction() || function.type == STT_GNU_IFUNC)
    return false;
  if (!isRead)
    read();
  if (lookedUp.contains(function.dynamic) || !called.contains(function.address))
    return false;
  bool hasLocalName = false;
  AddressSet here;
  here.insert(function.address);
  forEachFunctionAt(image, here, [&](uint64_t, StringRef name) {
    hasLocalName |= name != function.name;
  });
  return !hasLocalName;
}

} // namespace relink
