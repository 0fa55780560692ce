//===- DelinkKept.cpp - Relocations that the linker kept ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With --emit-relocs linkers write their inputs' relocations to the output, at
// the places' addresses. They state which words are addresses, and of which
// symbol or section. Types can't be relied on: they are those before
// instructions were relaxed. So the fields are those of the decoded
// instructions, the values those of the bytes, and what was kept says that a
// field is an address and what it means.
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <set>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

/// Absolute ones, and those that may have become absolute: `mov $foo,%rax`.
bool maybeAbsolute(uint32_t type) {
  return type == R_X86_64_64 || type == R_X86_64_32 || type == R_X86_64_32S ||
         type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
         type == R_X86_64_REX_GOTPCRELX;
}

bool isThreadLocal(uint32_t type) {
  return type == R_X86_64_TPOFF32 || type == R_X86_64_GOTTPOFF ||
         type == R_X86_64_DTPOFF32 || type == R_X86_64_TLSGD ||
         type == R_X86_64_TLSLD;
}

bool isDistance(uint32_t type) {
  return type == R_X86_64_PC32 || type == R_X86_64_PC64 ||
         type == R_X86_64_PLT32;
}

/// What the next link defines itself.
bool isBrought(const Program &program, const KeptRelocation &k) {
  if (k.name.empty() || k.symbolType == STT_SECTION)
    return false;
  if (k.name == "end" || k.name == "edata" || k.name == "etext")
    return k.symbolType == STT_NOTYPE;
  return program.bringsSymbol(k.name) || program.bringsFunction(k.name) ||
         ((k.name.starts_with("__start_") || k.name.starts_with("__stop_")) &&
          k.symbolType == STT_NOTYPE);
}

/// Data whose kept relocations are read, in the order of addresses.
std::vector<uint64_t> placesInData(Program &program) {
  std::vector<uint64_t> out;
  for (const auto &[place, k] : program.kept) {
    Piece *p = program.pieceAt(place);
    // Exception tables say themselves what they refer to.
    if (p && !p->dropped && !p->isCode() &&
        !p->section->name.starts_with(".gcc_except_table"))
      out.push_back(place);
  }
  llvm::sort(out);
  return out;
}

Error readSection(Program &program, const object::ELFFile<ELFT> &file,
                  const Shdr &section, ArrayRef<Shdr> sections) {
  auto table = file.getSection(section.sh_link);
  if (!table)
    return table.takeError();
  auto symbols = file.symbols(*table);
  if (!symbols)
    return symbols.takeError();
  auto strings = file.getStringTableForSymtab(**table, sections);
  if (!strings)
    return strings.takeError();
  auto relocations = file.relas(section);
  if (!relocations)
    return relocations.takeError();
  for (const Rela &r : *relocations) {
    unsigned index = r.getSymbol(false);
    if (r.getType(false) == R_X86_64_NONE)
      continue;
    if (index >= symbols->size())
      return program.error("a kept relocation at " + hex(r.r_offset) +
                           " names a symbol that does not exist");
    const Sym &s = (*symbols)[index];
    auto name = s.getName(*strings);
    if (!name)
      return name.takeError();
    program.kept[r.r_offset] = {r.getType(false), r.r_addend, *name, s.st_value,
                                s.st_shndx, s.getType()};
  }
  return Error::success();
}

Error addThreadLocal(const Program &program, uint64_t place,
                     std::vector<Reference> &out) {
  int64_t value = int32_t(read32le(program.image.bytesAt(place, 4).data()));
  // A relaxed sequence has other fields where the relocation was.
  if (program.image.kind != ImageKind::Shared)
    if (auto r = program.threadReference(place, value))
      out.push_back(*r);
  return Error::success();
}

