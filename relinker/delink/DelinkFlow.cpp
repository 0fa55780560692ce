//===- DelinkFlow.cpp - Jump tables and thread-local operands -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Follows a few kinds of values through the registers of one function: the
// address of a table, a word loaded from it, their sum, the thread pointer, a
// constant. gcc and clang compile a switch in position-independent code to
//
//   lea table(%rip),%rdx; movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax
//
// with the parts anywhere. A jump to such a sum proves the table's address and
// form. How long it is the bound of the index says, as far as it is found; else
// the entries: all lead to instructions of the function, up to the next thing
// that code refers to.
//
// Parts may have been in memory meanwhile. So where a jump's target is not
// known, tables that the function names and no jump accounts for are its own:
// two words or more that lead to instructions of the function.
//
//===----------------------------------------------------------------------===//

#include "DelinkFlow.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace flow {

/// Whether \p v now stands for what both paths brought.
static bool merge(Value &into, const Value &v, ConstantSets &sets) {
  if (v.kind == Kind::None || into == v)
    return false;
  if (into.kind == Kind::None) {
    into = v;
    return true;
  }
  bool table = into.kind == Kind::Sum || v.kind == Kind::Sum;
  Value joined{table ? Kind::Sum : Kind::Unknown, 0, 0};
  // Behind calls that never return what a register holds is not known. Constants
  // that may be in it are remembered all the same.
  bool first = ConstantSets::isConstant(into), second = ConstantSets::isConstant(v);
  if (!table && (first || second))
    joined = first && second ? sets.join(into, v) : first ? into : v;
  if (into == joined)
    return false;
  into = joined;
  return true;
}

void Flow::makeBlocks() {
  starts.assign(piece.size, 0);
  auto lead = [&](uint64_t address) {
    if (address - piece.address < piece.size)
      starts[address - piece.address] = 1;
  };
  for (const CodeView::Entry &e : code.entries) {
    const Instruction &i = e.instruction;
    if (i.branchTarget && !i.isCall)
      lead(*i.branchTarget);
    if ((i.isBranch && !i.isCall) || i.endsFlow)
      lead(i.address + i.size);
  }
  for (const auto &[table, targets] : tables)
    llvm::for_each(targets, lead);
  blocks.clear();
  for (size_t n = 0; n < code.entries.size(); ++n) {
    uint32_t &start = starts[code.entries[n].instruction.address - piece.address];
    if (start || blocks.empty()) {
      blocks.emplace_back().first = n;
      start = blocks.size();
    }
    blocks.back().last = n + 1;
  }
}

Flow::Block *Flow::blockAt(uint64_t address) {
  uint64_t offset = address - piece.address;
  if (offset >= piece.size || !starts[offset])
    return nullptr;
  Block &b = blocks[starts[offset] - 1];
  // What leads between two instructions starts no block.
  return code.entries[b.first].instruction.address == address ? &b : nullptr;
}

void Flow::enter(size_t block, const State &state) {
  bool changed = false;
  for (unsigned r = 0; r < 16; ++r)
    changed |= merge(blocks[block].in[r], state[r], sets);
  if (!changed || blocks[block].queued)
    return;
  blocks[block].queued = true;
  work.push_back(block);
}

/// A thread-local operand is a negative 32-bit distance from the thread pointer
/// (psABI, variant II).
void Flow::addThread(uint64_t place, int64_t offset) {
  if (auto r = program.threadReference(place, offset))
    threadPlaces[place] = *r;
}

void Flow::noteThread(const State &state, const CodeView::Entry &e) {
  const AddressFlow &f = e.flow;
  uint64_t at = e.instruction.address;
  auto value = [&](uint8_t r) { return r < 16 ? state[r] : Value(); };
  auto isThread = [&](uint8_t r) { return value(r).kind == Kind::Thread; };
  auto noteConstant = [&](uint8_t r) {
    if (ConstantSets::isConstant(value(r)))
      for (auto [place, number] : sets.of(value(r)))
        addThread(place, int64_t(number));
  };
  if (f.hasMemory && f.displacementAt && !f.ipRelative &&
      (f.threadSegment || isThread(f.base) ||
       (f.scale == 1 && isThread(f.index))))
    addThread(at + f.displacementAt, f.displacement);
  if (f.threadSegment) {
    noteConstant(f.base);
    noteConstant(f.index);
    if (f.kind == AddressFlow::Kind::Other ||
        f.kind == AddressFlow::Kind::Add) // add %fs:0,%rax
      for (unsigned r = 0; r < 16; ++r)
        if (e.instruction.generalWritten >> r & 1)
          noteConstant(r);
  }
  if (f.hasMemory && (isThread(f.base) || isThread(f.index))) {
    noteConstant(f.base);
    noteConstant(f.index);
  }
  if (f.kind == AddressFlow::Kind::Add) {
    if (isThread(f.source))
      noteConstant(f.destination);
    if (isThread(f.destination))
      noteConstant(f.source);
  }
  // mold turns a call for the block's start into a subtraction of its size.
  if (f.kind == AddressFlow::Kind::Other && f.immediateSize == 4 && isThread(0) && (e.instruction.generalWritten & 1) && !f.hasMemory &&
      f.immediate == int64_t(program.threadSize()))
    blockSizes.insert(at);
  if (f.kind == AddressFlow::Kind::AddConstant && f.immediateSize == 4 &&
      isThread(f.destination))
    addThread(at + f.immediateAt, f.immediate);
}

