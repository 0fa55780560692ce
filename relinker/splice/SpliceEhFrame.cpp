//===- SpliceEhFrame.cpp - One search table for old and new FDEs ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Unwinders find an object's one .eh_frame_hdr through PT_GNU_EH_FRAME and
// search its rows by address (libgcc unwind-dw2-fde-dip.c, libunwind). New rows
// need a table that has the old ones as well. A static program of gcc has none, but
// libgcc looks for one after the records that were registered, so it gets one.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {

/// Whether exceptions may have to pass through the new functions: they are C++, or have
/// something to do then. The table takes a program header, for which another table
/// may have to move.
static bool needsUnwinding(const Plan &plan) {
  for (const auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.section && s.section->isCode() && plan.live.count(s.section) &&
          (StringRef(s.name).starts_with("_Z") || plan.frames.personality(*s.section)))
        return true;
  return false;
}

Error mergeUnwindTable(const SpliceContext &c, Output &out) {
  const std::vector<UnwindRow> &fresh = c.patch.unwindRows;
  if (fresh.empty())
    return Error::success();
  const UnwindTable &old = c.unwind;
  if (!old.address && (!old.readable || !needsUnwinding(c.plan))) {
    out.notes.push_back("the app has no .eh_frame_hdr: exceptions and "
                        "backtraces don't pass through the new functions");
    return Error::success();
  }
  if (!old.readable)
    return makeError(c.image.path + ": its .eh_frame_hdr at " +
                     hex(old.address) +
                     " is not a sorted table of 32-bit offsets, so unwind "
                     "information can't be added\n>>> remedy: compile the patch "
                     "with -fno-asynchronous-unwind-tables -fno-exceptions");
  std::vector<UnwindRow> rows;
  rows.reserve(old.rows + fresh.size());
  for (uint64_t i = 0; i < old.rows; ++i)
    rows.push_back(old.row(c.image, i));
  append_range(rows, fresh);
  // The old rows are sorted and the new functions lie behind them; sorting
  // again costs little and takes neither for granted.
  auto less = [](const UnwindRow &a, const UnwindRow &b) {
    return a.function < b.function;
  };
  if (!llvm::is_sorted(rows, less))
    llvm::stable_sort(rows, less);

  std::vector<uint8_t> bytes(12 + rows.size() * 8);
  Output::Place place = out.allocate(bytes, 4);
  uint8_t *p = bytes.data();
  using namespace dwarf;
  constexpr uint8_t version = 1; // and the encodings that `readable` stands for
  p[0] = version;
  p[1] = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
  p[2] = DW_EH_PE_udata4;
  p[3] = DW_EH_PE_datarel | DW_EH_PE_sdata4;
  auto offsetFrom = [&](uint64_t base, uint64_t to) {
    return uint32_t(to - base);
  };
  write32le(p + 4, offsetFrom(place.address + 4, old.frameAddress));
  write32le(p + 8, rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    write32le(p + 12 + i * 8, offsetFrom(place.address, rows[i].function));
    write32le(p + 16 + i * 8, offsetFrom(place.address, rows[i].fde));
  }
  out.fill(place, bytes);
  if (!old.address) {
    uint64_t offset = out.tailOffset + place.tailAt;
    out.segments.push_back(makeSegment(PT_GNU_EH_FRAME, PF_R, place.address, offset,
                                       bytes.size(), bytes.size(), 4));
    out.addSection(".eh_frame_hdr", SHT_PROGBITS, SHF_ALLOC, place.address, offset,
                   bytes.size(), 4);
  }
  for (Phdr &s : out.segments)
    if (s.p_type == PT_GNU_EH_FRAME && old.address)
      s = makeSegment(PT_GNU_EH_FRAME, s.p_flags, place.address,
                      out.tailOffset + place.tailAt, bytes.size(), bytes.size(),
                      s.p_align);
  for (OutputSection &s : out.sections)
    if (old.address && s.header.sh_addr == old.address && s.name == ".eh_frame_hdr") {
      s.header.sh_addr = place.address;
      s.header.sh_offset = out.tailOffset + place.tailAt;
      s.header.sh_size = bytes.size();
    }
  return Error::success();
}

} // namespace relink