/// A distance in data: nothing says where the thing it belongs to begins, so it
/// must be one from its own place, or to a symbol.
Error addDistance(Program &program, uint64_t place, const KeptRelocation &k) {
  unsigned size = k.type == R_X86_64_PC64 ? 8 : 4;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(place, size);
  if (bytes.empty())
    return program.error("the kept relocation at " + hex(place) +
                         " is not in the file");
  uint64_t value = size == 8 ? read64le(bytes.data())
                             : int64_t(int32_t(read32le(bytes.data())));
  Reference r;
  r.place = place;
  r.type = size == 8 ? R_X86_64_PC64 : R_X86_64_PC32;
  r.evidence = program.keptEvidence;
  const Section *s = k.section && k.section < program.image.sections.size()
                         ? &program.image.sections[k.section]
                         : nullptr;
  if (k.symbolType == STT_SECTION && s && !(s->flags & SHF_EXECINSTR)) {
    r.target = value + place;
  } else if (k.symbolType != STT_SECTION) {
    r.target = value + place - k.addend;
    r.bias = k.addend;
  } else {
    return program.error("not supported yet: the distance at " +
                         program.describe(place) +
                         " leads into code, and belongs to no jump table that is "
                         "known");
  }
  program.interpret(r);
  program.references.push_back(r);
  return Error::success();
}

} // namespace

Error readKeptRelocations(Program &program) {
  if (program.keptEvidence == Evidence::Map)
    return Error::success();
  auto file = object::ELFFile<ELFT>::create(toStringRef(program.image.bytes()));
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  for (const Shdr &s : *sections) {
    if (s.sh_type != SHT_RELA || (s.sh_flags & SHF_ALLOC) || !s.sh_info ||
        s.sh_info >= sections->size() ||
        !((*sections)[s.sh_info].sh_flags & SHF_ALLOC))
      continue;
    if (Error e = readSection(program, *file, s, *sections))
      return joinErrors(program.error("its kept relocations are broken"),
                        std::move(e));
  }
  return Error::success();
}

uint64_t Program::threadSize() const {
  return threadBlockSize(image.segmentOfType(PT_TLS));
}

std::optional<uint64_t> Program::threadOffset(int64_t distance) const {
  uint64_t size = threadSize(), before = 0 - uint64_t(distance);
  if (distance >= 0 || before > size)
    return std::nullopt;
  return size - before;
}

std::optional<Reference> Program::threadReference(uint64_t place,
                                                  int64_t distance) const {
  auto offset = threadOffset(distance);
  if (!offset)
    return std::nullopt;
  Reference r;
  r.place = place;
  r.type = R_X86_64_TPOFF32;
  r.kind = Reference::Kind::Thread;
  r.evidence = Evidence::ThreadLocal;
  r.target = *offset;
  return r;
}

/// What lies behind the end of a section, or before its start, is not meant.
bool Program::staysInSection(Reference &r) const {
  auto it = kept.find(r.place);
  // Of an IFUNC the PLT entry is meant.
  if (it == kept.end() || isBrought(*this, it->second) ||
      it->second.symbolType == STT_GNU_IFUNC)
    return false;
  const KeptRelocation &k = it->second;
  if (!k.section || k.section >= image.sections.size())
    return false;
  // A library reaches what it exports through the PLT, where it may be another's.
  if (k.symbolType != STT_SECTION && stubs.count(r.target))
    return false;
  const Section &s = image.sections[k.section];
  r.isProven = s.isAlloc() && s.size;
  if (!r.isProven || s.contains(r.target) || (s.flags & SHF_TLS))
    return false;
  r.anchor = s.contains(k.value) ? k.value : s.address;
  return true;
}

/// Whether \p r means what the loader copies to \p c. What was kept for it, \p kept,
/// has its name, or tells otherwise; else the place does.
static bool meansCopy(const Program &program, const Program::Copy &c, const Reference &r,
                      const KeptRelocation *kept) {
  auto isIn = [&](uint64_t address) {
    return address - c.address < std::max<uint64_t>(c.size, 1);
  };
  if (!kept || kept->section == SHN_UNDEF || kept->name.empty())
    return isIn(r.target) && !(kept && kept->symbolType == STT_SECTION);
  if (isBrought(program, *kept))
    return false;
  ArrayRef<Sym> dynamic = program.image.dynamicSymbols();
  return isIn(kept->value) || kept->name == program.image.dynamicName(dynamic[c.symbol]);
}