/// Only a jump proves that the sum is one of a table's address and a word of it.
Value Flow::add(Value x, Value y) {
  if (x.kind != Kind::Word)
    std::swap(x, y);
  if (x.kind == Kind::Word && y.kind == Kind::Address && x.a == y.a) {
    relativeTables.insert(y.a);
    return {Kind::Sum, y.a, x.b};
  }
  if (x.kind == Kind::Word && y.kind == Kind::Address)
    walkedTables.insert(y.a);
  if (x.kind == Kind::Word) // of a table that isn't known; or just an addition
    return {Kind::Sum, 0, x.a ? x.b : 0};
  // The word, or the address too, was in memory meanwhile.
  for (const Value &v : {x, y})
    if (v.kind == Kind::Address)
      return {Kind::Sum, v.a, 0};
  return {Kind::Sum, 0, 0};
}

Value Flow::evaluate(const State &state, const CodeView::Entry &e) {
  const AddressFlow &f = e.flow;
  using F = AddressFlow::Kind;
  uint64_t at = e.instruction.address;
  const Value unknown{Kind::Unknown, 0, 0};
  auto value = [&](uint8_t r) { return r < 16 ? state[r] : unknown; };
  switch (f.kind) {
  case F::Address:
    if (f.ipRelative)
      return {Kind::Address, at + e.instruction.size + int64_t(f.displacement), 0};
    if (f.displacement)
      return unknown;
    return f.index == AddressFlow::none ? value(f.base)
           : f.scale == 1               ? add(value(f.base), value(f.index))
                                        : unknown;
  case F::Load: {
    if (f.threadSegment && f.base == AddressFlow::none &&
        f.index == AddressFlow::none && !f.displacement && f.width == 8)
      return {Kind::Thread, 0, 0};
    if (f.width != 4 || f.threadSegment || f.ipRelative ||
        f.base == AddressFlow::none)
      return unknown;
    for (uint8_t r : {f.base, f.index})
      if (value(r).kind == Kind::Address && !f.displacement) {
        if (auto [it, fresh] = loads.try_emplace(value(r).a, at);
            !fresh && it->second != at)
          it->second = 0; // which of them counts is not known
        return {f.isSigned ? Kind::Word : Kind::Unsigned, value(r).a, at};
      }
    return {f.isSigned ? Kind::Word : Kind::Unsigned, 0, at};
  }
  case F::Extend:
    if (Value v = value(f.source); f.width >= 4 && v.kind == Kind::Unsigned)
      return {Kind::Word, v.a, v.b};
    [[fallthrough]];
  case F::Move:
    if (f.width < 4)
      return unknown;
    return f.width == 8 || f.kind == F::Extend ||
                   value(f.source).kind == Kind::Unsigned ||
                   value(f.source).kind == Kind::Word
               ? value(f.source)
               : unknown;
  case F::Constant:
    return f.immediateSize == 4 && f.width == 8
               ? Value{Kind::Constant, at + f.immediateAt, uint64_t(f.immediate)}
               : unknown;
  case F::Add:
    return f.width == 8 ? add(value(f.destination), value(f.source)) : unknown;
  default:
    return unknown;
  }
}

/// Whether the jump at \p jump now leads to more.
bool Flow::addTargets(uint64_t jump, ArrayRef<uint64_t> targets) {
  std::vector<uint64_t> &known = jumpTargets[jump];
  size_t before = known.size();
  llvm::append_range(known, targets);
  llvm::sort(known);
  known.erase(llvm::unique(known), known.end());
  return known.size() != before;
}

/// An operand at the sum of a table's address and a word of it.
void Flow::noteDistance(const State &state, const CodeView::Entry &e) {
  const AddressFlow &f = e.flow;
  if (!f.hasMemory || f.base >= 16 || f.index >= 16 || f.scale != 1)
    return;
  Value x = state[f.base], y = state[f.index];
  if (x.kind != Kind::Word)
    std::swap(x, y);
  if (x.kind == Kind::Word && y.kind == Kind::Address && x.a == y.a)
    relativeTables.insert(y.a);
}

