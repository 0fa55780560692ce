//===- X86_64Displace.cpp - x86-64: an entry's instructions elsewhere -----===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "X86_64.h"

using namespace llvm;

namespace relink {
namespace {

constexpr uint64_t redirectSize = 5; // a near jump

class Displacer {
public:
  Displacer(const Target &target, ArrayRef<uint8_t> body, uint64_t entry)
      : target(target), body(body), entry(entry) {}
  Expected<DisplacedCode> run();

private:
  Error checkNoJumpBack(uint64_t to) const;
  Error copy(const Instruction &i);
  Error copyShortJump(ArrayRef<uint8_t> bytes, uint64_t destination);
  void addJump(uint64_t destination);

  const Target &target;
  ArrayRef<uint8_t> body;
  uint64_t entry;
  DisplacedCode out;
};

/// A jump to the entry would reach the new body: whether it is a loop or a call
/// of itself can't be told.
Error Displacer::checkNoJumpBack(uint64_t behindEndbr) const {
  for (uint64_t at = 0; at < body.size();) {
    Instruction i;
    if (!target.decode(body.drop_front(at), entry + at, i))
      return makeError("its code at " + hex(entry + at) + " can't be decoded");
    if (i.branchTarget && !i.isCall &&
        (*i.branchTarget == entry || *i.branchTarget == behindEndbr))
      return makeError("the instruction at " + hex(i.address) +
                       " jumps back to its entry");
    at += i.size;
  }
  return Error::success();
}

void Displacer::addJump(uint64_t destination) {
  out.code.push_back(0xe9);
  out.fields.push_back({out.code.size(), destination, 4});
  out.code.resize(out.code.size() + 4);
}

/// jmp and jcc have near forms; loop and jrcxz have none.
Error Displacer::copyShortJump(ArrayRef<uint8_t> bytes, uint64_t destination) {
  uint8_t opcode = bytes[bytes.size() - 2];
  if (opcode == 0xeb) {
    addJump(destination);
    return Error::success();
  }
  if ((opcode & 0xf0) != 0x70)
    return makeError("it starts with a jump that has no near form");
  out.code.insert(out.code.end(), {0x0f, uint8_t(0x80 | (opcode & 0x0f))});
  out.fields.push_back({out.code.size(), destination, 4});
  out.code.resize(out.code.size() + 4);
  return Error::success();
}

Error Displacer::copy(const Instruction &i) {
  ArrayRef<uint8_t> bytes = body.slice(i.address - entry, i.size);
  out.calls |= i.isCall;
  if (i.branchTarget && i.fieldSize == 1)
    return copyShortJump(bytes, *i.branchTarget);
  std::optional<uint64_t> goal = i.branchTarget ? i.branchTarget : i.memoryTarget;
  if (goal && i.fieldSize != 4)
    return makeError("the instruction at " + hex(i.address) +
                     " counts from its place in a way that is not understood");
  if (goal)
    out.fields.push_back({out.code.size() + i.fieldOffset, *goal,
                          i.size - i.fieldOffset});
  out.code.insert(out.code.end(), bytes.begin(), bytes.end());
  return Error::success();
}

Expected<DisplacedCode> Displacer::run() {
  uint64_t skip = isLandingPadX86_64(body) ? 4 : 0;
  if (Error e = checkNoJumpBack(entry + skip))
    return e;
  while (out.displaced < std::min<uint64_t>(skip + redirectSize, body.size())) {
    Instruction i;
    if (!target.decode(body.drop_front(out.displaced), entry + out.displaced, i))
      return makeError("its code at " + hex(entry + out.displaced) +
                       " can't be decoded");
    out.places.push_back({out.displaced, out.code.size()});
    if (Error e = copy(i))
      return e;
    out.displaced += i.size;
  }
  addJump(entry + out.displaced);
  return std::move(out);
}

} // namespace

Expected<DisplacedCode> displaceEntryX86_64(const Target &target,
                                            ArrayRef<uint8_t> body,
                                            uint64_t entry) {
  return Displacer(target, body, entry).run();
}

} // namespace relink