void Program::interpret(Reference &r) const {
  if (r.kind != Reference::Kind::Address || staysInSection(r))
    return;
  auto it = kept.find(r.place);
  for (const Copy &c : copies)
    if (meansCopy(*this, c, r, it == kept.end() ? nullptr : &it->second)) {
      r.kind = Reference::Kind::Import;
      r.import = c.symbol;
      r.target -= c.address;
      return;
    }
  if (followStub(r))
    return;
  if (assumes)
    return interpretAssumed(r);
  if (it == kept.end())
    return;
  const KeptRelocation &k = it->second;
  const Section *at = image.sectionAt(r.target);
  bool isUndefined = k.section == SHN_UNDEF && !k.value && !k.name.empty();
  if (isUndefined && (!r.target || (at && isPltName(at->name)))) {
    r.kind = Reference::Kind::Named;
    r.name = k.name;
    r.target = 0;
    r.weak = true;
  } else if (isBrought(*this, k)) {
    r.kind = Reference::Kind::Named;
    r.name = k.name;
    r.target -= k.value;
    // An empty range there, which not all linkers give names.
    if (image.isPositionIndependent() && k.name.starts_with("__rela_iplt_"))
      r.name = "__ehdr_start";
  } else if (k.section == SHN_ABS) {
    r.kind = Reference::Kind::Number;
  }
}

Error addKeptField(const Program &program, uint64_t place, unsigned size,
                   std::vector<Reference> &out) {
  auto it = program.kept.find(place);
  if (it == program.kept.end())
    return Error::success();
  const KeptRelocation &k = it->second;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(place, size);
  if (bytes.empty())
    return program.error("the kept relocation at " + hex(place) +
                         " is not in the file");
  if (isThreadLocal(k.type))
    return size == 4 ? addThreadLocal(program, place, out) : Error::success();
  // Numbers, and weak symbols that nothing defines.
  bool isConstant = !isBrought(program, k) && (k.section == SHN_ABS ||
                                      (k.section == SHN_UNDEF && !k.value));
  // A position-independent program has no short absolute addresses.
  isConstant |= size == 4 && program.image.isPositionIndependent();
  if (!maybeAbsolute(k.type) || isConstant)
    return Error::success();
  Reference r;
  r.place = place;
  r.type = size == 8                  ? R_X86_64_64
           : k.type == R_X86_64_32 ? R_X86_64_32
                                      : R_X86_64_32S;
  r.evidence = program.keptEvidence;
  r.target = size == 8               ? read64le(bytes.data())
             : r.type == R_X86_64_32 ? uint64_t(read32le(bytes.data()))
                                     : int64_t(int32_t(read32le(bytes.data())));
  uint64_t address = r.target;
  program.interpret(r);
  bool isOwn = r.kind == Reference::Kind::Address || r.kind == Reference::Kind::Named;
  uint64_t stated = k.value + (isGotType(k.type) ? 0 : k.addend);
  if (isOwn && address != stated)
    return program.error("the relocation kept for " + program.describe(place) +
                         " says " + hex(stated) + ", the program holds " +
                         hex(address));
  out.push_back(r);
  return Error::success();
}

Error readKeptWords(Program &program) {
  bool fixed = !program.image.isPositionIndependent();
  for (uint64_t place : placesInData(program)) {
    uint32_t type = program.kept[place].type;
    // What the loader fills has a dynamic relocation.
    if (!fixed || program.slots.contains(place) || isDistance(type))
      continue;
    if (type == R_X86_64_SIZE32 || type == R_X86_64_SIZE64)
      continue; // numbers
    if (type != R_X86_64_64 && type != R_X86_64_32 && type != R_X86_64_32S)
      return program.error("not supported yet: the relocation kept for " +
                           program.describe(place) + " is of type " + Twine(type));
    if (Error e = addKeptField(program, place, type == R_X86_64_64 ? 8 : 4,
                               program.references))
      return e;
  }
  return Error::success();
}

Error readKeptDistances(Program &program) {
  if (program.kept.empty())
    return Error::success();
  std::set<uint64_t> known;
  for (const Reference &r : program.references)
    known.insert(r.place);
  for (uint64_t place : placesInData(program)) {
    const KeptRelocation &k = program.kept[place];
    if (isDistance(k.type) && !known.contains(place))
      if (Error e = addDistance(program, place, k))
        return e;
  }
  // Nothing that was kept as an absolute address may be left as a number.
  for (const auto &[place, k] : program.kept) {
    Piece *p = program.pieceAt(place);
    bool isAddress = k.type == R_X86_64_64 || k.type == R_X86_64_32 ||
                     k.type == R_X86_64_32S;
    if (p && p->isCode() && !p->dropped && isAddress && !known.contains(place) &&
        k.section && k.section < SHN_LORESERVE)
      return program.error("not supported yet: the relocation kept for " +
                           program.describe(place) +
                           " belongs to no field of an instruction");
  }
  return Error::success();
}

} // namespace relink
