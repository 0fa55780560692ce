//===- SpliceDebugFrame.cpp - Unwinding for debuggers ---------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// gdb reads the one section named .eh_frame, and the app's is not moved for a
// few records. It reads .debug_frame as well (DWARF 5, section 6.4.1), which
// needs no memory at run time: the patch's records go there a second time.
//
//===----------------------------------------------------------------------===//

#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/LEB128.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

class DebugFrameWriter {
public:
  explicit DebugFrameWriter(std::vector<uint8_t> before)
      : bytes(std::move(before)) {}
  void add(const FdeView &fde);
  std::vector<uint8_t> bytes;

private:
  size_t open(uint32_t id);
  void close(size_t start);
  uint32_t cieFor(const FdeView &fde);
  void append(ArrayRef<uint8_t> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }

  struct Cie {
    ArrayRef<uint8_t> instructions;
    int64_t codeAlign, dataAlign;
    uint32_t offset;
  };
  std::vector<Cie> cies;
};

size_t DebugFrameWriter::open(uint32_t id) {
  size_t start = bytes.size();
  bytes.resize(start + 8);
  support::endian::write32le(&bytes[start + 4], id);
  return start;
}

void DebugFrameWriter::close(size_t start) {
  // Records are padded with DW_CFA_nop (0).
  bytes.resize(start + 4 + alignTo(bytes.size() - start - 4, 8));
  support::endian::write32le(&bytes[start], bytes.size() - start - 4);
}

uint32_t DebugFrameWriter::cieFor(const FdeView &fde) {
  for (const Cie &c : cies)
    if (c.instructions.equals(fde.cieInstructions) &&
        c.codeAlign == fde.codeAlign && c.dataAlign == fde.dataAlign)
      return c.offset;
  size_t start = open(UINT32_MAX);
  append({1, 0}); // version, no augmentation
  uint8_t leb[16];
  append({leb, encodeULEB128(fde.codeAlign, leb)});
  append({leb, encodeSLEB128(fde.dataAlign, leb)});
  append({16}); // return address column (psABI)
  append(fde.cieInstructions);
  close(start);
  cies.push_back({fde.cieInstructions, fde.codeAlign, fde.dataAlign,
                  uint32_t(start)});
  return start;
}

void DebugFrameWriter::add(const FdeView &fde) {
  size_t start = open(cieFor(fde));
  bytes.resize(bytes.size() + 16);
  support::endian::write64le(&bytes[start + 8], fde.start);
  support::endian::write64le(&bytes[start + 16], fde.size);
  append(fde.instructions);
  close(start);
}

} // namespace

void addDebugFrame(const SpliceContext &c, Output &out) {
  const PatchSection *frame = c.patch.section(".relink.eh_frame");
  if (!frame || out.sections.empty() || c.patch.unwindRows.empty())
    return;
  auto old = find_if(out.sections, [](const OutputSection &s) {
    return s.name == ".debug_frame" && !(s.header.sh_flags & SHF_COMPRESSED);
  });
  std::vector<uint8_t> before;
  if (old != out.sections.end())
    before = c.image.bytes().slice(old->header.sh_offset, old->header.sh_size);
  DebugFrameWriter writer(std::move(before));
  for (const UnwindRow &row : c.patch.unwindRows)
    if (auto fde = decodeFde(frame->data, frame->address,
                             row.fde - frame->address))
      writer.add(*fde);
  out.tail.resize(alignTo(out.tailOffset + out.tail.size(), 8) - out.tailOffset);
  uint64_t offset = out.tailOffset + out.tail.size();
  out.tail.insert(out.tail.end(), writer.bytes.begin(), writer.bytes.end());
  if (old == out.sections.end()) {
    out.addSection(".debug_frame", SHT_PROGBITS, 0, 0, offset,
                   writer.bytes.size(), 8);
    return;
  }
  old->header.sh_offset = offset;
  old->header.sh_size = writer.bytes.size();
}

} // namespace relink
