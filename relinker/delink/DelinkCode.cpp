//===- DelinkCode.cpp - What operands and branches refer to ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operand that names an address relative to its instruction is exact. What
// operands reach is classified here; jump tables and thread-local operands are
// DelinkFlow's. Functions are read in parallel, in shares: the references that
// come out are those of one after the other.
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/ThreadPool.h"
#include <atomic>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

/// Reads functions, one after the other.
class CodeReader {
public:
  CodeReader(const Program &program, const Target &target, CodeFindings &out)
      : program(program), image(program.image), target(target), out(out),
        followsThreads(image.kind != ImageKind::Shared &&
                       image.segmentOfType(PT_TLS)) {}
  Error read(const Piece &piece);

private:
  Error readOperands(const Piece &piece, const Instruction &i,
                     ArrayRef<uint8_t> code);
  Error readBranch(const Piece &piece, const Instruction &i);
  Error readMemory(const Instruction &i, const AddressFlow &f);
  Error readAbsolute(const Instruction &i, const AddressFlow &f);
  Error readConstantSlot(Reference r, const Instruction &i,
                         const KeptRelocation &kept);
  Error readEmptySlot(Reference r, const Instruction &i);
  Error readAssumedSlot(Reference r, const Instruction &i);
  bool isInGot(uint64_t address) const;
  Error readSlot(Reference r, const Instruction &i, const Slot &slot);
  bool needsFlow(const Instruction &i, const AddressFlow &f) const;
  bool isDistance(ArrayRef<uint8_t> instruction) const;
  void lookAtConstants(const Piece &piece, uint64_t address, uint64_t place);

  const Program &program;
  const Image &image;
  const Target &target;
  CodeFindings &out;
  bool followsThreads, isFlow = false;
  /// Of the function: whether it takes the address of constants, and loads distances.
  bool namesConstants = false, loadsDistances = false;
  bool namesDistances = false, loadsWords = false; // one after the other, perhaps
};

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
  case R_X86_64_TLSDESC: // for a call whose instruction has no field
    r.evidence = Evidence::ThreadLocal;
    r.type = R_X86_64_GOTPC32_TLSDESC;
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
  out.references.push_back(r);
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
  out.references.push_back(r);
  return Error::success();
}

/// A slot that nothing fills, by mold: of a weak symbol that nothing defines.
Error CodeReader::readEmptySlot(Reference r, const Instruction &i) {
  ArrayRef<uint8_t> word = image.bytesAt(r.target, 8);
  if (!word.empty() && !read64le(word.data())) {
    r.kind = Reference::Kind::Named;
    r.name = undefinedName;
    r.weak = true;
    r.target = 0;
    r.type = gotType(image.bytesAt(i.address, i.size), r.place - i.address);
  }
  out.references.push_back(r);
  return Error::success();
}

/// The same where no relocation was kept: the word's form is all there is.
Error CodeReader::readAssumedSlot(Reference r, const Instruction &i) {
  ArrayRef<uint8_t> word = image.bytesAt(r.target, 8);
  if (word.empty())
    return program.error("the slot at " + hex(r.target) + " is not in the file");
  int64_t value = read64le(word.data());
  r.evidence = Evidence::Assumed;
  r.type = gotType(image.bytesAt(i.address, i.size), r.place - i.address);
  if (auto offset = program.threadOffset(value)) {
    r.kind = Reference::Kind::Thread;
    r.type = R_X86_64_GOTTPOFF;
    r.target = *offset;
  } else if (!value || assumeAddress(program, value, r, false)) {
    r.target = value;
    program.interpret(r);
  } else {
    r.kind = Reference::Kind::Number;
    r.target = value;
  }
  out.references.push_back(r);
  return Error::success();
}

bool CodeReader::isInGot(uint64_t address) const {
  const Section *s = image.sectionAt(address);
  return s && s->name.starts_with(".got");
}

