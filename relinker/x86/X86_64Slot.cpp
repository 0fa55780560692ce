//===- X86_64Slot.cpp - Instructions that go through a slot instead -------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library does not know where another library's variables are, nor where its
// own thread-local block is; slots of its GOT hold that. Executables' code has it
// in the instruction. The psABI lets linkers relax the former into the latter;
// this is the way back, which mostly needs more bytes. Encodings are those of the
// Intel manual, volume 2, chapter 2. Nothing here changes flags or the red zone.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "X86_64.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using support::endian::write32le;

namespace relink {
namespace {

enum Register : uint8_t { rbx = 3, rsp = 4, rsi = 6, rdi = 7 };

/// Operations on bytes, of which %ah to %bh may be one.
bool hasByteRegister(unsigned map, uint8_t opcode) {
  if (map == 1)
    return opcode == 0xb0 || opcode == 0xc0; // cmpxchg, xadd
  return map == 0 && (opcode < 0x40 ? (opcode & 5) == 0
                                    : opcode == 0x84 || opcode == 0x86 ||
                                          opcode == 0x88 || opcode == 0x8a);
}

class SlotRewriter {
public:
  SlotRewriter(ArrayRef<uint8_t> in, unsigned field, int32_t offset, bool thread)
      : in(in), field(field), offset(offset), thread(thread),
        flow(followAddressesX86_64(in)) {}
  Expected<SlotCode> rewrite();

private:
  bool parse();
  bool rewriteImmediate();
  bool usesStack() const;
  bool writesWholeRegister() const;
  std::optional<uint8_t> scratchRegister() const;
  void loadSlot(uint8_t to, uint8_t opcode = 0x8b);
  void addBase(uint8_t to);
  void operate(uint8_t base, int32_t displacement);
  void append(std::initializer_list<uint8_t> bytes) {
    out.code.insert(out.code.end(), bytes);
  }
  void appendWord(uint32_t value) {
    out.code.resize(out.code.size() + 4);
    write32le(&out.code[out.code.size() - 4], value);
  }

  ArrayRef<uint8_t> in;
  unsigned field;
  int32_t offset;
  bool thread;
  AddressFlow flow;
  SlotCode out;

