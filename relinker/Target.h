//===- Target.h - What differs between architectures ------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld knows relocations, GOT, PLT and TLS of every architecture. What is left
// for us is small: where an instruction ends and what it refers to, and how an
// entry is redirected.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_TARGET_H
#define RELINK_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <optional>
#include <vector>

namespace relink {

/// A set of caller-saved registers; what each bit means is the target's.
using RegisterSet = uint32_t;

/// One decoded instruction, as far as references and registers go.
struct Instruction {
  uint64_t address = 0;
  unsigned size = 0; ///< bytes
  bool isCall = false;
  bool isBranch = false;      ///< a jump, conditional or not
  bool isConditional = false; ///< a conditional jump
  bool isIndirect = false;
  bool isNop = false;
  bool endsFlow = false; ///< execution never continues behind it
  std::optional<uint64_t> branchTarget; ///< direct call or jump
  std::optional<uint64_t> memoryTarget; ///< PC-relative memory operand
  unsigned fieldOffset = 0; ///< of the PC-relative field, from the start
  unsigned fieldSize = 0;   ///< 1 or 4; 0 when there is none, or none is found
  RegisterSet clobbered = 0; ///< caller-saved registers it writes
  uint16_t generalWritten = 0; ///< general registers it writes, by number
};

/// What one instruction does to addresses: enough to follow a jump table's
/// address to the jump, and the thread pointer to its uses.
struct AddressFlow {
  enum class Kind {
    Other,
    Address,  ///< destination = address of the memory operand
    Load,     ///< destination = memory operand, `width` bytes, sign-extended or not
    Extend,   ///< destination = source, sign-extended from 32 bits
    Move,     ///< destination = source
    Constant, ///< destination = immediate
    Add,      ///< destination += source, or the memory operand
    AddConstant, ///< destination += immediate
    Compare,  ///< source, or the memory operand, with the immediate
    Mask,     ///< destination &= immediate
    ShiftRight, ///< destination, without a sign, is divided by 2 to the immediate
    Jump,     ///< to source, or to what the memory operand holds
  };
  static constexpr uint8_t none = 16; ///< no register

  Kind kind = Kind::Other;
  uint8_t destination = none, source = none; ///< hardware numbers
  uint8_t width = 0; ///< bytes of a Load, Move or Constant
  bool isSigned = false; ///< a Load of 4 bytes that makes 8 of them
  bool hasMemory = false, ipRelative = false;
  bool threadSegment = false; ///< %fs: the memory operand is the thread's
  uint8_t base = none, index = none, scale = 1;
  int32_t displacement = 0;
  unsigned displacementAt = 0; ///< offset of a 32-bit displacement, or 0
  int64_t immediate = 0;
  unsigned immediateAt = 0; ///< offset of the immediate, or 0
  unsigned immediateSize = 0;
};

/// What a 32-bit PC-relative field may be part of.
enum class FieldUse {
  None,
  Branch,  ///< a direct call or jump, which ends with it
  Operand, ///< an operand in memory; an immediate of 1, 2 or 4 bytes may follow
};

/// How the entry of a replaced function is made to reach its new body.
enum class RedirectMethod { InPlace, HotPatch, NearJump, ShortJump, Relinked };

llvm::StringRef toString(RedirectMethod method);

/// Bytes of code that belong to nothing: alignment padding, which may hold a
/// jump.
struct Cave {
  uint64_t address = 0, size = 0;
};

/// A function whose entry is to be redirected, and what lies around it.
struct RedirectSite {
  uint64_t entry = 0;
  llvm::ArrayRef<uint8_t> body;
  llvm::ArrayRef<uint8_t> before; ///< in front of the entry, nearest last
  uint64_t padding = 0;           ///< bytes of it behind the body
  llvm::ArrayRef<Cave> caves;     ///< by address; some may be out of reach
};

/// Bytes to be written over an entry.
struct Redirect {
  RedirectMethod method = RedirectMethod::NearJump;
  /// Ascending, disjoint: address and new bytes.
  llvm::SmallVector<std::pair<uint64_t, llvm::SmallVector<uint8_t, 8>>, 2>
      writes;
};

/// Code that calls a function with some registers kept.
struct PreservingEntry {
  std::vector<uint8_t> code;
  uint64_t callField = 0; ///< offset of the call's 32-bit PC-relative field
  std::vector<uint8_t> frameInstructions; ///< DW_CFA_*
};

/// Instructions of a function's entry, repeated elsewhere.
struct DisplacedCode {
  /// A 32-bit field that counts from the end of its instruction.
  struct Field {
    uint64_t offset = 0; ///< in `code`
    uint64_t target = 0; ///< address
    unsigned toEnd = 4;  ///< bytes from the field to that end
  };
  std::vector<uint8_t> code;
  std::vector<Field> fields;
  /// Offset in the function and in `code` of each instruction.
  std::vector<std::pair<uint64_t, uint64_t>> places;
  uint64_t displaced = 0; ///< bytes of the function they took
  bool calls = false;
};

/// What does the work of an instruction with a slot's value, which it loads.
struct SlotCode {
  std::vector<uint8_t> code;
  uint64_t field = 0; ///< offset of the slot's 32-bit PC-relative field, in `code`
};

struct ObjectRelocation;

/// What a linker made of a relocation.
struct LinkedField {
  enum class Kind {
    Address,   ///< `value` is S + A
    Slot,      ///< `value` - A is the address of a GOT slot that holds S
    TlsBlock,  ///< `value` - A is an offset from the start of the TLS block
    TlsThread, ///< the same from the thread pointer
    TlsSlot,   ///< `value` - A is a slot with an offset from the thread pointer
    TlsIndex,  ///< `value` - A is a pair of slots: module, offset in its block
    TlsDescriptor, ///< `value` - A is a TLS descriptor
    Nothing,   ///< part of a sequence that another relocation describes
  };
  Kind kind = Kind::Address;
  /// The bytes it accounts for, counted from where the caller's bytes start.
  uint64_t begin = 0, end = 0;
  unsigned consumed = 1; ///< relocations
  uint64_t value = 0;
};

class Target {
public:
  virtual ~Target() = default;