/// An address in an instruction, not relative to it.
Error CodeReader::readAbsolute(const Instruction &i, const AddressFlow &f) {
  if (f.hasMemory && !f.ipRelative && f.displacementAt)
    if (Error e = addKeptField(program, i.address + f.displacementAt, 4,
                               out.references))
      return e;
  if (f.immediateSize >= 4)
    return addKeptField(program, i.address + f.immediateAt, f.immediateSize,
                        out.references);
  return Error::success();
}

Error CodeReader::readMemory(const Instruction &i, const AddressFlow &f) {
  Reference r;
  r.place = i.address + f.displacementAt;
  r.bias = -int32_t(i.size - f.displacementAt);
  r.type = R_X86_64_PC32;
  r.target = i.address + i.size + int64_t(f.displacement);
  const Piece *piece = program.pieceAt(r.target);
  auto slot = program.slots.find(r.target);
  // Only of a pair for __tls_get_addr, or of a descriptor, is the address taken;
  // of another slot it is the end of the section that is meant.
  bool isLoad = f.kind != AddressFlow::Kind::Address;
  if (!piece && slot != program.slots.end() &&
      (isLoad || slot->second.type == R_X86_64_DTPMOD64 ||
       slot->second.type == R_X86_64_TLSDESC))
    return readSlot(r, i, slot->second);
  if (auto kept = program.kept.find(r.place);
      isLoad && !piece && kept != program.kept.end() &&
      isGotType(kept->second.type) && isInGot(r.target))
    return readConstantSlot(r, i, kept->second);
  if (program.assumes && isLoad && !piece && isInGot(r.target))
    return readAssumedSlot(r, i);
  if (isLoad && !piece && isInGot(r.target) && image.isPositionIndependent())
    return readEmptySlot(r, i);
  if (program.assumes && !isLoad)
    assumeAddress(program, r.target, r, true); // for its anchor
  if (!r.anchor)
    program.interpret(r);
  if (r.kind != Reference::Kind::Address) {
    out.references.push_back(r);
    return Error::success();
  }
  out.dataTargets.push_back(r.target);
  out.references.push_back(r);
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
      out.joins.push_back({i.address, target});
    return Error::success();
  }
  Reference r;
  r.place = i.address + i.fieldOffset;
  r.bias = -4;
  r.type = R_X86_64_PLT32;
  r.target = target;
  program.interpret(r);
  const Section *at = image.sectionAt(target);
  bool isEmptyStub = image.isStatic() && at && isPltName(at->name);
  if (r.kind == Reference::Kind::Address && (!target || isEmptyStub)) {
    // A weak symbol that nothing defines, by mold, or by GNU ld with -static-pie.
    r.kind = Reference::Kind::Named;
    r.name = undefinedName;
    r.weak = true;
  } else if (r.kind == Reference::Kind::Address && !program.pieceAt(target)) {
    // A cold part, to the end of its function.
    const Piece *before = program.pieceEndingAt(target);
    if (!before || !before->isCode() || before->dropped)
      return program.error("the branch at " + program.describe(i.address) +
                         " leads to " + hex(target) +
                         ", which is no code of the program");
    r.anchor = before->address;
  }
  out.references.push_back(r);
  return Error::success();
}

bool CodeReader::needsFlow(const Instruction &i, const AddressFlow &f) const {
  // Behind the thread pointer is the thread's own block: %fs:40 is a canary.
  bool isThread = followsThreads && f.threadSegment &&
                  (f.base != AddressFlow::none || f.index != AddressFlow::none ||
                   f.displacement <= 0);
  return isThread || (i.isBranch && i.isIndirect && !f.ipRelative);
}

/// The address of constants is taken at \p place. Two words of four that lead into
/// the function, seen from there, are a table of jumps, whatever becomes of it.
void CodeReader::lookAtConstants(const Piece &piece, uint64_t address,
                                 uint64_t place) {
  const Piece *data = program.pieceAt(address);
  if (address % 4 || !data || data->isCode() ||
      (data->section->flags & SHF_WRITE))
    return;
  namesConstants = true;
  namesDistances |= program.hasDistances(address);
  constexpr unsigned words = 4, least = 2;
  unsigned inside = 0;
  for (unsigned n = 0; n < words; ++n) {
    ArrayRef<uint8_t> word = image.bytesAt(address + n * 4, 4);
    inside += !word.empty() && address + int64_t(int32_t(read32le(word.data()))) -
                                       piece.address < piece.size;
  }
  if (inside >= least)
    out.likeTables.push_back({address, place});
}

