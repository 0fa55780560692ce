//===- DeadClones.cpp - Clones that nothing reaches any more --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeadClones.h"
#include "AddressMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// Which of \p wanted a word of the app's data holds, or a relocation names.
AddressSet findPointers(const Image &image, const AddressSet &wanted) {
  AddressSet out;
  auto note = [&](uint64_t value) {
    if (wanted.contains(value))
      out.insert(value);
  };
  for (ArrayRef<Rela> table : {image.relocations(), image.pltRelocations()})
    for (const Rela &r : table) {
      note(r.r_addend);
      if (uint32_t symbol = r.getSymbol(false))
        note(image.dynamicSymbols()[symbol].st_value + r.r_addend);
    }
  if (image.isPositionIndependent()) {
    for (auto [place, value] : readPointers(image, 0, UINT64_MAX))
      note(value);
    return out;
  }
  // At fixed addresses nothing tells a pointer from a number, nor how wide it
  // is.
  for (const Phdr &p : image.segments) {
    if (p.p_type != PT_LOAD || (p.p_flags & PF_X))
      continue;
    ArrayRef<uint8_t> data = image.bytesAt(p.p_vaddr, p.p_filesz);
    for (size_t i = 0; i + 4 <= data.size(); ++i)
      note(support::endian::read32le(&data[i]));
  }
  return out;
}

/// Adds the code of \p s, with the part of it that was moved out. Of unknown
/// size it is left out.
void addCode(const SymbolIndex &index, const AppSymbol &s,
             std::vector<Extent> &out) {
  out.push_back({s.address, s.address + s.size});
  for (const AppSymbol *part : index.find(plainName(s.name)))
    if (StringRef(part->name).starts_with(s.name + ".cold") &&
        part->file == s.file)
      out.push_back({part->address, part->address + part->size});
}

} // namespace

DenseSet<const AppSymbol *>
findDeadClones(const Image &image, const SymbolIndex &index,
               const UnwindTable &unwind, const Target &target, const Plan &plan,
               ArrayRef<const AppSymbol *> clones) {
  AddressSet wanted;
  for (const AppSymbol *clone : clones)
    wanted.insert(clone->address);
  AddressSet pointedTo = findPointers(image, wanted);
  for (const Sym &s : image.dynamicSymbols())
    if (wanted.contains(s.st_value))
      pointedTo.insert(s.st_value);
  DenseSet<const AppSymbol *> dead;
  for (const AppSymbol *clone : clones)
    if (!pointedTo.contains(clone->address))
      dead.insert(clone);
  std::vector<CodeReference> references =
      findCodeReferences(image, unwind, target, wanted);

  // A clone that proves alive makes what it refers to alive.
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<Extent> code;
    for (const Replacement &r : plan.replacements)
      if (!plan.originalsCalled.contains(r.body->name) &&
          !plan.originalsCalled.contains(plainName(r.body->name)))
        addCode(index, *r.app, code);
    for (const AppSymbol *clone : dead)
      addCode(index, *clone, code);
    llvm::sort(code);
    AddressSet alive;
    for (const CodeReference &r : references) {
      auto after = partition_point(
          code, [&](const Extent &e) { return e.start <= r.place; });
      if (after == code.begin() || !(after - 1)->contains(r.place))
        alive.insert(r.target);
    }
    for (const AppSymbol *clone : clones)
      if (alive.contains(clone->address))
        changed |= dead.erase(clone);
  }
  return dead;
}

/// Code refers to the start, or to a part at a constant place.
static AddressSet placesIn(const AppSymbol &data) {
  constexpr uint64_t most = 1 << 16;
  AddressSet out;
  for (uint64_t at = 0; at < std::min(data.size, most); ++at)
    out.insert(data.address + at);
  return out;
}

bool hasUsersThatStay(const Image &image, const SymbolIndex &index,
                      const UnwindTable &unwind, const Target &target,
                      const Plan &plan, const AppSymbol &data) {
  AddressSet wanted = placesIn(data);
  AddressSet pointers = findPointers(image, wanted);
  if (pointers.begin() != pointers.end())
    return true;
  std::vector<Extent> replaced;
  for (const Replacement &r : plan.replacements)
    addCode(index, *r.app, replaced);
  llvm::sort(replaced);
  return any_of(findCodeReferences(image, unwind, target, wanted),
                [&](const CodeReference &r) {
                  auto after = partition_point(
                      replaced, [&](const Extent &e) { return e.start <= r.place; });
                  // A number behind the field, in code that is not decoded, makes
                  // what is meant lie further on: the next variable.
                  if (!r.isCertain && r.target != data.address)
                    return false;
                  return after == replaced.begin() || !(after - 1)->contains(r.place);
                });
}

} // namespace relink