  size_t headAt = 0; ///< of REX or VEX, else of the opcode
  size_t opcodeAt = 0, modRmAt = 0;
  unsigned map = 0; ///< 0 one byte, 1 after 0f, 2 after 0f 38, 3 after 0f 3a
  uint8_t rex = 0, reg = 0;
  uint8_t named = 0; ///< the general register that `reg` is part of
  std::optional<uint8_t> vexRegister; ///< vvvv
  bool vex = false, prefixed = false; ///< with 66, f2, f3 or f0
};

bool SlotRewriter::parse() {
  size_t at = 0;
  auto have = [&](size_t n) { return at + n <= in.size(); };
  for (; have(1) && is_contained({0x64, 0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x3e}, in[at]);
       ++at)
    prefixed |= !is_contained({0x64, 0x2e, 0x3e}, in[at]);
  headAt = at;
  if (!have(6))
    return false;
  if ((in[at] & 0xf0) == 0x40) {
    rex = in[at++];
  } else if (is_contained({0xc5, 0xc4, 0x62}, in[at])) {
    vex = true;
    unsigned size = in[at] == 0xc5 ? 2 : in[at] == 0xc4 ? 3 : 4;
    map = size == 2 ? 1 : in[at + 1] & (size == 3 ? 0x1f : 7);
    rex = in[at + 1] & 0x80 ? 0 : 4;
    // vvvv: in the second byte of two, in the third of more.
    vexRegister = ~in[at + (size == 2 ? 1 : 2)] >> 3 & 15;
    at += size;
  }
  opcodeAt = at;
  if (!vex && in[at] == 0x0f) {
    map = in[at + 1] == 0x38 ? 2 : in[at + 1] == 0x3a ? 3 : 1;
    at += map == 1 ? 1 : 2;
  }
  modRmAt = at + 1;
  if (modRmAt + 1 >= in.size())
    return false;
  reg = (in[modRmAt] >> 3 & 7) | (rex & 4 ? 8 : 0);
  bool high = !rex && !vex && reg >= 4 && hasByteRegister(map, in[modRmAt - 1]);
  named = high ? reg - 4 : reg;
  return true;
}

/// Whether the operation itself uses the stack pointer.
bool SlotRewriter::usesStack() const {
  uint8_t opcode = in[modRmAt - 1];
  if (flow.base == rsp || flow.index == rsp)
    return true;
  if (vex)
    return vexRegister == rsp && map >= 2; // a general register of BMI's
  if (map == 0) {
    if (opcode == 0xff || opcode == 0x8f) // call, jmp, push; pop
      return opcode == 0x8f || reg >= 2;
    bool isDigit = (opcode >= 0x80 && opcode <= 0x83) || opcode == 0xc0 ||
                   opcode == 0xc1 || opcode == 0xc6 || opcode == 0xc7 ||
                   (opcode >= 0xd0 && opcode <= 0xdf) || opcode == 0xf6 ||
                   opcode == 0xf7 || opcode == 0xfe;
    return named == rsp && !isDigit;
  }
  // The SSE ones have vector registers where the others have general ones.
  bool isVector = map == 1 && ((opcode >= 0x10 && opcode < 0x18) ||
                               (opcode >= 0x28 && opcode < 0x30) ||
                               (opcode >= 0x51 && opcode < 0x80) || opcode == 0xc2 ||
                               opcode == 0xc6 || opcode >= 0xd0);
  return reg == rsp && !isVector;
}

/// Loads and lea: the register that they write is free before.
bool SlotRewriter::writesWholeRegister() const {
  if (vex || prefixed || reg == rsp || reg == flow.base || reg == flow.index)
    return false;
  uint8_t opcode = in[modRmAt - 1];
  if (map == 0)
    return opcode == 0x8b || opcode == 0x8d || opcode == 0x63;
  return map == 1 && is_contained({0xb6, 0xb7, 0xbe, 0xbf}, opcode);
}

/// None of those that instructions use without naming them (cmpxchg8b uses
/// %rbx; string instructions have no operand).
std::optional<uint8_t> SlotRewriter::scratchRegister() const {
  bool usesRbx = map == 1 && in[modRmAt - 1] == 0xc7;
  for (uint8_t r : {rsi, rdi, rbx})
    if (r != named && r != flow.base && r != flow.index && r != vexRegister &&
        !(r == rbx && usesRbx))
      return r;
  return std::nullopt;
}

/// mov slot(%rip),%to, or another operation of that form.
void SlotRewriter::loadSlot(uint8_t to, uint8_t opcode) {
  append({uint8_t(0x48 | (to & 8 ? 4 : 0)), opcode, uint8_t(0x05 | (to & 7) << 3)});
  out.field = out.code.size();
  appendWord(0);
}

/// lea 0(%to,%base),%to
void SlotRewriter::addBase(uint8_t to) {
  if (flow.base == AddressFlow::none)
    return;
  uint8_t high = to & 8 ? 4 | 1 : 0;
  append({uint8_t(0x48 | high | (flow.base & 8 ? 2 : 0)), 0x8d,
          uint8_t(0x44 | (to & 7) << 3), uint8_t((flow.base & 7) << 3 | (to & 7)), 0});
}

/// The instruction with displacement(%base,%index) for its operand.
void SlotRewriter::operate(uint8_t base, int32_t displacement) {
  size_t from = out.code.size();
  out.code.insert(out.code.end(), in.begin(), in.begin() + modRmAt);
  uint8_t *head = &out.code[from + headAt];
  if (vex && *head != 0xc5)
    head[1] |= 0x20; // B, inverted
  else if (!vex && rex)
    *head = (rex & ~1) | (base & 8 ? 1 : 0);
  bool hasIndex = flow.index != AddressFlow::none;
  bool hasSib = hasIndex || (base & 7) == rsp;
  out.code.push_back(0x80 | (reg & 7) << 3 | (hasSib ? 4 : base & 7));
  if (hasSib)
    out.code.push_back(countr_zero(unsigned(flow.scale)) << 6 |
                       (hasIndex ? flow.index & 7 : 4) << 3 | (base & 7));
  appendWord(displacement);
  out.code.insert(out.code.end(), in.begin() + field + 4, in.end());
}

/// An offset from the thread pointer as a number.
bool SlotRewriter::rewriteImmediate() {
  if (!thread || field + 4 != in.size() || vex || prefixed || !(rex & 8))
    return false;
  uint8_t opcode = in[opcodeAt], to = (in[modRmAt] & 7) | (rex & 1 ? 8 : 0);
  if (opcode == 0x05 && field == opcodeAt + 1) { // add $n,%rax
    loadSlot(0, 0x03);
    return true;
  }
  if (in[modRmAt] >> 6 != 3 || field != modRmAt + 1 || (reg & 7) != 0)
    return false;
  if (opcode != 0xc7 && opcode != 0x81)
    return false;
  loadSlot(to, opcode == 0xc7 ? 0x8b : 0x03); // mov $n,%to; add $n,%to
  return true;
}

Expected<SlotCode> SlotRewriter::rewrite() {
  if (!parse())
    return makeError("its form is not known");
  if (rewriteImmediate())
    return out;
  uint8_t opcode = in[modRmAt - 1];
  if (!flow.hasMemory || flow.displacementAt != field || flow.ipRelative == thread ||
      flow.displacementAt < modRmAt + 1 || flow.displacementAt > modRmAt + 2)
    return makeError("its form is not known");
  if (usesStack())
    return makeError("it uses the stack pointer");
  bool isLea = !vex && map == 0 && opcode == 0x8d;
  if (writesWholeRegister()) {
    loadSlot(reg);
    addBase(reg);
    bool isDone = isLea && (rex & 8) && !offset && flow.index == AddressFlow::none;
    if (!isDone)
      operate(reg, offset);
    return out;
  }
  auto scratch = scratchRegister();
  if (!scratch)
    return makeError("no register is free");
  append({0x48, 0x8d, 0x64, 0x24, 0x80}); // lea -128(%rsp),%rsp
  append({uint8_t(0x50 | *scratch)});
  loadSlot(*scratch);
  addBase(*scratch);
  operate(*scratch, offset);
  append({uint8_t(0x58 | *scratch)});
  append({0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0}); // lea 128(%rsp),%rsp
  return out;
}

} // namespace

Expected<SlotCode> goThroughSlotX86_64(ArrayRef<uint8_t> instruction,
                                       unsigned field, int32_t offset,
                                       bool thread) {
  return SlotRewriter(instruction, field, offset, thread).rewrite();
}

} // namespace relink
