//===- OriginalEntry.cpp - The way to an old body -------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OriginalEntry.h"
#include "CodeFrame.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Support/DataExtractor.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/LEB128.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// The frame instructions (DWARF 5, 6.4.2) of a function's first bytes, for a
/// copy of those whose instructions may have grown.
class FrameCopy {
public:
  FrameCopy(ArrayRef<uint8_t> instructions, const DisplacedCode &code)
      : data(instructions, true, 8), cursor(0), code(code) {}
  /// Nothing when there is one that is not understood.
  std::optional<std::vector<uint8_t>> run();

private:
  bool advance(uint64_t delta);
  bool skipOperands(uint8_t opcode);

  DataExtractor data;
  DataExtractor::Cursor cursor;
  const DisplacedCode &code;
  uint64_t location = 0; ///< in the old function
  uint64_t copied = 0;   ///< in the copy: up to here the rows are written
  bool done = false;     ///< `location` lies behind what was displaced
  std::vector<uint8_t> out;
};

bool FrameCopy::advance(uint64_t delta) {
  location += delta;
  if (location >= code.displaced) {
    done = true;
    return true;
  }
  auto at = find_if(code.places,
                    [&](const auto &p) { return p.first == location; });
  if (at == code.places.end())
    return false;
  out.push_back(dwarf::DW_CFA_advance_loc4);
  out.resize(out.size() + 4);
  support::endian::write32le(&out[out.size() - 4], at->second - copied);
  copied = at->second;
  return true;
}

bool FrameCopy::skipOperands(uint8_t opcode) {
  switch (opcode & 0xc0) {
  case dwarf::DW_CFA_offset:
    data.getULEB128(cursor);
    return true;
  case dwarf::DW_CFA_restore:
    return true;
  }
  switch (opcode) {
  case dwarf::DW_CFA_nop:
  case dwarf::DW_CFA_remember_state:
  case dwarf::DW_CFA_restore_state:
    return true;
  case dwarf::DW_CFA_def_cfa_register:
  case dwarf::DW_CFA_def_cfa_offset:
  case dwarf::DW_CFA_same_value:
  case dwarf::DW_CFA_undefined:
  case dwarf::DW_CFA_restore_extended:
  case dwarf::DW_CFA_GNU_args_size:
    data.getULEB128(cursor);
    return true;
  case dwarf::DW_CFA_def_cfa:
  case dwarf::DW_CFA_offset_extended:
  case dwarf::DW_CFA_register:
    data.getULEB128(cursor);
    data.getULEB128(cursor);
    return true;
  default: // expressions: no compiler needs one in a function's first bytes
    return false;
  }
}

std::optional<std::vector<uint8_t>> FrameCopy::run() {
  bool good = true;
  while (good && !done && cursor && cursor.tell() < data.size()) {
    uint64_t start = cursor.tell();
    uint8_t opcode = data.getU8(cursor);
    if ((opcode & 0xc0) == dwarf::DW_CFA_advance_loc)
      good = advance(opcode & 0x3f);
    else if (opcode == dwarf::DW_CFA_advance_loc1)
      good = advance(data.getU8(cursor));
    else if (opcode == dwarf::DW_CFA_advance_loc2)
      good = advance(data.getU16(cursor));
    else if (opcode == dwarf::DW_CFA_advance_loc4)
      good = advance(data.getU32(cursor));
    else if ((good = skipOperands(opcode)) && cursor) {
      StringRef bytes = data.getData().slice(start, cursor.tell());
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
  }
  good &= bool(cursor);
  consumeError(cursor.takeError());
  return good ? std::optional(std::move(out)) : std::nullopt;
}

} // namespace

Error addOriginalEntry(const Image &image, const UnwindTable &unwind,
                       const Target &target, const Replacement &r,
                       Object &object,
                       function_ref<ObjectSymbol *(uint64_t)> place) {
  auto refuse = [&](const Twine &why) {
    return makeError(image.path + ": the old body of " + r.body->name + " at " +
                     hex(r.address) + " can't be called (__real_" +
                     r.body->name + "): " + why +
                     "\n>>> remedy: have the patch do without it");
  };
  auto code = target.displaceEntry(image.bytesAt(r.address, r.size), r.address);
  if (!code)
    return refuse(toString(code.takeError()));
  // Exceptions go through a call of the copy as through that of the old body.
  auto fde = unwind.find(image, r.address);
  std::optional<std::vector<uint8_t>> frame;
  if (fde && fde->start == r.address && isOrdinaryCie(*fde))
    frame = FrameCopy(fde->instructions, *code).run();
  if (code->calls && fde && (!frame || fde->lsda))
    return refuse("its first instructions call another function, and its "
                  "exception tables are only right for where they are");

  ObjectSection &s =
      object.addSection(".text.relink.original." + r.originalName, SHT_PROGBITS,
                        SHF_ALLOC | SHF_EXECINSTR);
  s.align = 16;
  s.data = code->code;
  s.size = s.data.size();
  for (const DisplacedCode::Field &f : code->fields)
    s.relocations.push_back(
        {f.offset, R_X86_64_PC32, place(f.target), -int64_t(f.toEnd)});
  ObjectSymbol &symbol = object.addSymbol(r.originalName);
  symbol.kind = ObjectSymbol::Kind::Defined;
  symbol.type = STT_FUNC;
  symbol.visibility = STV_HIDDEN;
  symbol.section = &s;
  symbol.size = s.size;
  if (frame)
    addFrame(object, s, *frame);
  return Error::success();
}

} // namespace relink
