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

#include "DelinkIndex.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <array>
#include <set>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {
namespace {

struct Value {
  enum class Kind {
    None,     ///< not reached yet
    Unknown,
    Address,  ///< `a`
    Unsigned, ///< what Word is once its sign is extended
    Word,     ///< loaded from the table at `a` (0: not known) by the code at `b`
    Sum,      ///< the same added to that address; `b` is 0 if not known
    Constant, ///< of the 32-bit field at `a`, whose value is `b`
    Thread,   ///< the thread pointer
  };
  Kind kind = Kind::None;
  uint64_t a = 0, b = 0;

  bool operator==(const Value &o) const {
    return kind == o.kind && a == o.a && b == o.b;
  }
};

using Kind = Value::Kind;
using State = std::array<Value, 16>;

/// Whether \p v now stands for what both paths brought.
bool merge(Value &into, const Value &v) {
  if (v.kind == Kind::None || into == v)
    return false;
  if (into.kind == Kind::None) {
    into = v;
    return true;
  }
  bool table = into.kind == Kind::Sum || v.kind == Kind::Sum;
  Value joined{table ? Kind::Sum : Kind::Unknown, 0, 0};
  if (into == joined)
    return false;
  into = joined;
  return true;
}

class Flow {
public:
  Flow(Program &program, const Piece &piece, const CodeView &code,
       const std::vector<uint64_t> &dataTargets)
      : program(program), piece(piece), code(code), dataTargets(dataTargets) {}
  Error read();

private:
  struct Block {
    size_t first = 0, last = 0; ///< entries [first, last)
    State in;
    bool seeded = false;
  };
  void makeBlocks();
  void analyse();
  void note();
  void step(State &state, const CodeView::Entry &e);
  Value evaluate(const State &state, const CodeView::Entry &e);
  Value add(Value x, Value y);
  void noteThread(const State &state, const CodeView::Entry &e);
  void addThread(uint64_t place, int64_t offset);
  void noteJump(const State &state, const CodeView::Entry &e);
  void enter(size_t block, const State &state);
  Block *blockAt(uint64_t address);

  bool leadsInside(uint64_t target, bool bounded) const;
  /// Entries that the index can reach at most; `exact` if it reaches them all.
  struct Bound {
    uint64_t limit = 0;
    bool exact = true;
  };
  std::optional<Bound> boundOf(uint64_t load) const;
  std::optional<Bound> boundFrom(size_t compare,
                                 std::optional<size_t> taken) const;
  bool addTable(uint64_t table, uint64_t load);
  Error checkTables() const;
  bool searchTables();
  bool seed();