/// \p code goes on behind the instruction.
Error CodeReader::readOperands(const Piece &piece, const Instruction &i,
                               ArrayRef<uint8_t> code) {
  AddressFlow f = target.followAddresses(code.take_front(i.size));
  isFlow |= needsFlow(i, f);
  if (f.kind == AddressFlow::Kind::Address && f.ipRelative)
    lookAtConstants(piece, i.address + i.size + int64_t(f.displacement), i.address);
  loadsWords |= f.kind == AddressFlow::Kind::Load && f.isSigned && f.width == 4;
  loadsDistances |= f.kind == AddressFlow::Kind::Load && f.isSigned && (f.scale == 4 || f.scale == 1) &&
                    f.index != AddressFlow::none && !f.displacement;
  if (i.branchTarget || i.isNop)
    return Error::success();
  if (f.ipRelative)
    if (Error e = readMemory(i, f))
      return e;
  if (program.assumesNumbers())
    return addAssumedFields(program, target, i, f, code, out.references);
  return program.kept.empty() ? Error::success() : readAbsolute(i, f);
}

/// Whether an instruction may begin with a prefix for a segment.
static bool hasPrefix(uint8_t first) {
  return first == 0x64 || first == 0x66 || first == 0xf2 || first == 0xf3 ||
         first == 0x2e || first == 0x3e;
}

/// movabs of a number that takes no 64 bits: compilers do so for distances only, from
/// the GOT or within the code (x86-64 psABI, "Large position independent code model").
bool CodeReader::isDistance(ArrayRef<uint8_t> instruction) const {
  return image.isPositionIndependent() && (instruction[0] & 0xfe) == 0x48 &&
         (instruction[1] & 0xf8) == 0xb8 && instruction.size() == 10 &&
         isInt<32>(int64_t(read64le(&instruction[2])));
}

static bool isZero(uint8_t byte) { return !byte; }

Error CodeReader::read(const Piece &piece) {
  ArrayRef<uint8_t> bytes = image.bytesAt(piece.address, piece.size);
  if (bytes.size() != piece.size)
    return program.error("code at " + hex(piece.address) + " is not in the file");
  isFlow = namesConstants = loadsDistances = namesDistances = loadsWords = false;
  Instruction i;
  for (uint64_t at = 0; at < bytes.size(); at += i.size) {
    uint64_t address = piece.address + at;
    if (!bytes[at] && all_of(bytes.drop_front(at), isZero))
      break; // mold's padding
    bool isCommon = target.measureQuickly(bytes.drop_front(at), address, i);
    if (!isCommon && !target.decode(bytes.drop_front(at), address, i))
      return program.error("not supported yet: no instruction is known at " +
                           program.describe(address) +
                           "; this may be data among code");
    if (i.branchTarget)
      if (Error e = readBranch(piece, i))
        return e;
    if (i.size == 10 && isDistance(bytes.slice(at, 10)))
      return program.error(
          "not supported yet: the code at " + program.describe(address) +
          " is for the large code model (-mcmodel=large, medium), and has distances "
          "of 64 bits in it");
    // What has no operand in memory and no field has nothing to say.
    if (!isCommon || i.memoryTarget || i.isIndirect || !program.kept.empty() ||
        program.assumesNumbers() || hasPrefix(bytes[at]) ||
        (namesConstants && i.size >= 2 && bytes[at + 1] == 0x63)) // movslq
      if (Error e = readOperands(piece, i, bytes.drop_front(at)))
        return e;
  }
  if (isFlow || (namesConstants && loadsDistances) || (namesDistances && loadsWords))
    out.flows.push_back(piece.address);
  // Code that runs on into what follows it has to stay in front of it.
  const Piece *next = program.pieceAt(piece.end());
  if (i.size && !i.endsFlow && !i.isCall && !i.isNop && next &&
      next->section == piece.section)
    out.joins.push_back({piece.address, piece.end()});
  return Error::success();
}