  /// Reads what a linker made of the first of \p relocations, whose place is
  /// \p place in \p object. \p linked holds the linked bytes at \p address that
  /// \p object became. Instructions that linkers relax are recognised. False
  /// when the bytes are no outcome of this relocation.
  virtual bool readLinkedField(llvm::ArrayRef<uint8_t> object, uint64_t place,
                               llvm::ArrayRef<ObjectRelocation> relocations,
                               llvm::ArrayRef<uint8_t> linked, uint64_t address,
                               LinkedField &out) const = 0;

  /// Decodes the instruction at the start of \p bytes; false when there is
  /// none.
  virtual bool decode(llvm::ArrayRef<uint8_t> bytes, uint64_t address,
                      Instruction &out) const = 0;

  /// The same without what only decode() tells: registers.
  virtual bool measure(llvm::ArrayRef<uint8_t> bytes, uint64_t address,
                       Instruction &out) const = 0;

  /// measure() of what is common and quick to measure; false for the rest.
  virtual bool measureQuickly(llvm::ArrayRef<uint8_t> bytes, uint64_t address,
                              Instruction &out) const = 0;
  /// One of the same kind, for another thread.
  virtual llvm::Expected<std::unique_ptr<Target>> another() const = 0;

  /// What a field behind the bytes \p before may be part of, wherever
  /// instructions begin.
  virtual FieldUse fieldUse(llvm::ArrayRef<uint8_t> before) const = 0;
  /// Whether a jump with an 8-bit field may start with this byte.
  virtual bool isShortJump(uint8_t opcode) const = 0;
  /// Takes apart one whole instruction, which decode() has accepted. Only the
  /// forms that compilers use on addresses get a kind.
  virtual AddressFlow
  followAddresses(llvm::ArrayRef<uint8_t> instruction) const = 0;

  /// The whole instruction \p instruction, whose 32-bit field at \p field leads
  /// to a symbol, or with \p thread is an offset from the thread pointer, with
  /// what a slot holds plus \p offset in its place. An error says why it can't.
  virtual llvm::Expected<SlotCode>
  goThroughSlot(llvm::ArrayRef<uint8_t> instruction, unsigned field,
                int32_t offset, bool thread) const = 0;

  /// The instructions of \p body, at \p entry, that a redirect may overwrite,
  /// and a jump to what follows them. An error when they can't stand elsewhere,
  /// or when the body jumps back to its entry.
  virtual llvm::Expected<DisplacedCode>
  displaceEntry(llvm::ArrayRef<uint8_t> body, uint64_t entry) const = 0;

  /// Plans how the function of \p site is redirected to \p destination. An
  /// error says why no redirect fits.
  virtual llvm::Expected<Redirect> planRedirect(const RedirectSite &site,
                                                uint64_t destination) const = 0;

  /// How many bytes at the start of \p gap are alignment padding; 0 unless
  /// nothing else is in it. \p following holds the code behind the gap: what
  /// that may own (a hot-patch prefix) doesn't count.
  virtual uint64_t paddingLength(llvm::ArrayRef<uint8_t> gap,
                                 llvm::ArrayRef<uint8_t> following) const = 0;
  /// How far from an entry a cave may begin or end, bytes.
  virtual uint64_t caveReach() const = 0;
  /// Whether an indirect branch may land on \p code where that is checked (IBT).
  virtual bool isLandingPad(llvm::ArrayRef<uint8_t> code) const = 0;

  /// The GOT slot that the PLT entry at the start of \p bytes jumps through,
  /// and the entry's size; nothing when it is no PLT entry.
  virtual std::optional<std::pair<uint64_t, unsigned>>
  decodePltEntry(llvm::ArrayRef<uint8_t> bytes, uint64_t address) const = 0;

  /// All registers a function may change (psABI).
  virtual RegisterSet callerSaved() const = 0;
  /// Those in which a function returns its result.
  virtual RegisterSet returnRegisters() const = 0;
  virtual PreservingEntry makePreservingEntry(RegisterSet saved) const = 0;
  /// Names of \p registers, for messages.
  virtual std::string describe(RegisterSet registers) const = 0;
  /// Whether the instruction puts a 32-bit constant, its last four bytes, where
  /// a function's third argument goes.
  virtual bool
  setsThirdArgument(llvm::ArrayRef<uint8_t> instruction) const = 0;
  /// Whether the function \p body reads arguments its caller put on the stack.
  /// \p hasLandingPads: behind a return is code that only unwinding leads to.
  virtual bool readsStackArguments(llvm::ArrayRef<uint8_t> body,
                                   bool hasLandingPads) const = 0;

  /// Bytes for space that must never run.
  virtual uint8_t trapByte() const = 0;
};

/// The x86-64 target.
llvm::Expected<std::unique_ptr<Target>> createX86_64Target();

} // namespace relink

#endif