  Program &program;
  const Piece &piece;
  const CodeView &code;
  const std::vector<uint64_t> &dataTargets;
  std::vector<Block> blocks;
  std::vector<size_t> work;
  DenseMap<uint64_t, std::set<uint64_t>> jumpTargets; ///< by jump
  std::map<uint64_t, std::vector<uint64_t>> tables;   ///< targets by table
  std::map<uint64_t, uint64_t> loads; ///< a load of a word, by table
  std::map<uint64_t, Reference> threadPlaces;
  /// Jumps to sums whose table isn't known: with what may be its address, or 0.
  std::map<uint64_t, uint64_t> openJumps;
  std::set<uint64_t> unknownJumps; ///< to what may be no sum
  bool moreFound = false;
  std::map<uint64_t, size_t> unbounded; ///< tables that something else follows
  std::set<uint64_t> blockSizes; ///< instructions with the size of the TLS block
  std::set<uint64_t> relativeTables; ///< words are added to their address
};

void Flow::makeBlocks() {
  std::set<uint64_t> leaders = {piece.address};
  for (const CodeView::Entry &e : code.entries) {
    const Instruction &i = e.instruction;
    if (i.branchTarget && !i.isCall)
      leaders.insert(*i.branchTarget);
    if ((i.isBranch && !i.isCall) || i.endsFlow)
      leaders.insert(i.address + i.size);
  }
  for (const auto &[table, targets] : tables)
    leaders.insert(targets.begin(), targets.end());
  std::vector<Block> old = std::move(blocks);
  blocks.clear();
  for (size_t n = 0; n < code.entries.size(); ++n) {
    if (leaders.contains(code.entries[n].instruction.address) || blocks.empty()) {
      Block b;
      b.first = n;
      blocks.push_back(b);
    }
    blocks.back().last = n + 1;
  }
  for (const Block &o : old)
    if (o.seeded)
      blockAt(code.entries[o.first].instruction.address)->seeded = true;
}

Flow::Block *Flow::blockAt(uint64_t address) {
  auto it = llvm::partition_point(blocks, [&](const Block &b) {
    return code.entries[b.first].instruction.address < address;
  });
  return it != blocks.end() &&
                 code.entries[it->first].instruction.address == address
             ? &*it
             : nullptr;
}

void Flow::enter(size_t block, const State &state) {
  bool changed = false;
  for (unsigned r = 0; r < 16; ++r)
    changed |= merge(blocks[block].in[r], state[r]);
  if (changed)
    work.push_back(block);
}

/// A thread-local operand is a negative 32-bit distance from the thread pointer
/// (psABI, variant II).
void Flow::addThread(uint64_t place, int64_t offset) {
  const Phdr *tls = program.image.segmentOfType(PT_TLS);
  if (!tls || program.image.kind == ImageKind::Shared)
    return;
  int64_t size = program.threadSize();
  if (offset >= 0 || offset < -size)
    return;
  Reference r;
  r.place = place;
  r.type = R_X86_64_TPOFF32;
  r.kind = Reference::Kind::Thread;
  r.evidence = Evidence::ThreadLocal;
  r.target = offset + size;
  threadPlaces[place] = r;
}

void Flow::noteThread(const State &state, const CodeView::Entry &e) {
  const AddressFlow &f = e.flow;
  uint64_t at = e.instruction.address;
  auto value = [&](uint8_t r) { return r < 16 ? state[r] : Value(); };
  auto isThread = [&](uint8_t r) { return value(r).kind == Kind::Thread; };
  auto noteConstant = [&](uint8_t r) {
    if (value(r).kind == Kind::Constant)
      addThread(value(r).a, int64_t(value(r).b));
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
  const Phdr *tls = program.image.segmentOfType(PT_TLS);
  if (f.kind == AddressFlow::Kind::Other && f.immediateSize == 4 && tls &&
      isThread(0) && (e.instruction.generalWritten & 1) && !f.hasMemory &&
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

void Flow::noteJump(const State &state, const CodeView::Entry &e) {
  if (e.flow.kind != AddressFlow::Kind::Jump || e.flow.ipRelative)
    return;
  uint64_t at = e.instruction.address;
  const Value v = e.flow.source < 16 ? state[e.flow.source] : Value();
  if (v.kind != Kind::Sum) {
    unknownJumps.insert(at);
    return;
  }
  // From instruction to instruction, as in hand-written assembly.
  if (v.a && v.a - piece.address < piece.size)
    return;
  if (v.a && (tables.contains(v.a) || addTable(v.a, v.b))) {
    auto &known = jumpTargets[at];
    size_t before = known.size();
    known.insert(tables[v.a].begin(), tables[v.a].end());
    moreFound |= known.size() != before;
    return;
  }
  openJumps[at] = v.a;
}

void Flow::step(State &state, const CodeView::Entry &e) {
  constexpr uint16_t callerSaved = 0x0fc7; // psABI 3.2.3
  const Instruction &i = e.instruction;
  Value result = evaluate(state, e);
  uint16_t written = i.isCall ? i.generalWritten | callerSaved : i.generalWritten;
  for (unsigned r = 0; r < 16; ++r)
    if (written >> r & 1)
      state[r] = Value{Kind::Unknown, 0, 0};
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
  for (bool jumps : {false, true})
    for (const Block &b : blocks) {
      State state = b.in;
      for (size_t n = b.first; n < b.last && b.in[0].kind != Kind::None; ++n) {
        noteThread(state, code.entries[n]);
        if (jumps)
          noteJump(state, code.entries[n]);
        step(state, code.entries[n]);
      }
    }
}

bool Flow::leadsInside(uint64_t target, bool bounded) const {
  if (target - piece.address < piece.size)
    return code.at(target);
  // Holes of a table that can't be reached lead to the function's end.
  if (target == piece.end())
    return true;
  // A part of the function that was moved out of it.
  Piece *other = program.pieceAt(target);
  return other && other->isCode() &&
         (bounded || StringRef(other->name).starts_with(piece.name + ".cold"));
}

/// The bound that the unsigned jump behind the comparison at \p compare sets.
std::optional<Flow::Bound> Flow::boundFrom(size_t compare, std::optional<size_t> taken) const {
  for (size_t n = compare + 1; n < code.entries.size() && n < compare + 6; ++n) {
    const Instruction &i = code.entries[n].instruction;
    if (!i.isConditional)
      continue;
    ArrayRef<uint8_t> bytes = program.image.bytesAt(i.address, i.size);
    unsigned condition = bytes.size() == 2 ? bytes[0] & 0xf
                         : bytes.size() >= 6 ? bytes[bytes.size() - 5] & 0xf
                                             : 0;
    // The table is where the condition holds, or where it does not.
    condition ^= taken == std::optional(n);
    const AddressFlow &f = code.entries[compare].flow;
    uint64_t limit = uint32_t(f.immediate) & maskTrailingOnes<uint32_t>(
                                                 std::min(f.width, uint8_t(4)) * 8);
    if (condition == 7) // not above
      return Bound{limit + 1};
    if (condition == 3) // below
      return Bound{limit};
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Flow::Bound> Flow::boundOf(uint64_t load) const {
  const CodeView::Entry *e = code.at(load);
  if (!e)
    return std::nullopt;
  IndexSearch search(code, *e);
  std::optional<size_t> found = search.find();
  if (!found)
    return std::nullopt;
  if (code.entries[*found].flow.kind == AddressFlow::Kind::Mask)
    return Bound{uint64_t(code.entries[*found].flow.immediate) + 1, false};
  return boundFrom(*found, search.taken);
}

/// Notes the entries of the table at \p table; false if it can't be one.
bool Flow::addTable(uint64_t table, uint64_t load) {
  Piece *data = program.pieceAt(table);
  if (!data || (data->section->flags & SHF_WRITE))
    return false;
  if (auto it = loads.find(table); !load && it != loads.end())
    load = it->second;
  std::optional<Bound> bound = load ? boundOf(load) : std::nullopt;
  bool exact = bound && bound->exact;
  uint64_t end = data->address + data->fileSize;
  auto next = llvm::upper_bound(dataTargets, table);
  if (next != dataTargets.end() && !exact)
    end = std::min(end, *next);
  uint64_t count = (end - table) / 4;
  if (bound)
    count = std::min(count, bound->limit);
  if (!program.kept.empty()) { // each entry has a relocation
    uint64_t run = 0;
    while (run < count && program.kept.contains(table + run * 4))
      ++run;
    if (exact && run < count)
      return false;
    count = run;
  }
  ArrayRef<uint8_t> bytes = program.image.bytesAt(table, count * 4);
  std::vector<uint64_t> targets;
  bool isOpen = false;
  for (uint64_t i = 0; i < count && !bytes.empty(); ++i) {
    uint64_t target = table + int64_t(int32_t(read32le(&bytes[i * 4])));
    if (!leadsInside(target, exact)) {
      // What leads to no code is no entry. Else it may be one all the same, that
      // leads to a part of the function that was moved out of it.
      Piece *other = program.pieceAt(target);
      isOpen = other && other->isCode();
      break;
    }
    targets.push_back(target);
  }
  if (targets.empty() || (exact && targets.size() < bound->limit))
    return false;
  uint64_t rest = table + targets.size() * 4;
  if (!exact && isOpen &&
      llvm::any_of(program.image.bytesAt(rest, table + count * 4 - rest),
                   [](uint8_t b) { return b != 0; }))
    unbounded.insert({table, targets.size()});
  for (uint64_t i = 0; i < targets.size(); ++i) {
    Reference r;
    r.place = table + i * 4;
    r.type = R_X86_64_PC32;
    r.evidence = Evidence::JumpTable;
    r.target = targets[i];
    r.bias = i * 4;
    program.references.push_back(r);
  }
  tables[table] = std::move(targets);
  return true;
}

/// For jumps whose table's address got lost on the way. Each may go through each
/// of the tables found. False if there are none.
bool Flow::searchTables() {
  std::set<uint64_t> found;
  for (const CodeView::Entry &e : code.entries) {
    if (e.flow.kind != AddressFlow::Kind::Address || !e.flow.ipRelative)
      continue;
    uint64_t table = e.instruction.address + e.instruction.size +
                     int64_t(e.flow.displacement);
    ArrayRef<uint8_t> two = program.image.bytesAt(table, 8);
    if (table % 4 || two.empty() || tables.contains(table))
      continue;
    bool both = true;
    for (unsigned i = 0; i < 8; i += 4)
      both &= leadsInside(table + int64_t(int32_t(read32le(&two[i]))), false);
    if (both && addTable(table, 0))
      found.insert(tables[table].begin(), tables[table].end());
  }
  if (found.empty())
    return false;
  for (auto [jump, address] : openJumps)
    jumpTargets[jump].insert(found.begin(), found.end());
  for (uint64_t jump : unknownJumps)
    jumpTargets[jump].insert(found.begin(), found.end());
  return true;
}

/// A table that ends where nothing says so may go on elsewhere. And tables of
/// distances that are no jump tables (clang makes one of an array of
/// strings). In their own section nothing moves apart.
Error Flow::checkTables() const {
  for (auto [table, entries] : unbounded)
    return program.error(
        "not supported yet: nothing bounds the jump table of " +
        program.describe(piece.address) + " at " + hex(table) + "\n>>> " +
        Twine(entries) + " entries lead into the function, the next word does not");
  for (uint64_t table : relativeTables) {
    if (tables.contains(table))
      continue;
    ArrayRef<uint8_t> word = program.image.bytesAt(table, 4);
    const Piece *own = program.pieceAt(table);
    if (word.empty() || !own ||
        table + int64_t(int32_t(read32le(word.data()))) - own->address >= own->size)
      return program.error("not supported yet: the table of distances at " +
                           program.describe(table) + ", which " +
                           program.describe(piece.address) +
                           " uses, leads out of its section");
  }
  return Error::success();
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
  for (bool more = true; more;) {
    makeBlocks();
    analyse();
    note();
    bool found = moreFound || (!(openJumps.empty() && unknownJumps.empty()) &&
                               searchTables());
    if (found) // they may lead there, and know more
      for (Block &b : blocks)
        b.seeded = false;
    more = found || seed();
  }
  // All tables that the function names are known by now. Where relocations were
  // kept, an entry of another would be left over (readKeptDistances).
  for (auto [jump, address] : openJumps)
    if (address || (tables.empty() && program.kept.empty()))
      return program.error("not supported yet: the jump at " +
                           program.describe(jump) +
                           " goes through a table that was not found");
  for (const auto &[place, reference] : threadPlaces)
    program.references.push_back(reference);
  for (uint64_t at : blockSizes)
    program.remarks.push_back("the code at " + program.describe(at) +
                              " has the size of the program's thread-local "
                              "variables in it: add none");
  return checkTables();
}

} // namespace

Error readFlowReferences(Program &program, const Piece &piece,
                         const CodeView &code,
                         const std::vector<uint64_t> &dataTargets) {
  return Flow(program, piece, code, dataTargets).read();
}

} // namespace relink
