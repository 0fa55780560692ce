//===- DelinkReferences.cpp - Dynamic relocations and operands ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In position-independent programs every absolute address has a dynamic
// relocation, and every operand that names an address is relative to the
// instruction: both are exact. What operands reach is classified here; jump
// tables and thread-local operands are DelinkFlow's.
//
//===----------------------------------------------------------------------===//

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
  program.slots[at] = slot;
  Piece *piece = program.pieceAt(at);
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
  std::map<uint64_t, bool> seen;
  for (ArrayRef<Rela> table : loaderRelocations(image))
    for (const Rela &r : table)
      if (seen.try_emplace(r.r_offset, true).second)
        if (Error e = note(r))
          return e;
  // What is left of these are the packed ones (RELR).
  if (image.dynamic.relr)
    for (const auto &[at, value] : readPointers(image, 0, image.memoryEnd()))
      if (seen.try_emplace(at, true).second) {
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

namespace {

class CodeReader {
public:
  explicit CodeReader(Program &program)
      : program(program), image(program.image) {}
  Error read();

private:
  Expected<CodeView> decode(const Piece &piece);
  Error readOperands(const Piece &piece, const CodeView &code);
  Error readBranch(const Piece &piece, const Instruction &i);
  Error readMemory(const Instruction &i, const AddressFlow &f);
  Error readAbsolute(const Instruction &i, const AddressFlow &f);
  Error readConstantSlot(Reference r, const Instruction &i,
                         const KeptRelocation &kept);
  bool isInGot(uint64_t address) const;
  Error readSlot(Reference r, const Instruction &i, const Slot &slot);
  bool needsFlow(const CodeView &code) const;
  void findMain();

  Program &program;
  const Image &image;
  std::vector<std::pair<uint64_t, uint64_t>> joins;
  std::vector<uint64_t> dataTargets; ///< what code refers to; sorted for tables
};

Expected<CodeView> CodeReader::decode(const Piece &piece) {
  CodeView view;
  ArrayRef<uint8_t> bytes = image.bytesAt(piece.address, piece.size);
  if (bytes.size() != piece.size)
    return program.error("code at " + hex(piece.address) + " is not in the file");
  for (uint64_t at = 0; at < bytes.size();) {
    CodeView::Entry e;
    if (!program.target.decode(bytes.drop_front(at), piece.address + at,
                               e.instruction))
      return program.error("not supported yet: no instruction is known at " +
                           program.describe(piece.address + at) +
                           "; this may be data among code");
    e.flow = program.target.followAddresses(
        bytes.slice(at, e.instruction.size));
    at += e.instruction.size;
    view.entries.push_back(e);
  }
  return view;
}

/// The psABI lets linkers relax GOT loads of these forms.
uint32_t gotType(ArrayRef<uint8_t> code, unsigned field) {
  if (field < 2)
    return R_X86_64_GOTPCREL;
  uint8_t opcode = code[field - 2], modRm = code[field - 1];
  bool rex = field >= 3 && (code[field - 3] & 0xf0) == 0x40;
  if (opcode == 0x8b)
    return rex ? R_X86_64_REX_GOTPCRELX : R_X86_64_GOTPCRELX;
  if (opcode == 0xff && ((modRm & 0x38) == 0x10 || (modRm & 0x38) == 0x20))
    return R_X86_64_GOTPCRELX;
  return R_X86_64_GOTPCREL;
}

Error CodeReader::readSlot(Reference r, const Instruction &i, const Slot &slot) {
  ArrayRef<uint8_t> code = image.bytesAt(i.address, i.size);
  unsigned field = r.place - i.address;
  uint64_t address = r.target;
  r.kind = slot.kind;
  r.target = slot.target;
  r.import = slot.import;
  switch (slot.type) {
  case R_X86_64_TPOFF64:
    r.evidence = Evidence::ThreadLocal;
    r.type = R_X86_64_GOTTPOFF;
    break;
  case R_X86_64_DTPMOD64: {
    r.evidence = Evidence::ThreadLocal;
    // General-dynamic code is lengthened by a prefix so that it can be relaxed.
    bool general = !code.empty() && code[0] == 0x66;
    r.type = general ? R_X86_64_TLSGD : R_X86_64_TLSLD;
    auto pair = program.slots.find(address + 8);
    if (general && pair != program.slots.end()) {
      r.target = pair->second.target;
      r.import = pair->second.import;
    } else if (general) {
      ArrayRef<uint8_t> word = image.bytesAt(address + 8, 8);
      r.target = word.empty() ? 0 : read64le(word.data());
    }
    break;
  }
  default:
    r.type = gotType(code, field);
    program.interpret(r);
  }
  program.references.push_back(r);
  return Error::success();
}

/// A slot that the linker filled: in a program at fixed addresses, or static.
Error CodeReader::readConstantSlot(Reference r, const Instruction &i,
                                   const KeptRelocation &kept) {
  ArrayRef<uint8_t> word = image.bytesAt(r.target, 8);
  if (word.empty())
    return program.error("the slot at " + hex(r.target) + " is not in the file");
  r.target = read64le(word.data());
  r.evidence = program.keptEvidence;
  bool thread = kept.type == R_X86_64_GOTTPOFF;
  r.type = thread ? uint32_t(R_X86_64_GOTTPOFF)
                  : gotType(image.bytesAt(i.address, i.size), r.place - i.address);
  if (kept.section == SHN_UNDEF && (thread || !r.target)) {
    r.kind = Reference::Kind::Named; // weak, and nothing defines it
    r.name = kept.name;
    r.target = 0;
    r.weak = true;
  } else if (thread) {
    r.kind = Reference::Kind::Thread;
    r.target += program.threadSize();
  } else if (kept.section == SHN_ABS) {
    r.kind = Reference::Kind::Number;
  } else {
    program.interpret(r);
  }
  program.references.push_back(r);
  return Error::success();
}

bool CodeReader::isInGot(uint64_t address) const {
  const Section *s = image.sectionAt(address);
  return s && s->name.starts_with(".got");
}

/// An address in an instruction, not relative to it.
Error CodeReader::readAbsolute(const Instruction &i, const AddressFlow &f) {
  if (f.hasMemory && !f.ipRelative && f.displacementAt)
    if (Error e = addKeptField(program, i.address + f.displacementAt, 4))
      return e;
  if (f.immediateSize >= 4)
    return addKeptField(program, i.address + f.immediateAt, f.immediateSize);
  return Error::success();
}

Error CodeReader::readMemory(const Instruction &i, const AddressFlow &f) {
  Reference r;
  r.place = i.address + f.displacementAt;
  r.bias = -int32_t(i.size - f.displacementAt);
  r.type = R_X86_64_PC32;
  r.target = i.address + i.size + int64_t(f.displacement);
  Piece *piece = program.pieceAt(r.target);
  auto slot = program.slots.find(r.target);
  // A pair for __tls_get_addr is the only slot whose address is taken; another
  // is what follows the section that is meant.
  bool isLoad = f.kind != AddressFlow::Kind::Address;
  if (!piece && slot != program.slots.end() &&
      (isLoad || slot->second.type == R_X86_64_DTPMOD64))
    return readSlot(r, i, slot->second);
  if (auto kept = program.kept.find(r.place);
      isLoad && !piece && kept != program.kept.end() &&
      isGotType(kept->second.type) && isInGot(r.target))
    return readConstantSlot(r, i, kept->second);
  program.interpret(r);
  if (r.kind != Reference::Kind::Address) {
    program.references.push_back(r);
    return Error::success();
  }
  dataTargets.push_back(r.target);
  program.references.push_back(r);
  return Error::success();
}

Error CodeReader::readBranch(const Piece &piece, const Instruction &i) {
  uint64_t target = *i.branchTarget;
  // Compilers end unreachable paths with a branch to the function's end.
  bool inside = target - piece.address < piece.size ||
                (target == piece.end() && !program.pieceAt(target));
  if (inside && !(i.isCall && target == piece.address))
    return Error::success();
  if (i.fieldSize != 4) {
    // The assembler made it short because both were one section.
    if (!inside)
      joins.push_back({i.address, target});
    return Error::success();
  }
  Reference r;
  r.place = i.address + i.fieldOffset;
  r.bias = -4;
  r.type = R_X86_64_PLT32;
  r.target = target;
  program.interpret(r);
  if (r.kind == Reference::Kind::Address && !program.pieceAt(target))
    return program.error("the branch at " + program.describe(i.address) +
                         " leads to " + hex(target) +
                         ", which is no code of the program");
  program.references.push_back(r);
  return Error::success();
}

Error CodeReader::readOperands(const Piece &piece, const CodeView &code) {
  for (const CodeView::Entry &e : code.entries) {
    if (e.instruction.branchTarget) {
      if (Error err = readBranch(piece, e.instruction))
        return err;
    } else if (e.flow.ipRelative && !e.instruction.isNop) {
      if (Error err = readMemory(e.instruction, e.flow))
        return err;
    }
    if (!program.kept.empty() && !e.instruction.branchTarget &&
        !e.instruction.isNop)
      if (Error err = readAbsolute(e.instruction, e.flow))
        return err;
  }
  // Code that runs on into what follows it has to stay in front of it.
  if (!code.entries.empty()) {
    const Instruction &last = code.entries.back().instruction;
    Piece *next = program.pieceAt(piece.end());
    if (!last.endsFlow && !last.isCall && !last.isNop && next &&
        next->section == piece.section)
      joins.push_back({piece.address, piece.end()});
  }
  return Error::success();
}

bool CodeReader::needsFlow(const CodeView &code) const {
  return llvm::any_of(code.entries, [](const CodeView::Entry &e) {
    return e.flow.threadSegment ||
           (e.instruction.isBranch && e.instruction.isIndirect &&
            !e.flow.ipRelative);
  });
}

/// _start hands main to __libc_start_main as its first argument (%rdi).
void CodeReader::findMain() {
  for (const ProgramSymbol &s : program.symbols)
    if (s.name == "main" && s.type == STT_FUNC)
      program.mainAddress = s.address;
  if (program.mainAddress || image.kind == ImageKind::Shared)
    return;
  constexpr unsigned rdi = 7;
  uint64_t at = image.header.e_entry;
  for (unsigned n = 0; n < 32; ++n) {
    Instruction i;
    ArrayRef<uint8_t> bytes = image.bytesFrom(at);
    if (bytes.empty() || !program.target.decode(bytes, at, i) || i.isCall)
      return;
    AddressFlow f = program.target.followAddresses(bytes.take_front(i.size));
    at += i.size;
    if (f.destination != rdi)
      continue;
    if (f.kind == AddressFlow::Kind::Address && f.ipRelative)
      program.mainAddress = at + int64_t(f.displacement);
    else if (f.kind == AddressFlow::Kind::Constant)
      program.mainAddress = uint32_t(f.immediate);
    else if (f.kind == AddressFlow::Kind::Load && f.ipRelative)
      if (auto it = program.slots.find(at + int64_t(f.displacement));
          it != program.slots.end())
        program.mainAddress = it->second.target;
  }
}

Error CodeReader::read() {
  findMain();
  std::vector<uint64_t> flows;
  for (const Piece &piece : program.pieces) {
    if (!piece.isCode() || piece.dropped)
      continue;
    auto code = decode(piece);
    if (!code)
      return code.takeError();
    if (Error e = readOperands(piece, *code))
      return e;
    if (needsFlow(*code))
      flows.push_back(piece.address);
  }
  if (!joins.empty())
    program.remarks.push_back(
        Twine(joins.size()).str() +
        " places in code lead to a neighbour by a short jump or by running on: "
        "these functions are kept together");
  joinPieces(program, joins);
  program.joins = joins;
  for (const Reference &r : program.references)
    if ((r.evidence == Evidence::DynamicRelocation ||
         r.evidence == program.keptEvidence) &&
        r.kind == Reference::Kind::Address)
      dataTargets.push_back(r.target);
  llvm::sort(dataTargets);
  dataTargets.erase(llvm::unique(dataTargets), dataTargets.end());
  uint64_t last = 0;
  for (uint64_t address : flows) {
    Piece *piece = program.pieceAt(address);
    if (piece->address == last)
      continue;
    last = piece->address;
    auto code = decode(*piece);
    if (!code)
      return code.takeError();
    if (Error e = readFlowReferences(program, *piece, *code, dataTargets))
      return e;
  }
  return Error::success();
}

} // namespace

const CodeView::Entry *CodeView::at(uint64_t address) const {
  auto it = llvm::lower_bound(entries, address,
                              [](const Entry &e, uint64_t a) {
                                return e.instruction.address < a;
                              });
  return it != entries.end() && it->instruction.address == address ? &*it
                                                                   : nullptr;
}

Error readDynamicReferences(Program &program) {
  return DynamicReader(program).read();
}

Error readCodeReferences(Program &program) { return CodeReader(program).read(); }

} // namespace relink
