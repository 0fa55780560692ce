//===- X86_64Flow.cpp - What an instruction does to addresses -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The encoding is that of the Intel manual, volume 2, chapter 2 and appendix A.
// The size is known, so the immediate is what is left behind the operands.
//
//===----------------------------------------------------------------------===//

#include "X86_64.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

/// Opcode maps: 0 one byte, 1 after 0f, 2 after 0f 38, 3 after 0f 3a.
bool hasModRm(unsigned map, uint8_t op) {
  if (map >= 2)
    return true;
  if (map == 1)
    return !((op >= 0x04 && op <= 0x0c && op != 0x0d) || op == 0x0e ||
             (op >= 0x30 && op <= 0x37) || op == 0x77 ||
             (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
             (op >= 0xa8 && op <= 0xaa) || op >= 0xff ||
             (op >= 0xc8 && op <= 0xcf));
  if (op < 0x40)
    return (op & 7) < 4;
  return op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) ||
         op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 ||
         (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) ||
         op == 0xf6 || op == 0xf7 || op == 0xfe || op == 0xff;
}

class Reader {
public:
  explicit Reader(ArrayRef<uint8_t> code) : code(code) {}
  AddressFlow read();

private:
  void readPrefixes();
  void readOpcode();
  void readOperands();
  void readImmediate();
  void choose();
  uint8_t next() { return at < code.size() ? code[at++] : 0; }

  ArrayRef<uint8_t> code;
  size_t at = 0;
  AddressFlow out;
  bool wide = false, narrow = false, simple = true, hasOperands = false;
  unsigned extraReg = 0, extraIndex = 0, extraBase = 0;
  unsigned map = 0;
  uint8_t opcode = 0, mode = 0, reg = AddressFlow::none,
          rm = AddressFlow::none;
};

void Reader::readPrefixes() {
  for (; at < code.size(); ++at)
    switch (code[at]) {
    case 0x64:
      out.threadSegment = true;
      break;
    case 0x66:
      narrow = true;
      break;
    case 0x67: case 0xf2: case 0xf3: case 0xf0:
      simple = code[at] == 0xf2; // bnd
      break;
    case 0x2e: case 0x36: case 0x3e: case 0x26: case 0x65:
      break;
    default:
      return;
    }
}

void Reader::readOpcode() {
  uint8_t first = next();
  if ((first & 0xf0) == 0x40) {
    wide = first & 8;
    extraReg = (first & 4) << 1;
    extraIndex = (first & 2) << 2;
    extraBase = (first & 1) << 3;
    first = next();
  } else if (first == 0xc5 || first == 0xc4 || first == 0x62) {
    simple = false;
    uint8_t p = next();
    extraReg = p & 0x80 ? 0 : 8;
    map = 1;
    if (first != 0xc5) {
      extraIndex = p & 0x40 ? 0 : 8;
      extraBase = p & 0x20 ? 0 : 8;
      map = p & (first == 0x62 ? 7 : 0x1f);
      at += first == 0x62 ? 2 : 1;
    }
    opcode = next();
    return;
  }
  opcode = first;
  if (opcode != 0x0f)
    return;
  map = 1;
  opcode = next();
  if (opcode == 0x38 || opcode == 0x3a) {
    map = opcode == 0x38 ? 2 : 3;
    opcode = next();
  }
}

void Reader::readOperands() {
  if (!hasModRm(map, opcode))
    return;
  hasOperands = true;
  uint8_t modRm = next();
  mode = modRm >> 6;
  reg = (modRm >> 3 & 7) | extraReg;
  rm = (modRm & 7) | extraBase;
  if (mode == 3)
    return;
  out.hasMemory = true;
  out.base = rm;
  bool wordDisplacement = mode == 2;
  if ((modRm & 7) == 4) {
    uint8_t sib = next();
    out.scale = 1 << (sib >> 6);
    out.index = (sib >> 3 & 7) | extraIndex;
    if (out.index == 4)
      out.index = AddressFlow::none;
    out.base = (sib & 7) | extraBase;
    if (mode == 0 && (sib & 7) == 5) {
      out.base = AddressFlow::none;
      wordDisplacement = true;
    }
  } else if (mode == 0 && (modRm & 7) == 5) {
    out.base = AddressFlow::none;
    out.ipRelative = wordDisplacement = true;
  }
  if (wordDisplacement && at + 4 <= code.size()) {
    out.displacementAt = at;
    out.displacement = int32_t(read32le(&code[at]));
    at += 4;
  } else if (mode == 1) {
    out.displacement = int8_t(next());
  }
}

