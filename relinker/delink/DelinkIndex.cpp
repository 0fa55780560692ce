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

/// Of the operand that loads the index: `lea 4(%rsi),%rcx` makes -4(%rcx) of (%rsi), and
/// 16(%rdx,%rsi,4) of (%rdx,%rcx,4).
bool IndexSearch::followOperand(const CodeView::Entry &e) {
  using F = AddressFlow::Kind;
  const AddressFlow &f = e.flow;
  AddressFlow &operand = memory->flow;
  auto writes = [&](uint8_t r) {
    return r < 16 && (e.instruction.generalWritten >> r & 1);
  };
  bool isSum = f.kind == F::Address && !f.ipRelative && !f.threadSegment &&
               f.index == AddressFlow::none;
  bool isCopy = f.kind == F::Move && f.width == 8;
  if (!isSum && !isCopy)
    return !writes(operand.base) && !writes(operand.index);
  uint8_t from = isSum ? f.base : f.source;
  for (auto [r, scale] : {std::pair(&operand.base, 1), std::pair(&operand.index, int(operand.scale))})
    if (writes(*r)) {
      *r = from;
      operand.displacement += isSum ? f.displacement * scale : 0;
    }
  return true;
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
      if (e.flow.source < 16 || e.flow.hasMemory)
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
      const AddressFlow &f = code.entries[n].flow;
      for (uint8_t r : {f.source, f.base, f.index})
        if (r < 16 && (e.instruction.generalWritten >> r & 1))
          return true;
      return false;
    });
    // What was compared further on may be the same: a copy in another register, or the
    // operand by another name.
    for (size_t n : compares) {
      const CodeView::Entry &c = code.entries[n];
      if (memory ? c.flow.source >= 16 && sameMemory(c, *memory)
                 : wanted != before && c.flow.source == wanted)
        return n;
    }
  }
  return std::nullopt;
}

} // namespace relink
