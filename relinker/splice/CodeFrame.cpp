//===- CodeFrame.cpp - Unwind records for code of our own -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeFrame.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {

/// DW_CFA_def_cfa %rsp, 8; DW_CFA_offset %rip at CFA - 8 (psABI 3.7).
constexpr uint8_t atEntry[] = {0x0c, 7, 8, 0x90, 1};

bool isOrdinaryCie(const FdeView &fde) {
  ArrayRef<uint8_t> rest = fde.cieInstructions;
  return fde.codeAlign == 1 && fde.dataAlign == -8 &&
         rest.take_front(sizeof(atEntry)).equals(atEntry) &&
         all_of(rest.drop_front(sizeof(atEntry)),
                [](uint8_t b) { return b == 0; });
}

void addFrame(Object &object, ObjectSection &code,
              ArrayRef<uint8_t> instructions) {
  ObjectSection &frame =
      object.addSection(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC);
  frame.align = 8;
  auto append = [&](ArrayRef<uint8_t> bytes) {
    frame.data.insert(frame.data.end(), bytes.begin(), bytes.end());
  };
  auto close = [&](size_t start) {
    frame.data.resize(alignTo(frame.data.size(), 8), 0);
    write32le(&frame.data[start], frame.data.size() - start - 4);
  };
  // CIE: version 1, "zR", PC-relative 32-bit pointers.
  append({0, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b});
  append(atEntry);
  close(0);
  size_t fde = frame.data.size();
  append({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  write32le(&frame.data[fde + 4], fde + 4);
  write32le(&frame.data[fde + 12], code.size);
  append(instructions);
  close(fde);
  frame.size = frame.data.size();
  frame.relocations.push_back(
      {fde + 8, R_X86_64_PC32, &object.sectionSymbol(code), 0});
}

} // namespace relink
