//===- X86_64Measure.cpp - Sizes of common x86-64 instructions ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A patch object is decoded as a whole to find where instructions end and what
// they refer to. LLVM's disassembler says much more, and takes most of the time
// a comparison has. This knows the legacy encodings that make up nearly all of
// compiled code (Intel SDM volume 2, chapter 2 and appendix A); what it does not
// know is for the disassembler.
//
//===----------------------------------------------------------------------===//

#include "X86_64.h"
#include "llvm/Support/Endian.h"
#include <array>

using namespace llvm;
using support::endian::read32le;

namespace relink {
namespace {

/// What follows an opcode.
enum Form : uint8_t {
  Unknown = 0,
  Plain = 1,
  ModRM = 2,
  Imm8 = 4,
  Imm32 = 8, ///< 16 bits with an operand-size prefix
  Rel8 = 16,
  Rel32 = 32,
  Imm64 = 64, ///< with REX.W; else Imm32
};

using Table = std::array<uint8_t, 256>;

constexpr void fill(Table &t, unsigned from, unsigned to, uint8_t form) {
  for (unsigned i = from; i <= to; ++i)
    t[i] = form;
}

constexpr Table makeOneByte() {
  Table t{};
  for (unsigned row = 0; row < 0x40; row += 8) { // add, or, ... cmp
    fill(t, row, row + 3, ModRM);
    t[row + 4] = Imm8;
    t[row + 5] = Imm32;
  }
  fill(t, 0x50, 0x5f, Plain); // push, pop
  t[0x63] = ModRM;            // movslq
  t[0x68] = Imm32;
  t[0x69] = ModRM | Imm32;
  t[0x6a] = Imm8;
  t[0x6b] = ModRM | Imm8;
  fill(t, 0x70, 0x7f, Rel8);
  t[0x80] = t[0x83] = ModRM | Imm8;
  t[0x81] = ModRM | Imm32;
  fill(t, 0x84, 0x8b, ModRM);
  t[0x8d] = ModRM; // lea
  fill(t, 0x90, 0x99, Plain); // 0x90: see measure()
  t[0xa8] = Imm8;
  t[0xa9] = Imm32;
  fill(t, 0xb0, 0xb7, Imm8);
  fill(t, 0xb8, 0xbf, Imm64);
  t[0xc0] = t[0xc1] = ModRM | Imm8;
  t[0xc3] = t[0xc9] = t[0xcc] = Plain; // ret, leave, int3
  t[0xc6] = ModRM | Imm8;
  t[0xc7] = ModRM | Imm32;
  fill(t, 0xd0, 0xd3, ModRM);
  t[0xe8] = t[0xe9] = Rel32;
  t[0xeb] = Rel8;
  t[0xf6] = t[0xf7] = t[0xfe] = t[0xff] = ModRM; // see measure()
  return t;
}

/// Behind 0f.
constexpr Table makeTwoByte() {
  Table t{};
  t[0x0b] = Plain; // ud2
  t[0x10] = t[0x11] = t[0x14] = t[0x15] = ModRM;
  t[0x1f] = ModRM; // nop
  t[0x28] = t[0x29] = t[0x2a] = t[0x2c] = t[0x2d] = t[0x2e] = t[0x2f] = ModRM;
  fill(t, 0x40, 0x4f, ModRM); // cmov
  t[0x51] = ModRM;
  fill(t, 0x54, 0x5f, ModRM);
  fill(t, 0x60, 0x6f, ModRM);
  t[0x70] = ModRM | Imm8;
  t[0x74] = t[0x75] = t[0x76] = t[0x7e] = t[0x7f] = ModRM;
  fill(t, 0x80, 0x8f, Rel32);
  fill(t, 0x90, 0x9f, ModRM); // set
  t[0xa3] = t[0xa5] = t[0xab] = t[0xad] = t[0xaf] = ModRM;
  t[0xa4] = t[0xac] = ModRM | Imm8;
  t[0xb0] = t[0xb1] = t[0xb3] = t[0xb6] = t[0xb7] = ModRM;
  fill(t, 0xbb, 0xbf, ModRM);
  t[0xc0] = t[0xc1] = ModRM;
  t[0xc6] = ModRM | Imm8;
  fill(t, 0xc8, 0xcf, Plain); // bswap
  t[0xd4] = t[0xd6] = t[0xdb] = t[0xdf] = t[0xeb] = t[0xef] = ModRM;
  t[0xfa] = t[0xfb] = t[0xfc] = t[0xfd] = t[0xfe] = ModRM;
  return t;
}

constexpr Table oneByte = makeOneByte(), twoByte = makeTwoByte();

/// Opcodes whose reg field is part of the opcode; \p form gains the immediate.
bool isKnownGroup(uint8_t opcode, unsigned reg, bool operandSize,
                  uint8_t &form) {
  switch (opcode) {
  case 0xc6:
  case 0xc7:
    return reg == 0; // mov
  case 0xf6:
  case 0xf7:
    if (reg == 0) // test
      form |= opcode == 0xf6 ? Imm8 : Imm32;
    return reg != 1;
  case 0xfe:
    return reg < 2;
  case 0xff: // inc, dec, call, jmp, push
    return reg < 2 || (!operandSize && (reg == 2 || reg == 4 || reg == 6));
  case 0xd0:
  case 0xd1:
  case 0xd2:
  case 0xd3:
  case 0xc0:
  case 0xc1:
    return reg != 6; // shifts
  default:
    return true;
  }
}

/// Behind 0f: punpcklqdq, punpckhqdq, movq, which MMX has not.
bool isOnlyWithOperandSize(uint8_t opcode) {
  return opcode == 0x6c || opcode == 0x6d || opcode == 0xd6;
}

/// Bytes of a memory operand behind its ModRM byte.
struct Operand {
  unsigned size = 0;
  bool isPcRelative = false; ///< its displacement ends it
};

Operand measureOperand(uint8_t modRM, uint8_t sib) {
  unsigned mod = modRM >> 6, rm = modRM & 7;
  if (mod == 3)
    return {};
  Operand o;
  if (rm == 4)
    o.size = 1;
  if (mod == 0 && rm == 5)
    return {4, true};
  if (mod == 2 || (mod == 0 && rm == 4 && (sib & 7) == 5))
    o.size += 4;
  else if (mod == 1)
    o.size += 1;
  return o;
}

} // namespace

bool measureX86_64(ArrayRef<uint8_t> code, uint64_t address,
                   Instruction &out) {
  // No instruction is longer than 15 bytes; what is read below is there.
  constexpr size_t enough = 24;
  uint8_t padded[enough];
  const uint8_t *bytes = code.data();
  if (code.size() < enough) {
    std::fill(std::copy(code.begin(), code.end(), padded), std::end(padded), 0);
    bytes = padded;
  }
  unsigned at = 0;
  bool operandSize = false, segment = false, repeat = false, wide = false;
  for (; at < 2; ++at) { // LLVM refuses some three
    uint8_t b = bytes[at];
    if (b == 0x66)
      operandSize = true;
    else if (b == 0x64 || b == 0x65)
      segment = true;
    else if (b == 0xf2 || b == 0xf3)
      repeat = true;
    else
      break;
  }
  if ((bytes[at] & 0xf0) == 0x40)
    wide = bytes[at++] & 8;
  bool isTwoByte = bytes[at] == 0x0f;
  at += isTwoByte;
  uint8_t opcode = bytes[at++];
  uint8_t form = isTwoByte ? twoByte[opcode] : oneByte[opcode];
  if (form == Unknown || ((form & (Rel8 | Rel32)) && operandSize))
    return false;
  // `rep` and `bnd` stand before these; before others they are instructions of
  // their own for LLVM.
  if (repeat && !isTwoByte && opcode != 0xc3 && opcode != 0xe8 && opcode != 0xe9)
    return false;
  if (isTwoByte && isOnlyWithOperandSize(opcode) && (!operandSize || repeat))
    return false;
  Instruction &i = out;
  i = Instruction();
  i.address = address;
  if (form == Plain && !isTwoByte && opcode == 0x90) {
    // With other prefixes it is `pause`, or exchanges registers.
    if (at > 1 && !(at == 2 && operandSize))
      return false;
    i.isNop = true;
  }
  if (opcode == 0xcc && !isTwoByte && at > 1)
    return false;
  if (form == Plain)
    i.endsFlow = isTwoByte ? opcode == 0x0b : opcode == 0xc3 || opcode == 0xcc;
  if (form & ModRM) {
    uint8_t modRM = bytes[at++];
    unsigned reg = modRM >> 3 & 7;
    if (!isTwoByte && !isKnownGroup(opcode, reg, operandSize, form))
      return false;
    i.isCall = !isTwoByte && opcode == 0xff && reg == 2;
    i.isBranch = i.isIndirect = !isTwoByte && opcode == 0xff && reg == 4;
    i.endsFlow = i.isBranch;
    i.isNop = isTwoByte && opcode == 0x1f;
    if (opcode == 0x8d && !isTwoByte && modRM >> 6 == 3)
      return false; // lea of a register
    if (i.isNop && reg)
      return false;
    Operand operand = measureOperand(modRM, bytes[at]);
    if (operand.isPcRelative && !segment) {
      i.fieldOffset = at;
      i.fieldSize = 4;
    }
    at += operand.size;
  }
  if (form & (Rel8 | Rel32)) {
    i.fieldOffset = at;
    i.fieldSize = form & Rel8 ? 1 : 4;
    at += i.fieldSize;
    i.isCall = opcode == 0xe8 && !isTwoByte;
    i.isBranch = !i.isCall;
    i.isConditional = i.isBranch && (isTwoByte || opcode < 0x80);
    i.endsFlow = i.isBranch && !i.isConditional;
  }
  if (form & Imm8)
    at += 1;
  if (form & Imm32)
    at += operandSize && !wide ? 2 : 4;
  if (form & Imm64)
    at += wide ? 8 : operandSize ? 2 : 4;
  if (at > 15 || at > code.size())
    return false;
  i.size = at;
  if (i.fieldSize) {
    int64_t field = i.fieldSize == 1
                        ? int8_t(bytes[i.fieldOffset])
                        : int32_t(read32le(&bytes[i.fieldOffset]));
    (form & ModRM ? i.memoryTarget : i.branchTarget) = address + at + field;
  }
  return true;
}

} // namespace relink