void Reader::readImmediate() {
  size_t left = code.size() - std::min(at, code.size());
  if (!left)
    return;
  out.immediateAt = at;
  out.immediateSize = left;
  if (left == 1)
    out.immediate = int8_t(code[at]);
  else if (left == 2)
    out.immediate = int16_t(code[at] | code[at + 1] << 8);
  else if (left == 4)
    out.immediate = int32_t(read32le(&code[at]));
  else if (left == 8)
    out.immediate = int64_t(read64le(&code[at]));
  else
    simple = false;
}

void Reader::choose() {
  using Kind = AddressFlow::Kind;
  const uint8_t width = wide ? 8 : narrow ? 2 : 4;
  out.width = width;
  // movzx: of the index of a table.
  if (simple && map == 1 && (opcode == 0xb6 || opcode == 0xb7)) {
    out.width = opcode == 0xb6 ? 1 : 2;
    out.kind = mode == 3 ? Kind::Extend : Kind::Load;
    out.destination = reg;
    out.source = mode == 3 ? rm : AddressFlow::none;
  }
  if (!simple || map != 0)
    return;
  auto set = [&](Kind kind, uint8_t destination, uint8_t source) {
    out.kind = kind;
    out.destination = destination;
    out.source = source;
  };
  const uint8_t none = AddressFlow::none;
  const unsigned digit = reg & 7;
  const bool isRegister = hasOperands && mode == 3;
  switch (opcode) {
  case 0x8d:
    return set(Kind::Address, reg, none);
  case 0x63:
    out.width = 4;
    out.isSigned = true;
    return isRegister ? set(Kind::Extend, reg, rm) : set(Kind::Load, reg, none);
  case 0x8b:
    return isRegister ? set(Kind::Move, reg, rm) : set(Kind::Load, reg, none);
  case 0x89:
    return isRegister ? set(Kind::Move, rm, reg) : void();
  case 0x98:
    return wide ? set(Kind::Extend, 0, 0) : void();
  case 0x01:
    return isRegister ? set(Kind::Add, rm, reg) : void();
  case 0x03:
    return set(Kind::Add, reg, isRegister ? rm : none);
  case 0x05:
    return set(Kind::AddConstant, 0, none);
  case 0x25:
    return set(Kind::Mask, 0, none);
  case 0x3c: case 0x3d:
    if (opcode == 0x3c)
      out.width = 1;
    return set(Kind::Compare, none, 0);
  case 0x80: case 0x81: case 0x83:
    if (opcode == 0x80)
      out.width = 1;
    if (digit == 7)
      return set(Kind::Compare, none, isRegister ? rm : none);
    if (isRegister && digit == 4)
      return set(Kind::Mask, rm, none);
    if (isRegister && digit == 0 && opcode != 0x80)
      return set(Kind::AddConstant, rm, none);
    return;
  case 0xc1: case 0xd1:
    if (!isRegister || digit != 5 || narrow)
      return;
    if (opcode == 0xd1)
      out.immediate = 1;
    return set(Kind::ShiftRight, rm, none);
  case 0xc7:
    return isRegister ? set(Kind::Constant, rm, none) : void();
  case 0xff:
    return digit == 4 ? set(Kind::Jump, none, isRegister ? rm : none) : void();
  default:
    if ((opcode & 0xf8) == 0xb8)
      set(Kind::Constant, (opcode & 7) | extraBase, none);
  }
}

AddressFlow Reader::read() {
  readPrefixes();
  readOpcode();
  readOperands();
  readImmediate();
  choose();
  return out;
}

} // namespace

AddressFlow followAddressesX86_64(ArrayRef<uint8_t> instruction) {
  return Reader(instruction).read();
}

} // namespace relink
