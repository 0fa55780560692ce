//===- DelinkIndex.cpp - The bound of a jump table's index ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DelinkIndex.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {

static bool sameMemory(const CodeView::Entry &a, const CodeView::Entry &b) {
  const AddressFlow &f = a.flow, &g = b.flow;
  if (!f.hasMemory || !g.hasMemory || f.ipRelative != g.ipRelative)
    return false;
  auto place = [](const CodeView::Entry &e) {
    return e.flow.ipRelative
               ? e.instruction.address + e.instruction.size + int64_t(e.flow.displacement)
               : uint64_t(e.flow.displacement);
  };
  return f.base == g.base && f.index == g.index && f.scale == g.scale &&
         place(a) == place(b);
}

bool IndexSearch::back() {
  if (at == 0)
    return false;
  if (!code.entries[at - 1].instruction.endsFlow) {
    --at;
    return true;
  }
  std::optional<size_t> from;
  uint64_t here = code.entries[at].instruction.address;
  for (size_t n = 0; n < code.entries.size(); ++n) {
    const Instruction &i = code.entries[n].instruction;
    if (i.isCall || i.branchTarget != std::optional(here))
      continue;
    if (from)
      return false;
    from = n;
  }
  if (!from || taken)
    return false;
  if (code.entries[*from].instruction.isConditional)
    taken = from;
  at = *from;
  return true;
}

bool IndexSearch::isWanted(const CodeView::Entry &e) const {
  const AddressFlow &f = e.flow;
  return f.source < 16 ? !memory && f.source == wanted
                       : memory && sameMemory(e, *memory);
}

/// Of the operand that loads the index: `lea 4(%rsi),%rcx` makes -4(%rcx) of (%rsi).
bool IndexSearch::followOperand(const CodeView::Entry &e) {
  using F = AddressFlow::Kind;
  const AddressFlow &f = e.flow;
  AddressFlow &operand = memory->flow;
  auto writes = [&](uint8_t r) {
    return r < 16 && (e.instruction.generalWritten >> r & 1);
  };
  if (writes(operand.index))
    return false;
  if (!writes(operand.base))
    return true;
  bool isSum = f.kind == F::Address && !f.ipRelative && !f.threadSegment &&
               f.index == AddressFlow::none && f.base < 16;
  if (f.destination != operand.base || !(isSum || (f.kind == F::Move && f.width == 8)))
    return false;
  operand.base = isSum ? f.base : f.source;
  operand.displacement += isSum ? f.displacement : 0;
  return operand.base < 16;
}

bool IndexSearch::follow(const CodeView::Entry &e) {
  using F = AddressFlow::Kind;
  const AddressFlow &f = e.flow;
  auto writes = [&](uint8_t r) {
    return r < 16 && (e.instruction.generalWritten >> r & 1);
  };
  if (memory)
    return followOperand(e);
  bool scaled = f.kind == F::Address && !f.ipRelative && f.index < 16 &&
                f.base == AddressFlow::none;
  if (writes(other) && scaled) {
    wanted = f.index;
    other = AddressFlow::none;
  } else if (writes(wanted)) {
    if (f.destination != wanted)
      return false;
    if (f.kind == F::Move || f.kind == F::Extend)
      wanted = f.source;
    else if (f.kind == F::ShiftRight)
      shift += f.immediate & 31; // what a mask or comparison in front bounds
    else if (scaled)
      wanted = f.index;
    else if (f.kind == F::Load)
      memory = e;
    else
      return false;
  }
  return true;
}

std::optional<size_t> IndexSearch::find() {
  using F = AddressFlow::Kind;
  for (unsigned steps = 0; steps < 24 && back(); ++steps) {
    const CodeView::Entry &e = code.entries[at];
    if (e.instruction.isCall)
      return std::nullopt;
    if (e.flow.kind == F::Compare) {
      if (isWanted(e))
        return at;
      if (e.flow.source < 16)
        compares.push_back(at);
      continue;
    }
    if (e.flow.kind == F::Mask && !memory && e.flow.destination == wanted &&
        e.flow.immediate >= 0)
      return at;
    uint8_t before = wanted;
    if (!follow(e))
      return std::nullopt;
    llvm::erase_if(compares, [&](size_t n) {
      return e.instruction.generalWritten >> code.entries[n].flow.source & 1;
    });
    for (size_t n : compares) // a copy: the other register was compared
      if (wanted != before && !memory && code.entries[n].flow.source == wanted)
        return n;
  }
  return std::nullopt;
}

} // namespace relink
