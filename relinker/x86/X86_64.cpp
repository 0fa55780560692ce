//===- X86_64.cpp - x86-64: instructions and registers --------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "Error.h"
#include "X86_64.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstrAnalysis.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;
using support::endian::read32le;
using support::endian::write32le;

namespace relink {

namespace {

/// Bits 0 to 8 of a RegisterSet are the general registers.
constexpr unsigned generalCount = 9;

class X86_64 final : public Target {
public:
  Error init();
  bool decode(ArrayRef<uint8_t> bytes, uint64_t address,
              Instruction &out) const override;
  bool measure(ArrayRef<uint8_t> bytes, uint64_t address,
               Instruction &out) const override {
    return measureX86_64(bytes, address, out) || decode(bytes, address, out);
  }
  bool measureQuickly(ArrayRef<uint8_t> bytes, uint64_t address,
                      Instruction &out) const override {
    return measureX86_64(bytes, address, out);
  }
  Expected<std::unique_ptr<Target>> another() const override;
  Expected<Redirect> planRedirect(const RedirectSite &site,
                                  uint64_t destination) const override {
    return planRedirectX86_64(*this, site, destination);
  }
  bool readLinkedField(ArrayRef<uint8_t> object, uint64_t place,
                       ArrayRef<ObjectRelocation> relocations,
                       ArrayRef<uint8_t> linked, uint64_t address,
                       LinkedField &out) const override {
    return readLinkedFieldX86_64(object, place, relocations, linked, address,
                                 out);
  }
  AddressFlow followAddresses(ArrayRef<uint8_t> instruction) const override {
    return followAddressesX86_64(instruction);
  }
  Expected<DisplacedCode> displaceEntry(ArrayRef<uint8_t> body,
                                        uint64_t entry) const override {
    return displaceEntryX86_64(*this, body, entry);
  }
  Expected<SlotCode> goThroughSlot(ArrayRef<uint8_t> instruction, unsigned field,
                                   int32_t offset, bool thread) const override {
    return goThroughSlotX86_64(instruction, field, offset, thread);
  }
  FieldUse fieldUse(ArrayRef<uint8_t> before) const override {
    return fieldUseX86_64(before);
  }
  bool isShortJump(uint8_t opcode) const override {
    return isShortJumpX86_64(opcode);
  }
  uint64_t paddingLength(ArrayRef<uint8_t> gap,
                         ArrayRef<uint8_t> following) const override {
    return paddingLengthX86_64(*this, gap, following);
  }
  // endbr64, the two bytes of a short jump, 128 bytes, a near jump.
  uint64_t caveReach() const override { return 4 + 2 + 128 + 5; }
  bool isLandingPad(ArrayRef<uint8_t> code) const override {
    return isLandingPadX86_64(code);
  }
  std::optional<std::pair<uint64_t, unsigned>>
  decodePltEntry(ArrayRef<uint8_t> bytes, uint64_t address) const override;
  RegisterSet callerSaved() const override {
    return (RegisterSet(1) << scratch.size()) - 1;
  }
  RegisterSet returnRegisters() const override {
    // %rax, %rdx, %xmm0, %xmm1 (psABI 3.2.3).
    return 1 << 0 | 1 << 2 | 3 << generalCount;
  }
  PreservingEntry makePreservingEntry(RegisterSet saved) const override;
  std::string describe(RegisterSet registers) const override;
  bool readsStackArguments(ArrayRef<uint8_t> body,
                           bool hasLandingPads) const override;
  bool setsThirdArgument(ArrayRef<uint8_t> instruction) const override {
    return instruction.size() == 5 && instruction[0] == 0xba; // mov $n,%edx
  }
  uint8_t trapByte() const override { return 0xcc; }

private:
  void findScratchRegisters();
  void findGeneralRegisters();

  uint16_t generalWrittenBy(const MCInst &inst, const MCInstrDesc &desc) const;
  RegisterSet writtenBy(const MCInst &inst, const MCInstrDesc &desc) const;