/// \p v: what the register holds that it jumps to, if any.
void Flow::noteJump(const CodeView::Entry &e, const Value &v) {
  uint64_t at = e.instruction.address;
  if (program.assumesNumbers() && e.flow.hasMemory && e.flow.scale == 8 &&
      e.flow.base == AddressFlow::none && e.flow.displacementAt) {
    if (addAddressTable(uint32_t(e.flow.displacement), true))
      moreFound |= addTargets(at, tables[uint32_t(e.flow.displacement)]);
    return;
  }
  if (v.kind != Kind::Sum) {
    unknownJumps.insert(at);
    return;
  }
  // From instruction to instruction, as in hand-written assembly.
  if (v.a && v.a - piece.address < piece.size)
    return;
  if (v.a && (tables.contains(v.a) || addTable(v.a, v.b))) {
    moreFound |= addTargets(at, tables[v.a]);
    return;
  }
  openJumps[at] = v.a;
}

void Flow::step(State &state, const CodeView::Entry &e) {
  constexpr uint16_t callerSaved = 0x0fc7; // psABI 3.2.3
  const Instruction &i = e.instruction;
  uint16_t written = i.isCall ? i.generalWritten | callerSaved : i.generalWritten;
  if (!written)
    return;
  Value result = evaluate(state, e);
  for (unsigned left = written; left; left &= left - 1)
    state[countr_zero(left)] = Value{Kind::Unknown, 0, 0};
  if (e.flow.destination < 16 && (written >> e.flow.destination & 1) && !i.isCall)
    state[e.flow.destination] = result;
}

void Flow::analyse() {
  State unknown;
  unknown.fill(Value{Kind::Unknown, 0, 0});
  work.clear();
  for (size_t n = 0; n < blocks.size(); ++n)
    if (n == 0 || blocks[n].seeded)
      enter(n, unknown);
  auto enterAt = [&](uint64_t address, const State &state) {
    if (Block *b = blockAt(address))
      enter(b - blocks.data(), state);
  };
  while (!work.empty()) {
    Block &b = blocks[work.back()];
    b.queued = false;
    work.pop_back();
    State state = b.in;
    for (size_t n = b.first; n < b.last; ++n)
      step(state, code.entries[n]);
    const Instruction &last = code.entries[b.last - 1].instruction;
    if (last.branchTarget && !last.isCall)
      enterAt(*last.branchTarget, state);
    if (auto it = jumpTargets.find(last.address); it != jumpTargets.end())
      for (uint64_t t : it->second)
        enterAt(t, state);
    if (!last.endsFlow)
      enterAt(last.address + last.size, state);
  }
}

/// Only what holds on all paths counts, so nothing is noted before.
void Flow::note() {
  openJumps.clear();
  unknownJumps.clear();
  relativeTables.clear();
  threadPlaces.clear();
  loads.clear();
  moreFound = false;
  // Which words are loaded has to be known before a jump to one.
  std::vector<std::pair<const CodeView::Entry *, Value>> jumps;
  for (const Block &b : blocks) {
    if (b.in[0].kind == Kind::None)
      continue;
    State state = b.in;
    for (size_t n = b.first; n < b.last; ++n) {
      const CodeView::Entry &e = code.entries[n];
      if (followsThreads)
        noteThread(state, e);
      noteDistance(state, e);
      if (e.flow.kind == AddressFlow::Kind::Jump && !e.flow.ipRelative)
        jumps.push_back({&e, e.flow.source < 16 ? state[e.flow.source] : Value()});
      step(state, e);
    }
  }
  for (const auto &[entry, to] : jumps)
    noteJump(*entry, to);
}

/// Code that nothing leads to as far as is known: landing pads.
bool Flow::seed() {
  bool any = false;
  for (Block &b : blocks)
    if (b.in[0].kind == Kind::None && !b.seeded)
      any = b.seeded = true;
  return any;
}

Error Flow::read() {
  for (bool more = true, changed = true; more;) {
    if (changed)
      makeBlocks();
    analyse();
    note();
    bool found = moreFound || (!(openJumps.empty() && unknownJumps.empty()) &&
                               searchTables());
    // What was found may lead to what nothing led to, and know more.
    changed = found;
    more = found || seed();
  }
  // All tables that the function names are known by now. Where relocations were
  // kept, an entry of another would be left over (readKeptDistances).
  for (auto [jump, address] : openJumps)
    if (!address && program.assumes && tables.empty())
      out.remarks.push_back("the jump at " + program.describe(jump) +
                            " is taken to leave its function");
    else if (address || (tables.empty() && program.kept.empty()))
      return program.error("not supported yet: the jump at " +
                           program.describe(jump) +
                           " goes through a table that was not found");
  for (const auto &[place, reference] : threadPlaces)
    out.references.push_back(reference);
  for (uint64_t at : blockSizes)
    out.remarks.push_back("the code at " + program.describe(at) +
                              " has the size of the program's thread-local "
                              "variables in it: add none");
  return checkTables();
}

} // namespace flow

Error readFlowReferences(const Program &program, const Target &target,
                         const Piece &piece,
                         const CodeView &code,
                         const std::vector<uint64_t> &dataTargets,
                         CodeFindings &out) {
  return flow::Flow(program, target, piece, code, dataTargets, out).read();
}

} // namespace relink