/// All of a function, as DelinkFlow needs it.
Error decode(const Program &program, const Target &target, const Piece &piece,
             CodeView &view) {
  ArrayRef<uint8_t> bytes = program.image.bytesAt(piece.address, piece.size);
  view.entries.clear();
  for (uint64_t at = 0; at < bytes.size();) {
    if (!bytes[at] && all_of(bytes.drop_front(at), isZero))
      break;
    CodeView::Entry &e = view.entries.emplace_back();
    if (!target.decode(bytes.drop_front(at), piece.address + at, e.instruction))
      return program.error("not supported yet: no instruction is known at " +
                           program.describe(piece.address + at) +
                           "; this may be data among code");
    e.flow = target.followAddresses(bytes.slice(at, e.instruction.size));
    at += e.instruction.size;
  }
  return Error::success();
}

using ReadPiece =
    function_ref<Error(const Target &, const Piece &, CodeFindings &)>;

/// Reads \p pieces, by as many threads as there are processors. What is found
/// is in their order.
Error readInShares(Program &program, ArrayRef<const Piece *> pieces,
                   ReadPiece read, std::vector<CodeFindings> &found) {
  // Enough work that threads that are done early find more.
  constexpr uint64_t shareSize = 1 << 17;
  struct Share {
    size_t first = 0, last = 0;
    uint64_t size = 0;
  };
  std::vector<Share> shares;
  for (size_t n = 0; n < pieces.size(); ++n) {
    if (shares.empty() || shares.back().size >= shareSize)
      shares.push_back({n, n, 0});
    shares.back().last = n + 1;
    shares.back().size += pieces[n]->size;
  }
  found.resize(shares.size());
  std::vector<std::string> errors(shares.size());
  std::atomic<size_t> next = 0;
  auto work = [&](const Target &target) {
    for (size_t s; (s = next++) < shares.size();)
      for (size_t n = shares[s].first; n < shares[s].last; ++n)
        if (Error e = read(target, *pieces[n], found[s])) {
          errors[s] = toString(std::move(e));
          break;
        }
  };
  size_t threads = std::min<size_t>(
      shares.size(), heavyweight_hardware_concurrency().compute_thread_count());
  std::vector<std::unique_ptr<Target>> targets; // a disassembler is for one thread
  for (size_t i = 1; i < threads; ++i) {
    auto another = program.target.another();
    if (!another)
      return another.takeError();
    targets.push_back(std::move(*another));
  }
  if (targets.empty()) {
    work(program.target);
  } else {
    DefaultThreadPool pool(hardware_concurrency(threads));
    pool.async([&] { work(program.target); });
    for (const auto &target : targets)
      pool.async([&work, &target] { work(*target); });
    pool.wait();
  }
  for (const std::string &message : errors)
    if (!message.empty())
      return makeError(message);
  return Error::success();
}

/// Adds what was found to the program; the rest goes to \p all.
void collect(Program &program, std::vector<CodeFindings> &found,
             CodeFindings &all) {
  size_t count = program.references.size();
  for (const CodeFindings &f : found)
    count += f.references.size();
  program.references.reserve(count);
  for (CodeFindings &f : found) {
    llvm::append_range(program.references, f.references);
    llvm::append_range(program.remarks, f.remarks);
    llvm::append_range(all.joins, f.joins);
    llvm::append_range(all.flows, f.flows);
    llvm::append_range(all.likeTables, f.likeTables);
    llvm::append_range(all.dataTargets, f.dataTargets);
    f = CodeFindings();
  }
}

