//===- DelinkFlow.h - Values in the registers of one function ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DelinkFlow.cpp follows the values, DelinkTables.cpp finds the jump tables.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKFLOW_H
#define RELINK_DELINKFLOW_H

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "llvm/ADT/STLExtras.h"
#include <array>
#include <map>
#include <set>

namespace relink {
namespace flow {

struct Value {
  enum class Kind {
    None,     ///< not reached yet
    Unknown,
    Address,  ///< `a`
    Unsigned, ///< what Word is once its sign is extended
    Word,     ///< loaded from the table at `a` (0: not known) by the code at `b`
    Sum,      ///< the same added to that address; `b` is 0 if not known
    Constant, ///< of the 32-bit field at `a`, whose value is `b`
    Constants, ///< one of several, maybe; `a` is their number in Flow::sets
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

/// Constants that may be in a register; each has a field.
class ConstantSets {
public:
  using Set = std::vector<std::pair<uint64_t, uint64_t>>; ///< ascending
  static bool isConstant(const Value &v) {
    return v.kind == Kind::Constant || v.kind == Kind::Constants;
  }
  Set of(const Value &v) const {
    return v.kind == Kind::Constants ? sets[v.a] : Set{{v.a, v.b}};
  }
  Value join(const Value &x, const Value &y) {
    Set both = of(x), other = of(y);
    llvm::append_range(both, other);
    llvm::sort(both);
    both.erase(llvm::unique(both), both.end());
    auto [it, fresh] = numbers.try_emplace(both, sets.size());
    if (fresh)
      sets.push_back(both);
    return {Kind::Constants, it->second, 0};
  }

private:
  std::vector<Set> sets;
  std::map<Set, size_t> numbers;
};

class Flow {
public:
  Flow(const Program &program, const Target &target, const Piece &piece,
       const CodeView &code,
       const std::vector<uint64_t> &dataTargets, CodeFindings &out)
      : program(program), target(target), piece(piece), code(code), dataTargets(dataTargets),
        out(out), followsThreads(program.image.kind != ImageKind::Shared &&
                                 program.image.segmentOfType(llvm::ELF::PT_TLS)) {}
  llvm::Error read();

private:
  struct Block {
    size_t first = 0, last = 0; ///< entries [first, last)
    State in;
    bool seeded = false, queued = false;
  };
  void makeBlocks();
  void analyse();
  void note();
  void step(State &state, const CodeView::Entry &e);
  Value evaluate(const State &state, const CodeView::Entry &e);
  Value add(Value x, Value y);
  void noteThread(const State &state, const CodeView::Entry &e);
  void addThread(uint64_t place, int64_t offset);
  void noteDistance(const State &state, const CodeView::Entry &e);
  void noteJump(const CodeView::Entry &e, const Value &v);
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
  bool addAddressTable(uint64_t table, bool isProven);
  bool searchAddressTable(const CodeView::Entry &e, std::vector<uint64_t> &found);
  bool startsOther(uint64_t target) const;
  bool leadsIntoPartner(uint64_t target);
  bool startsInstruction(uint64_t address) const;
  bool addTargets(uint64_t jump, llvm::ArrayRef<uint64_t> targets);
  llvm::Error checkTables();
  llvm::Error addDistances(uint64_t table);
  bool searchTables();
  bool seed();

  const Program &program;
  const Target &target; ///< this thread's
  const Piece &piece;
  const CodeView &code;
  const std::vector<uint64_t> &dataTargets;
  CodeFindings &out;
  const bool followsThreads;
  std::vector<Block> blocks;
  /// By offset in the piece: the number of the block that starts there, plus one.
  std::vector<uint32_t> starts;
  std::vector<size_t> work;
  ConstantSets sets;
  AddressMap<std::vector<uint64_t>> jumpTargets; ///< by jump; ascending
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
  /// So are these, on some path, if the words are theirs: a pointer may go from one to
  /// the next.
  std::set<uint64_t> walkedTables;
  std::map<uint64_t, bool> partners; ///< pieces: whether it is a part of the same function
};

} // namespace flow
} // namespace relink

#endif
