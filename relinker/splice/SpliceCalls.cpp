//===- SpliceCalls.cpp - The callers of replaced functions ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With --redirect-calls, what is certain to mean a replaced function leads
// straight to its new body. The entry stays redirected for all the rest:
// pointers above all, since a function has one address (rule 10).
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "CodeReferences.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

constexpr uint64_t addendOffset = 16; ///< of r_addend in Elf64_Rela (gABI)

class CallRedirector {
public:
  CallRedirector(const SpliceContext &c, Output &out)
      : c(c), image(c.image), out(out) {}
  void run();

private:
  struct NewPlace {
    uint64_t entry = 0;
    bool isLandingPad = false; ///< indirect calls may go there
    std::string name;
  };
  void collect();
  void redirectBranches();
  std::vector<Extent> findVirtualTables() const;
  void redirectSlots();
  void redirectSlot(uint64_t field, const NewPlace &to);

  const SpliceContext &c;
  const Image &image;
  Output &out;
  AddressMap<NewPlace> newPlaces; ///< by the old entry's address
  AddressSet old;
  std::vector<Extent> dead; ///< old bodies
};

void CallRedirector::collect() {
  for (const Replacement &r : c.plan.replacements) {
    dead.push_back({r.address, r.address + r.size});
    const PatchSymbol *entry = c.patch.symbol(r.entryName);
    const PatchSymbol *body = c.patch.symbol(r.linkName);
    // An IFUNC's callers don't call its resolver.
    if (r.inPlace || !entry || !body || !body->section ||
        r.app->type == STT_GNU_IFUNC)
      continue;
    NewPlace to;
    to.entry = entry->value;
    to.name = r.body->name;
    to.isLandingPad =
        !image.ibt || (entry->value == body->value &&
                       c.target.isLandingPad(body->section->data.drop_front(
                           body->value - body->section->address)));
    newPlaces[r.address] = to;
    old.insert(r.address);
  }
  llvm::sort(dead);
}

void CallRedirector::redirectBranches() {
  for (const CodeReference &r :
       findDirectBranches(image, c.unwind, c.target, old)) {
    auto after = partition_point(
        dead, [&](const Extent &e) { return e.start <= r.place; });
    if (after != dead.begin() && (after - 1)->contains(r.place))
      continue;
    // What a function starts with has to be told from a redirect of its own.
    if (r.isEntry)
      continue;
    const NewPlace &to = newPlaces.find(r.target)->second;
    int64_t distance = to.entry - (r.place + 4);
    if (!isInt<32>(distance))
      continue;
    uint8_t field[4];
    support::endian::write32le(field, uint32_t(distance));
    out.edit(*image.fileOffset(r.place), field, "call of " + to.name);
    ++out.redirectedCalls;
  }
}

std::vector<Extent> CallRedirector::findVirtualTables() const {
  std::vector<Extent> tables;
  forEachSymbol(image, [&](const Sym &s, StringRef name) {
    if (name.starts_with("_ZTV") && s.getType() == STT_OBJECT &&
        !image.bytesAt(s.st_value, s.st_size).empty())
      tables.push_back({s.st_value, s.st_value + s.st_size});
  });
  llvm::sort(tables);
  // Aliases, and the same symbol in both tables.
  std::vector<Extent> merged;
  for (const Extent &t : tables)
    if (!merged.empty() && t.start < merged.back().end)
      merged.back().end = std::max(merged.back().end, t.end);
    else
      merged.push_back(t);
  return merged;
}

void CallRedirector::redirectSlot(uint64_t field, const NewPlace &to) {
  uint8_t word[8];
  support::endian::write64le(word, to.entry);
  out.edit(*image.fileOffset(field), word, "virtual table slot of " + to.name);
  ++out.redirectedSlots;
}

/// A slot's value is in its RELATIVE relocation's addend, or else (RELR, or a
/// program at a fixed address) in the slot. One that names a symbol may be
/// preempted, and stays.
void CallRedirector::redirectSlots() {
  std::vector<Extent> tables = findVirtualTables();
  if (tables.empty())
    return;
  auto inTable = [&](uint64_t a) {
    auto after = partition_point(
        tables, [&](const Extent &t) { return t.start <= a; });
    return after != tables.begin() && a + 8 <= (after - 1)->end;
  };
  auto placeOf = [&](uint64_t value) {
    auto it = newPlaces.find(value);
    return it == newPlaces.end() || !it->second.isLandingPad ? nullptr : &it->second;
  };
  AddressSet relocated;
  ArrayRef<Rela> relocations = image.relocations();
  for (size_t i = 0; i < relocations.size(); ++i) {
    const Rela &r = relocations[i];
    if (!inTable(r.r_offset) || !relocated.insert(r.r_offset).second ||
        r.getType(false) != R_X86_64_RELATIVE)
      continue;
    if (const NewPlace *to = placeOf(r.r_addend))
      redirectSlot(image.dynamic.rela + i * sizeof(Rela) + addendOffset, *to);
  }
  if (image.isPositionIndependent() && !image.dynamic.relr)
    return;
  for (auto [at, value] :
       readPointers(image, tables.front().start, tables.back().end))
    if (inTable(at) && !relocated.contains(at))
      if (const NewPlace *to = placeOf(value))
        redirectSlot(at, *to);
}

void CallRedirector::run() {
  collect();
  if (newPlaces.empty())
    return;
  redirectBranches();
  redirectSlots();
}

} // namespace

void redirectCalls(const SpliceContext &c, Output &out) {
  if (c.config.redirectCalls)
    CallRedirector(c, out).run();
}

} // namespace relink
