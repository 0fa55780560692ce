//===- DelinkTables.cpp - Jump tables -------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table of distances is proven by a jump to the sum of its address and a word of
// it; one of addresses, in a program at fixed ones, by a jump through it.
//
//===----------------------------------------------------------------------===//

#include "DelinkFlow.h"
#include "DelinkIndex.h"
#include "Error.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace flow {

bool Flow::leadsInside(uint64_t target, bool bounded) const {
  if (target - piece.address < piece.size)
    return code.at(target);
  // Holes of a table that can't be reached lead to the function's end.
  if (target == piece.end())
    return true;
  // A part of the function that was moved out of it.
  const Piece *other = program.pieceAt(target);
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
  std::optional<Bound> bound;
  if (code.entries[*found].flow.kind == AddressFlow::Kind::Mask)
    bound = Bound{uint64_t(code.entries[*found].flow.immediate) + 1, false};
  else
    bound = boundFrom(*found, search.taken);
  if (bound && bound->limit && search.shift < 32)
    bound->limit = ((bound->limit - 1) >> search.shift) + 1;
  return bound;
}

/// Notes the entries of the table at \p table; false if it can't be one.
bool Flow::addTable(uint64_t table, uint64_t load) {
  const Piece *data = program.pieceAt(table);
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
  std::vector<uint64_t> targets, inside;
  bool isOpen = false;
  size_t proven = 0; // how many of `targets`
  for (uint64_t i = 0; i < count && !bytes.empty(); ++i) {
    uint64_t target = table + int64_t(int32_t(read32le(&bytes[i * 4])));
    bool isOwn = leadsInside(target, exact);
    bool isInside = isOwn || leadsIntoPartner(target);
    if (isOwn) {
      inside.push_back(target);
    } else if (!isInside && !startsOther(target)) {
      // What leads to no code is no entry. Else it may be one all the same, that
      // leads to a part of the function that was moved out of it.
      const Piece *other = program.pieceAt(target);
      isOpen = other && other->isCode();
      break;
    }
    targets.push_back(target);
    if (exact || isInside)
      proven = targets.size();
  }
  // A cold part among others is one of these; at the end it may be of another table.
  isOpen |= proven < targets.size();
  targets.resize(proven);
  if (inside.empty() || (exact && targets.size() < bound->limit))
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
    out.references.push_back(r);
  }
  tables[table] = std::move(inside);
  return true;
}

/// Whether code that was cut at \p target starts there: a part of a function may have
/// been moved out of it.
bool Flow::startsOther(uint64_t target) const {
  const Piece *p = program.pieceAt(target);
  return p && p->isCode() && p->address == target && p != &piece;
}

/// Whether a jump of \p from leads into the middle of \p to, as one of a function does
/// into its cold part and back.
static bool jumpsInto(const Program &program, const Piece &from, const Piece &to) {
  ArrayRef<uint8_t> bytes = program.image.bytesAt(from.address, from.size);
  Instruction i;
  for (uint64_t at = 0; at < bytes.size(); at += i.size) {
    if (!program.target.measure(bytes.drop_front(at), from.address + at, i))
      return false;
    if (i.branchTarget && !i.isCall && *i.branchTarget > to.address &&
        *i.branchTarget < to.end())
      return true;
  }
  return false;
}

bool Flow::leadsIntoPartner(uint64_t target) {
  const Piece *p = program.pieceAt(target);
  if (!p || !p->isCode() || p == &piece)
    return false;
  auto [known, isNew] = partners.try_emplace(p->address, false);
  if (isNew)
    known->second = jumpsInto(program, piece, *p) || jumpsInto(program, *p, piece);
  return known->second && startsInstruction(target);
}

/// Whether an instruction of another function starts at \p address.
bool Flow::startsInstruction(uint64_t address) const {
  const Piece *p = program.pieceAt(address);
  if (!p || !p->isCode())
    return false;
  if (program.functionStarts.contains(address))
    return true;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(p->address, p->size);
  Instruction i;
  uint64_t at = p->address;
  for (; at < address; at += i.size)
    if (!target.measure(bytes.drop_front(at - p->address), at, i))
      return false;
  return at == address;
}

/// The same of a table of addresses, which a jump proves or whose first word
/// leads into the function. All have the form of addresses of code in any case,
/// so where it ends need not be known.
bool Flow::addAddressTable(uint64_t table, bool isProven) {
  if (tables.contains(table))
    return true;
  const Piece *data = program.pieceAt(table);
  if (!data || data->isCode() || data->isTls() || table % 8)
    return false;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(
      table, data->address + std::min(data->fileSize, data->size) - table);
  auto known = llvm::upper_bound(dataTargets, table);
  uint64_t next = known == dataTargets.end() ? UINT64_MAX : *known;
  std::vector<uint64_t> targets;
  for (uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
    uint64_t target = read64le(&bytes[at]);
    bool inside = target - piece.address < piece.size ? bool(code.at(target))
                                                      : target == piece.end();
    // Parts of a function may have been moved out of it.
    bool mayLeave = (isProven || !targets.empty()) && table + at < next;
    if (!inside && !(mayLeave && startsInstruction(target)))
      break;
    targets.push_back(target);
    Reference r;
    r.place = table + at;
    r.type = R_X86_64_64;
    r.evidence = Evidence::JumpTable;
    r.target = target;
    // One to the end of a function is not one to the next.
    r.anchor = target == piece.end() ? piece.address : 0;
    out.references.push_back(r);
  }
  // At the last it is rather the next function, in a table of functions that follows.
  while (!targets.empty() && targets.back() == piece.end() &&
         program.functionStarts.contains(piece.end())) {
    targets.pop_back();
    out.references.pop_back();
  }
  if (targets.empty())
    return false;
  tables[table] = std::move(targets);
  return true;
}