  /// psABI figure 3.4: 9 general registers, then xmm0 to xmm15.
  std::vector<MCRegister> scratch;
  /// Bit of each register's widest caller-saved part, or -1.
  std::vector<int8_t> scratchBit;
  /// Hardware number of the general register each one is part of, or -1.
  std::vector<int8_t> generalNumber;
  MCRegister stackPointer, framePointer;
  std::unique_ptr<MCRegisterInfo> registers;
  std::unique_ptr<MCAsmInfo> asmInfo;
  std::unique_ptr<MCInstrInfo> instructions;
  std::unique_ptr<MCSubtargetInfo> subtarget;
  std::unique_ptr<MCContext> context;
  std::unique_ptr<MCDisassembler> disassembler;
  std::unique_ptr<MCInstrAnalysis> analysis;
};

Error X86_64::init() {
  Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *t = TargetRegistry::lookupTarget(triple, message);
  if (!t)
    return makeError("this LLVM lacks the x86 target: " + message);
  MCTargetOptions options;
  registers.reset(t->createMCRegInfo(triple));
  asmInfo.reset(t->createMCAsmInfo(*registers, triple, options));
  instructions.reset(t->createMCInstrInfo());
  subtarget.reset(t->createMCSubtargetInfo(triple, "", ""));
  context = std::make_unique<MCContext>(triple, asmInfo.get(), registers.get(),
                                        subtarget.get());
  disassembler.reset(t->createMCDisassembler(*subtarget, *context));
  analysis.reset(t->createMCInstrAnalysis(instructions.get()));
  findScratchRegisters();
  findGeneralRegisters();
  return Error::success();
}

constexpr const char *scratchNames[] = {
    "RAX",   "RCX",   "RDX",   "RSI",   "RDI",   "R8",    "R9",
    "R10",   "R11",   "XMM0",  "XMM1",  "XMM2",  "XMM3",  "XMM4",
    "XMM5",  "XMM6",  "XMM7",  "XMM8",  "XMM9",  "XMM10", "XMM11",
    "XMM12", "XMM13", "XMM14", "XMM15"};
/// Hardware numbers of the general ones.
constexpr uint8_t generalNumbers[generalCount] = {0, 1, 2, 6, 7, 8, 9, 10, 11};

void X86_64::findScratchRegisters() {
  for (const char *name : scratchNames)
    for (unsigned r = 1; r < registers->getNumRegs(); ++r)
      if (StringRef(registers->getName(r)) == name)
        scratch.push_back(r);
  for (unsigned r = 1; r < registers->getNumRegs(); ++r) {
    StringRef name = registers->getName(r);
    if (name == "RSP")
      stackPointer = r;
    else if (name == "RBP")
      framePointer = r;
  }
  scratchBit.assign(registers->getNumRegs(), -1);
  for (unsigned r = 1; r < registers->getNumRegs(); ++r)
    for (unsigned bit = 0; bit < scratch.size(); ++bit)
      if (registers->regsOverlap(r, scratch[bit]))
        scratchBit[r] = bit;
}

void X86_64::findGeneralRegisters() {
  constexpr const char *names[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP",
                                   "RSI", "RDI", "R8",  "R9",  "R10", "R11",
                                   "R12", "R13", "R14", "R15"};
  generalNumber.assign(registers->getNumRegs(), -1);
  for (unsigned whole = 1; whole < registers->getNumRegs(); ++whole)
    for (unsigned n = 0; n < std::size(names); ++n)
      if (StringRef(registers->getName(whole)) == names[n])
        for (unsigned r = 1; r < registers->getNumRegs(); ++r)
          if (registers->regsOverlap(r, whole))
            generalNumber[r] = n;
}

static void forEachWritten(const MCInst &inst, const MCInstrDesc &desc,
                           function_ref<void(MCRegister)> visit) {
  for (unsigned i = 0; i < desc.getNumDefs() && i < inst.getNumOperands(); ++i)
    if (inst.getOperand(i).isReg())
      visit(inst.getOperand(i).getReg());
  for (MCPhysReg r : desc.implicit_defs())
    visit(r);
}

RegisterSet X86_64::writtenBy(const MCInst &inst,
                              const MCInstrDesc &desc) const {
  RegisterSet out = 0;
  forEachWritten(inst, desc, [&](MCRegister r) {
    if (r && r.id() < scratchBit.size() && scratchBit[r.id()] >= 0)
      out |= RegisterSet(1) << scratchBit[r.id()];
  });
  return out;
}

uint16_t X86_64::generalWrittenBy(const MCInst &inst,
                                  const MCInstrDesc &desc) const {
  uint16_t out = 0;
  forEachWritten(inst, desc, [&](MCRegister r) {
    if (r && r.id() < generalNumber.size() && generalNumber[r.id()] >= 0)
      out |= 1 << generalNumber[r.id()];
  });
  return out;
}

std::string X86_64::describe(RegisterSet set) const {
  std::string out;
  for (unsigned bit = 0; bit < scratch.size(); ++bit)
    if (set >> bit & 1)
      out += (out.empty() ? "%" : " %") + StringRef(scratchNames[bit]).lower();
  return out;
}

PreservingEntry X86_64::makePreservingEntry(RegisterSet saved) const {
  PreservingEntry e;
  std::vector<uint8_t> &c = e.code;
  uint64_t last = 0, depth = 8; // the return address
  auto frameChanged = [&](uint64_t now) {
    depth = now;
    // DW_CFA_advance_loc2, then DW_CFA_def_cfa_offset.
    uint64_t step = c.size() - last;
    e.frameInstructions.insert(
        e.frameInstructions.end(),
        {0x03, uint8_t(step), uint8_t(step >> 8), 0x0e});
    for (uint64_t v = depth;; v >>= 7) {
      e.frameInstructions.push_back(uint8_t(v & 0x7f) | (v > 0x7f ? 0x80 : 0));
      if (v <= 0x7f)
        break;
    }
    last = c.size();
  };
  auto push = [&](uint8_t opcode, unsigned number) {
    if (number >= 8)
      c.push_back(0x41);
    c.push_back(opcode + (number & 7));
  };
  auto immediate = [&](std::initializer_list<uint8_t> opcode, uint32_t value) {
    c.insert(c.end(), opcode);
    c.resize(c.size() + 4);
    write32le(&c[c.size() - 4], value);
  };
  std::vector<unsigned> general, vector;
  for (unsigned bit = 0; bit < scratch.size(); ++bit)
    if (saved >> bit & 1) {
      if (bit < generalCount)
        general.push_back(generalNumbers[bit]);
      else
        vector.push_back(bit - generalCount);
    }
  for (unsigned number : general) {
    push(0x50, number);
    frameChanged(depth + 8);
  }
  // The called function expects %rsp + 8 to be a multiple of 16.
  uint32_t area = vector.size() * 16;
  if ((depth + area) % 16)
    area += 8;
  auto move = [&](uint8_t opcode) {
    for (size_t i = 0; i < vector.size(); ++i) {
      if (vector[i] >= 8)
        c.push_back(0x44);
      immediate({0x0f, opcode, uint8_t(0x84 | (vector[i] & 7) << 3), 0x24},
                i * 16);
    }
  };
  if (area) {
    immediate({0x48, 0x81, 0xec}, area); // sub $area,%rsp
    frameChanged(depth + area);
  }
  move(0x11); // movups %xmm, i*16(%rsp)
  immediate({0xe8}, 0);
  e.callField = c.size() - 4;
  move(0x10);
  if (area) {
    immediate({0x48, 0x81, 0xc4}, area); // add $area,%rsp
    frameChanged(depth - area);
  }
  for (unsigned number : reverse(general)) {
    push(0x58, number);
    frameChanged(depth - 8);
  }
  c.push_back(0xc3);
  return e;
}

/// Follows %rsp through straight-line code; an address above the return
/// address is the caller's. Landing pads run with the frame that calls were made in.
bool X86_64::readsStackArguments(ArrayRef<uint8_t> body,
                                 bool hasLandingPads) const {
  int64_t depth = 0, deepest = 0, frameDepth = INT64_MIN; // %rsp, %rbp below the entry's %rsp
  AddressMap<int64_t> depthAt;
  for (uint64_t at = 0; at < body.size();) {
    if (auto it = depthAt.find(at); it != depthAt.end())
      depth = it->second;
    MCInst inst;
    uint64_t size = 0;
    if (disassembler->getInstruction(inst, size, body.drop_front(at).take_front(16),
                                     at, nulls()) != MCDisassembler::Success ||
        size == 0)
      return true;
    const MCInstrDesc &desc = instructions->get(inst.getOpcode());
    StringRef name = instructions->getName(inst.getOpcode());
    // Memory operands are base, scale, index, displacement, segment.
    for (unsigned i = 0; i + 4 < inst.getNumOperands(); ++i) {
      const MCOperand &base = inst.getOperand(i), &disp = inst.getOperand(i + 3);
      if (!base.isReg() || !inst.getOperand(i + 1).isImm() || !disp.isImm() ||
          !inst.getOperand(i + 2).isReg() || !inst.getOperand(i + 4).isReg())
        continue;
      if (base.getReg() == stackPointer && disp.getImm() - depth >= 8)
        return true;
      if (base.getReg() == framePointer && frameDepth != INT64_MIN &&
          disp.getImm() - frameDepth >= 8)
        return true;
    }
    uint64_t target;
    if (desc.isBranch() && analysis->evaluateBranch(inst, at, size, target) &&
        target < body.size())
      depthAt.try_emplace(target, depth);
    auto amount = [&] {
      const MCOperand &o = inst.getOperand(inst.getNumOperands() - 1);
      return o.isImm() ? o.getImm() : 0;
    };
    bool onStackPointer = inst.getNumOperands() && inst.getOperand(0).isReg() &&
                          inst.getOperand(0).getReg() == stackPointer;
    if (name.starts_with("PUSH64"))
      depth += 8;
    else if (name.starts_with("POP64"))
      depth -= 8;
    else if (name.starts_with("SUB64") && onStackPointer)
      depth += amount();
    else if (name.starts_with("ADD64") && onStackPointer)
      depth -= amount();
    else if (name.starts_with("MOV64rr") && inst.getNumOperands() > 1 &&
             inst.getOperand(0).getReg() == framePointer &&
             inst.getOperand(1).getReg() == stackPointer)
      frameDepth = depth;
    deepest = std::max(deepest, depth);
    if (hasLandingPads && desc.isReturn())
      depth = deepest;
    at += size;
  }
  return false;
}

/// In x86 encodings the displacement precedes the immediate, so a PC-relative
/// displacement ends 0, 1, 2 or 4 bytes before the instruction's end.
unsigned findDisplacement(ArrayRef<uint8_t> bytes, uint32_t displacement,
                          bool hasImmediate) {
  static constexpr unsigned withImmediate[] = {4, 1, 2},
                            without[] = {0};
  ArrayRef<unsigned> widths = hasImmediate ? ArrayRef(withImmediate)
                                           : ArrayRef(without);
  for (unsigned width : widths)
    if (bytes.size() >= 4 + width + 2 &&
        read32le(&bytes[bytes.size() - width - 4]) == displacement)
      return bytes.size() - width - 4;
  return 0;
}

bool X86_64::decode(ArrayRef<uint8_t> bytes, uint64_t address,
                    Instruction &out) const {
  MCInst inst;
  uint64_t size = 0;
  // No x86 instruction is longer than 15 bytes; a short view keeps the
  // decoder's work bounded.
  if (disassembler->getInstruction(inst, size, bytes.take_front(16), address,
                                   nulls()) != MCDisassembler::Success ||
      size == 0 || size > bytes.size())
    return false;
  out = Instruction();
  out.address = address;
  out.size = size;
  const MCInstrDesc &desc = instructions->get(inst.getOpcode());
  out.isCall = desc.isCall();
  out.isBranch = desc.isBranch() && !desc.isCall();
  out.isConditional = desc.isConditionalBranch();
  out.isIndirect = desc.isIndirectBranch();
  out.isNop = instructions->getName(inst.getOpcode()).starts_with("NOOP") ||
              // xchg %ax,%ax is how 66 90 decodes.
              (size == 2 && bytes[0] == 0x66 && bytes[1] == 0x90);
  // LLVM's tables don't say it of int3 and hlt.
  out.endsFlow = desc.isBarrier() || desc.isReturn() || desc.isTrap() ||
                 (size == 1 && (bytes[0] == 0xcc || bytes[0] == 0xf4));
  ArrayRef<uint8_t> encoding = bytes.take_front(size);
  out.clobbered = writtenBy(inst, desc);
  out.generalWritten = generalWrittenBy(inst, desc);
  uint64_t target;
  if ((desc.isCall() || desc.isBranch()) && !desc.isIndirectBranch() &&
      analysis->evaluateBranch(inst, address, size, target)) {
    out.branchTarget = target;
    // Prefixes make a short form as long as a near one; e8, e9 and 0f are none.
    bool isNear = size >= 5 && (encoding[size - 5] == 0xe8 ||
                                encoding[size - 5] == 0xe9 ||
                                (size >= 6 && encoding[size - 6] == 0x0f &&
                                 encoding[size - 5] >> 4 == 8));
    bool isShort = size >= 2 &&
                   uint64_t(int8_t(encoding.back())) + address + size == target &&
                   (encoding[size - 2] == 0xeb || (encoding[size - 2] >> 4) == 7 ||
                    (encoding[size - 2] & 0xfc) == 0xe0);
    out.fieldSize = isShort && !isNear ? 1 : 4; // that of xbegin has 4 as well
    out.fieldOffset = size - out.fieldSize;
    return true;
  }
  if (auto memory = analysis->evaluateMemoryOperandAddress(
          inst, subtarget.get(), address, size)) {
    bool hasImmediate = inst.getNumOperands() &&
                        inst.getOperand(inst.getNumOperands() - 1).isImm() &&
                        !desc.isBranch() && !desc.isCall();
    unsigned at = findDisplacement(
        encoding, uint32_t(*memory - (address + size)), hasImmediate);
    if (!at)
      at = findDisplacement(encoding, uint32_t(*memory - (address + size)),
                            !hasImmediate);
    out.memoryTarget = *memory;
    if (at) {
      out.fieldOffset = at;
      out.fieldSize = 4;
    }
  }
  return true;
}

/// Linkers' entries are [endbr64] [mov index,%r11d (mold)] [bnd] jmp
/// *slot(%rip); what precedes the jump belongs to the call, so the entry's
/// start is what is called.
std::optional<std::pair<uint64_t, unsigned>>
X86_64::decodePltEntry(ArrayRef<uint8_t> bytes, uint64_t address) const {
  uint64_t at = 0;
  for (unsigned n = 0; n < 3 && at < 16; ++n) {
    Instruction i;
    if (at >= bytes.size() || !decode(bytes.drop_front(at), address + at, i))
      return std::nullopt;
    at += i.size;
    if (i.isBranch && i.isIndirect && i.memoryTarget)
      return std::pair(*i.memoryTarget, unsigned(at));
    if (i.isBranch || i.isCall || i.memoryTarget)
      return std::nullopt;
  }
  return std::nullopt;
}

Expected<std::unique_ptr<Target>> X86_64::another() const {
  auto target = std::make_unique<X86_64>();
  if (Error e = target->init())
    return e;
  return target;
}

} // namespace

Expected<std::unique_ptr<Target>> createX86_64Target() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86Disassembler();
  auto target = std::make_unique<X86_64>();
  if (Error e = target->init())
    return e;
  return target;
}

} // namespace relink