/// What has the form of a table of jumps is one that a jump was found for. Relocations
/// that were kept tell for themselves (readKeptDistances).
Error checkLikeTables(const Program &program,
                      ArrayRef<std::pair<uint64_t, uint64_t>> likeTables) {
  if (likeTables.empty() || !program.kept.empty())
    return Error::success();
  AddressSet known;
  for (const Reference &r : program.references)
    if (r.evidence == Evidence::JumpTable)
      known.insert(r.place);
  const Piece *last = nullptr;
  std::vector<uint64_t> starts; // of its instructions
  for (auto [table, place] : likeTables) {
    const Piece *function = program.pieceAt(place);
    unsigned inside = 0;
    bool isKnown = !function; // or one that a string precedes
    for (unsigned n = 0; n < 4; ++n)
      isKnown |= known.contains(table + n * 4);
    if (!isKnown && function != last) {
      last = function;
      starts = instructionsOf(program, *function);
    }
    for (unsigned n = 0; n < 4 && !isKnown; ++n) {
      ArrayRef<uint8_t> word = program.image.bytesAt(table + n * 4, 4);
      uint64_t target =
          word.empty() ? 0 : table + int64_t(int32_t(read32le(word.data())));
      inside += llvm::binary_search(starts, target);
    }
    if (inside >= 2)
      return program.error("not supported yet: no jump was found for the table of "
                           "jumps at " + hex(table) + ", which " +
                           program.describe(place) + " names");
  }
  return Error::success();
}

void sortTargets(const Program &program, std::vector<uint64_t> &targets) {
  for (const Reference &r : program.references)
    if ((r.evidence == Evidence::DynamicRelocation ||
         r.evidence == program.keptEvidence || r.evidence == Evidence::Assumed) &&
        r.kind == Reference::Kind::Address)
      targets.push_back(r.target);
  llvm::sort(targets);
  targets.erase(llvm::unique(targets), targets.end());
}

} // namespace

std::vector<uint64_t> instructionsOf(const Program &program, const Piece &function) {
  std::vector<uint64_t> out;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(function.address, function.size);
  Instruction i;
  for (uint64_t at = 0; at < bytes.size(); at += i.size) {
    if (!program.target.measure(bytes.drop_front(at), function.address + at, i))
      break;
    out.push_back(function.address + at);
  }
  return out;
}

Error readCodeReferences(Program &program) {
  if (Error e = findMain(program))
    return e;
  std::vector<const Piece *> pieces;
  for (const Piece &piece : program.pieces)
    if (piece.isCode() && !piece.dropped)
      pieces.push_back(&piece);
  std::vector<CodeFindings> found;
  CodeFindings all;
  if (Error e = readInShares(
          program, pieces,
          [&](const Target &target, const Piece &piece, CodeFindings &out) {
            return CodeReader(program, target, out).read(piece);
          },
          found))
    return e;
  collect(program, found, all);
  if (!all.joins.empty())
    program.remarks.push_back(
        Twine(all.joins.size()).str() +
        " places in code lead to a neighbour by a short jump or by running on: "
        "these functions are kept together");
  joinPieces(program, all.joins);
  program.joins = all.joins;

  // Beyond this point functions stay apart or together.
  sortTargets(program, all.dataTargets);
  pieces.clear();
  for (uint64_t address : all.flows)
    if (const Piece *piece = program.pieceAt(address);
        pieces.empty() || pieces.back() != piece)
      pieces.push_back(piece);
  if (Error e = readInShares(
          program, pieces,
          [&](const Target &target, const Piece &piece, CodeFindings &out) {
            CodeView code;
            if (Error e = decode(program, target, piece, code))
              return e;
            return readFlowReferences(program, target, piece, code,
                                      all.dataTargets, out);
          },
          found))
    return e;
  collect(program, found, all);
  return checkLikeTables(program, all.likeTables);
}

const CodeView::Entry *CodeView::at(uint64_t address) const {
  auto it = llvm::lower_bound(entries, address,
                              [](const Entry &e, uint64_t a) {
                                return e.instruction.address < a;
                              });
  return it != entries.end() && it->instruction.address == address ? &*it
                                                                   : nullptr;
}

} // namespace relink
