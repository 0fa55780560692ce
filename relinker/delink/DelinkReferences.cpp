//===- DelinkReferences.cpp - What the loader's tables refer to -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In position-independent programs every absolute address has a dynamic
// relocation. Operands are DelinkCode's.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read64le;

namespace relink {
namespace {

class DynamicReader {
public:
  explicit DynamicReader(Program &program)
      : program(program), image(program.image) {}
  Error read();

private:
  Error note(const Rela &r);
  Error place(uint64_t at, const Slot &slot);
  void scanStubs();

  Program &program;
  const Image &image;
};

/// A word of the app's own data becomes a reference; one of the linker's tables
/// is a slot that code goes through.
Error DynamicReader::place(uint64_t at, const Slot &slot) {
  Piece *piece = program.pieceAt(at);
  // Words of the app's own are no slots: code does not go through them. At fixed
  // addresses they have to be told from words that have no relocation.
  if (!piece || piece->dropped || slot.kind == Reference::Kind::Ifunc ||
      !image.isPositionIndependent())
    program.slots[at] = slot;
  if (!piece || piece->dropped)
    return Error::success();
  if (slot.type != R_X86_64_64 && slot.type != R_X86_64_RELATIVE &&
      slot.type != R_X86_64_IRELATIVE && slot.type != R_X86_64_GLOB_DAT)
    return program.error("not supported yet: dynamic relocation of type " +
                         Twine(slot.type) + " in " + piece->section->name +
                         " at " + hex(at));
  Reference r;
  r.place = at;
  r.type = R_X86_64_64;
  r.evidence = Evidence::DynamicRelocation;
  r.kind = slot.kind;
  r.target = slot.target;
  r.import = slot.import;
  program.references.push_back(r);
  return Error::success();
}

Error DynamicReader::note(const Rela &r) {
  Slot slot;
  slot.type = r.getType(false);
  slot.target = r.r_addend;
  slot.import = r.getSymbol(false);
  switch (slot.type) {
  case R_X86_64_NONE:
    return Error::success();
  case R_X86_64_RELATIVE:
    slot.import = 0;
    break;
  case R_X86_64_IRELATIVE:
    slot.kind = Reference::Kind::Ifunc;
    break;
  case R_X86_64_COPY: {
    const Sym &s = image.dynamicSymbols()[slot.import];
    program.copies.push_back({r.r_offset, s.st_size, slot.import});
    return Error::success();
  }
  case R_X86_64_TPOFF64:
  case R_X86_64_DTPMOD64:
  case R_X86_64_DTPOFF64:
  case R_X86_64_TLSDESC:
    slot.kind = Reference::Kind::Thread;
    break;
  case R_X86_64_64:
  case R_X86_64_GLOB_DAT:
  case R_X86_64_JUMP_SLOT:
    slot.kind = Reference::Kind::Import;
    if (slot.type != R_X86_64_64)
      slot.target = 0;
    break;
  default:
    return program.error("not supported yet: dynamic relocation of type " +
                         Twine(slot.type) + " at " + hex(r.r_offset));
  }
  return place(r.r_offset, slot);
}

void DynamicReader::scanStubs() {
  for (const Section &s : image.sections) {
    if (!(s.flags & SHF_EXECINSTR) || !isPltName(s.name))
      continue;
    ArrayRef<uint8_t> bytes = image.bytesAt(s.address, s.size);
    for (uint64_t at = 0; at < bytes.size(); at += 8)
      if (auto entry = program.target.decodePltEntry(bytes.drop_front(at),
                                                     s.address + at))
        if (auto it = program.slots.find(entry->first);
            it != program.slots.end())
          program.stubs.try_emplace(s.address + at, it->second);
  }
}

Error DynamicReader::read() {
  std::vector<ArrayRef<Rela>> tables = loaderRelocations(image);
  size_t count = 0;
  for (ArrayRef<Rela> table : tables)
    count += table.size();
  AddressSet seen(count);
  program.references.reserve(count);
  for (ArrayRef<Rela> table : tables)
    for (const Rela &r : table)
      if (seen.insert(r.r_offset).second)
        if (Error e = note(r))
          return e;
  // What is left of these are the packed ones (RELR).
  if (image.dynamic.relr)
    for (const auto &[at, value] : readPointers(image, 0, image.memoryEnd()))
      if (seen.insert(at).second) {
        Slot slot;
        slot.type = R_X86_64_RELATIVE;
        slot.target = value;
        if (Error e = place(at, slot))
          return e;
      }
  scanStubs();
  // lld's way to take the address of an IFUNC: that of its PLT entry.
  for (Reference &r : program.references)
    if (r.kind == Reference::Kind::Address)
      program.interpret(r);
  return Error::success();
}

} // namespace

std::vector<ArrayRef<Rela>> loaderRelocations(const Image &image) {
  if (image.dynamic.address)
    return {image.relocations(), image.pltRelocations()};
  std::vector<ArrayRef<Rela>> out;
  for (const Section &s : image.sections)
    if (s.type == SHT_RELA && s.isAlloc()) {
      ArrayRef<uint8_t> bytes = image.bytesAt(s.address, s.size);
      out.push_back({reinterpret_cast<const Rela *>(bytes.data()),
                     bytes.size() / sizeof(Rela)});
    }
  return out;
}

Error readDynamicReferences(Program &program) {
  return DynamicReader(program).read();
}

} // namespace relink