/// Tables of addresses that instruction \p e may be about.
bool Flow::searchAddressTable(const CodeView::Entry &e,
                              std::vector<uint64_t> &found) {
  const AddressFlow &f = e.flow;
  uint64_t table = f.hasMemory && f.displacementAt && !f.ipRelative
                       ? uint32_t(f.displacement)
                   : f.immediateSize >= 4 ? uint64_t(f.immediate)
                   : f.ipRelative && f.kind == AddressFlow::Kind::Address
                       ? e.instruction.address + e.instruction.size +
                             int64_t(f.displacement)
                       : 0;
  if (!table || tables.contains(table) || !addAddressTable(table, false))
    return false;
  llvm::append_range(found, tables[table]);
  return true;
}

/// For jumps whose table's address got lost on the way. Each may go through each
/// of the tables found. False if there are none.
bool Flow::searchTables() {
  std::vector<uint64_t> found;
  for (const CodeView::Entry &e : code.entries) {
    if (program.assumesNumbers() && searchAddressTable(e, found))
      continue;
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
      llvm::append_range(found, tables[table]);
  }
  if (found.empty())
    return false;
  for (auto [jump, address] : openJumps)
    addTargets(jump, found);
  for (uint64_t jump : unknownJumps)
    addTargets(jump, found);
  return true;
}

/// A table of distances that is no jump table: clang makes one of an array of strings
/// or of constants (reltable.NAME). In their own section nothing moves apart.
Error Flow::addDistances(uint64_t table) {
  const Piece *own = program.pieceAt(table);
  std::optional<Bound> bound;
  if (auto it = loads.find(table); it != loads.end() && it->second)
    bound = boundOf(it->second);
  auto next = llvm::upper_bound(dataTargets, table);
  uint64_t end = own ? own->address + own->fileSize : table;
  if (next != dataTargets.end() && !bound)
    end = std::min(end, *next);
  uint64_t count = (end - table) / 4;
  if (bound)
    count = std::min(count, bound->limit);
  ArrayRef<uint8_t> bytes = program.image.bytesAt(table, count * 4);
  auto refuse = [&](const Twine &why) {
    return program.error("not supported yet: the table of distances at " +
                         program.describe(table) + ", which " +
                         program.describe(piece.address) + " uses, " + why);
  };
  if (!own || bytes.size() < 4)
    return refuse("is in no section");
  bool leaves = false, isExact = bound && bound->exact;
  std::vector<Reference> found;
  for (uint64_t i = 0; i < count; ++i) {
    Reference r;
    r.place = table + i * 4;
    r.type = R_X86_64_PC32;
    r.evidence = Evidence::JumpTable;
    r.target = table + int64_t(int32_t(read32le(&bytes[i * 4])));
    r.bias = i * 4;
    const Piece *to = program.pieceAt(r.target);
    if (!to && !isExact)
      break; // it ends here
    if (!to)
      return refuse("leads to " + hex(r.target) + ", where the program has nothing");
    if (to != own) {
      leaves = true;
      program.interpret(r);
    }
    found.push_back(r);
  }
  if (!leaves)
    return Error::success();
  bool isImported = any_of(found, [](const Reference &r) {
    return r.kind != Reference::Kind::Address;
  });
  if (!isExact || (program.asLibrary && isImported))
    return refuse("leads out of its section");
  llvm::append_range(out.references, found);
  return Error::success();
}

/// A table that ends where nothing says so may go on elsewhere.
Error Flow::checkTables() {
  for (auto [table, entries] : unbounded)
    return program.error(
        "not supported yet: nothing bounds the jump table of " +
        program.describe(piece.address) + " at " + hex(table) + "\n>>> " +
        Twine(entries) + " entries lead into the function, the next word does not");
  for (uint64_t table : relativeTables) {
    if (!tables.contains(table) && !program.kept.contains(table))
      if (Error e = addDistances(table))
        return e;
  }
  for (uint64_t table : walkedTables)
    if (!tables.contains(table) && !relativeTables.contains(table) &&
        !program.kept.contains(table) && program.hasDistances(table))
      return program.error("not supported yet: nothing bounds the table of distances at " +
                           program.describe(table) + ", which " +
                           program.describe(piece.address) + " goes through");
  return Error::success();
}

} // namespace flow
} // namespace relink
