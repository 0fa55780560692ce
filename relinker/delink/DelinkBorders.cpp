//===- DelinkBorders.cpp - What references to borders mean ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The end of an array is an address, and gcc takes that of one element in front for
// `table[i - 1]`. Where these lie in the same section as the array, other readings give
// the same place. At the borders of the program's own data is what start-up objects and
// the linker have put there, and the next link puts other things there.
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Config.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// What the code of start-up objects reads and writes.
AddressSet startUpTargets(const Program &program) {
  AddressSet out;
  for (const Piece &p : program.pieces) {
    ArrayRef<uint8_t> code;
    if (p.isStartUp && p.isCode())
      code = program.image.bytesAt(p.address, p.size);
    Instruction i;
    for (uint64_t at = 0; at < code.size(); at += i.size) {
      if (!program.target.decode(code.drop_front(at), p.address + at, i))
        break;
      if (i.memoryTarget)
        out.insert(*i.memoryTarget);
    }
  }
  return out;
}

/// Where crtbegin has __dso_handle: by its symbol, or by what it is in
/// position-independent programs, a word that holds its own address, and that
/// crtbegin's code reads.
std::optional<uint64_t> findHandle(const Program &program) {
  if (program.keepsStartUp)
    return std::nullopt;
  for (const ProgramSymbol &s : program.symbols)
    if (s.name == "__dso_handle" && s.binding == STB_LOCAL)
      return s.address;
  AddressSet read = startUpTargets(program);
  for (const Reference &r : program.references)
    if (r.kind == Reference::Kind::Address && r.target == r.place && read.contains(r.place))
      return r.place;
  return std::nullopt;
}

/// Functions that are given the handle (Itanium C++ ABI 3.3.5, and glibc's own).
bool takesHandle(StringRef name) {
  return StringSwitch<bool>(name)
      .Cases({"__cxa_atexit", "__cxa_thread_atexit", "__cxa_thread_atexit_impl"}, true)
      .Cases({"__cxa_at_quick_exit", "__register_atfork", "__cxa_finalize"}, true)
      .Default(false);
}

/// Pieces with code that calls one of these.
AddressSet handleUsers(Program &program) {
  ArrayRef<Sym> dynamic = program.image.dynamicSymbols();
  AddressSet functions, users;
  for (const ProgramSymbol &s : program.symbols)
    if (takesHandle(s.name))
      functions.insert(s.address);
  for (const Reference &r : program.references) {
    bool isCall = r.kind == Reference::Kind::Import
                      ? r.import < dynamic.size() &&
                            takesHandle(program.image.dynamicName(dynamic[r.import]))
                      : r.kind == Reference::Kind::Address && functions.contains(r.target);
    if (const Piece *p = isCall ? program.pieceAt(r.place) : nullptr)
      users.insert(p->address);
  }
  return users;
}

/// What is not passed on as the handle is what is behind it, less an element. Of
/// kept relocations those of the handle name it.
void settleHandle(Program &program) {
  auto handle = findHandle(program);
  if (!handle)
    return;
  std::optional<AddressSet> users;
  for (Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.target != *handle ||
        r.place == *handle || program.kept.contains(r.place))
      continue;
    if (!users)
      users = handleUsers(program);
    const Piece *from = program.pieceAt(r.place);
    if (!from || !from->isCode() || !users->contains(from->address))
      continue;
    r.kind = Reference::Kind::Named;
    r.name = "__dso_handle";
    r.target = 0;
  }
}

/// The function that holds \p r, those that it calls and those that call it: what is
/// passed on as the end of something goes with its start, which may be a constant there.
AddressSet relatedTo(const Program &program, const Reference &r) {
  AddressSet out;
  const Piece *from = program.pieceAt(r.place);
  if (!from)
    return out;
  out.insert(from->address);
  for (const Reference &call : program.references) {
    if (call.type != R_X86_64_PLT32 || call.kind != Reference::Kind::Address)
      continue;
    const Piece *caller = program.pieceAt(call.place), *called = program.pieceAt(call.target);
    if (caller && called && (caller == from || called == from)) {
      out.insert(caller->address);
      out.insert(called->address);
    }
  }
  return out;
}

/// Whether one of these refers to what \p isMeant says.
template <typename Predicate>
bool anyRefers(const Program &program, const AddressSet &pieces, Predicate isMeant) {
  return any_of(program.references, [&](const Reference &other) {
    const Piece *p = isMeant(other) ? program.pieceAt(other.place) : nullptr;
    return p && pieces.contains(p->address);
  });
}

bool refersTo(const Program &program, const Reference &r, const Piece &piece) {
  return anyRefers(program, relatedTo(program, r), [&](const Reference &other) {
    return other.kind == Reference::Kind::Address && other.target >= piece.address &&
           other.target < piece.end();
  });
}

/// Whether \p r is the operand of a lea: the opcode is in front of its ModRM byte.
bool takesAddress(const Program &program, const Reference &r) {
  ArrayRef<uint8_t> opcode = program.image.bytesAt(r.place - 2, 1);
  return !opcode.empty() && opcode[0] == 0x8d;
}

/// gcc computes the start of an array from its end: `lea end(%rip), %rsi; lea -40(%rsi),
/// %rdi`. That start, if \p r, a lea, is such an end.
std::optional<uint64_t> derivedStart(const Program &program, const Reference &r) {
  ArrayRef<uint8_t> lea = program.image.bytesAt(r.place - 3, 3); // REX, 8d, ModRM
  if (lea.empty() || !takesAddress(program, r))
    return std::nullopt;
  unsigned number = ((lea[2] >> 3) & 7) | (lea[0] & 4 ? 8 : 0);
  constexpr unsigned most = 6; // instructions
  uint64_t at = r.place + 4;
  for (unsigned n = 0; n < most; ++n) {
    Instruction i;
    ArrayRef<uint8_t> bytes = program.image.bytesFrom(at);
    if (bytes.empty() || !program.target.decode(bytes, at, i) || i.isCall || i.isBranch)
      break;
    AddressFlow f = program.target.followAddresses(bytes.take_front(i.size));
    if (f.kind == AddressFlow::Kind::Address && f.base == number && f.displacement < 0 &&
        f.index == AddressFlow::none)
      return r.target + int64_t(f.displacement);
    if ((i.generalWritten >> number) & 1)
      break;
    at += i.size;
  }
  return std::nullopt;
}

/// Whether the symbol table says that \p address is a bound of an array.
bool isNamedBound(const Program &program, uint64_t address) {
  auto it = llvm::partition_point(program.symbols, [&](const ProgramSymbol &s) {
    return s.address < address;
  });
  for (; it != program.symbols.end() && it->address == address; ++it)
    if (StringRef(it->name).contains("_array_"))
      return true;
  return false;
}

/// Only start-up code reads constructors and destructors.
Error settleArrays(Program &program) {
  for (Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.isProven || r.anchor ||
        r.evidence == Evidence::Unwind)
      continue;
    const Piece *p = program.pieceAt(r.target), *from = program.pieceAt(r.place);
    if (!p || !isPointerArray(*p->section) || !from || from->isStartUp ||
        isNamedBound(program, r.target))
      continue;
    const Piece *last = program.pieces.data() + program.pieces.size();
    const Piece *before = p == program.pieces.data() ? nullptr : p - 1;
    bool isEnd = before && before->end() == r.target && isPlainData(*before) &&
                 refersTo(program, r, *before);
    while (p != last && isPointerArray(*p->section))
      ++p;
    if (isEnd && (p == last || !isPlainData(*p) || !refersTo(program, r, *p))) {
      r.anchor = before->address;
      continue;
    }
    // Nothing but alignment is in between.
    uint64_t end = p[-1].end();
    if (p == last || !isPlainData(*p) || p->address - end >= std::max<uint64_t>(p->align, 8))
      return program.error("the reference at " + program.describe(r.place) +
                           " leads to " + program.describe(r.target) +
                           ", among constructors\n>>> it may be biased by an index; "
                           "which object it means is not known");
    r.anchor = p->address;
  }
  return Error::success();
}

/// What comes at once behind data may have a name of the linker's.
Error settleEnds(Program &program, const DelinkConfig &config) {
  const Image &image = program.image;
  AddressSet starts;
  for (const char *name : {".eh_frame", ".got.plt", ".got", ".dynamic"})
    if (const Section *s = image.section(name))
      starts.insert(s->address);
  for (Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.anchor || !starts.contains(r.target) ||
        program.pieceAt(r.target))
      continue;
    const Piece *before = program.pieceEndingAt(r.target),
                *from = program.pieceAt(r.place);
    if (!before || before->dropped || !from || from->isStartUp)
      continue;
    auto start = derivedStart(program, r);
    bool isEnd = (start && *start >= before->address) || refersTo(program, r, *before);
    // Code that is given the GOT's address or that of .eh_frame by the linker is of
    // start-up objects or of a code model that is refused.
    if (image.dynamic.address != r.target || isEnd) {
      r.anchor = before->address;
      continue;
    }
    std::string what = "the reference at " + program.describe(r.place) +
                       " means the end of " + before->name + " or _DYNAMIC";
    if (config.strict)
      return program.error(what + "; which is not known");
    program.remarks.push_back(what + ": the latter, since no code there refers to " +
                              before->name);
  }
  return Error::success();
}

/// What the loader copies lies in a block, at the start or end of .bss, where other data
/// may end and begin.
class CopySettler {
public:
  explicit CopySettler(Program &program) : program(program) {}
  void settle(Reference &r);

private:
  void settleStart(Reference &r, const Program::Copy &c);
  void settleEnd(Reference &r, const Program::Copy &c);
  /// Makes \p r one to the end, at \p address, of what starts at \p start.
  void makeEnd(Reference &r, uint64_t start, uint64_t address);
  bool isOfStartUp(uint64_t address);
  Program &program;
  std::optional<AddressSet> ofStartUp;
};

bool CopySettler::isOfStartUp(uint64_t address) {
  if (!ofStartUp)
    ofStartUp = startUpTargets(program);
  return ofStartUp->contains(address);
}

void CopySettler::makeEnd(Reference &r, uint64_t start, uint64_t address) {
  for (const Program::Copy &c : program.copies)
    if (start - c.address < c.size) {
      r.kind = Reference::Kind::Import;
      r.import = c.symbol;
      r.target = address - c.address;
      return;
    }
  const Piece *p = program.pieceAt(start);
  if (!p || p->isCode() || p->dropped)
    return;
  r.kind = Reference::Kind::Address;
  r.import = 0;
  r.target = address;
  r.anchor = p->address;
}

/// A variable of one word is mostly read, not pointed to.
void CopySettler::settleStart(Reference &r, const Program::Copy &c) {
  constexpr uint64_t word = 8;
  const Piece *p = program.pieceAt(c.address);
  const Piece *before =
      p && p->address == c.address ? program.pieceEndingAt(c.address) : nullptr;
  Reference asAddress = r;
  asAddress.target = c.address;
  if (auto start = derivedStart(program, asAddress))
    makeEnd(r, *start, c.address);
  else if (c.size <= word && before && isPlainData(*before) &&
           refersTo(program, r, *before))
    makeEnd(r, before->address, c.address);
}

/// What is at the end of a copy is mostly something else that begins there. It is
/// not between copies, nor where crtbegin's own variable is.
void CopySettler::settleEnd(Reference &r, const Program::Copy &c) {
  auto start = derivedStart(program, r);
  const Piece *p = program.pieceAt(r.target);
  auto isBehind = [&](const Program::Copy &other) {
    return other.address >= r.target && program.pieceAt(other.address) == p;
  };
  if (!start && (isOfStartUp(r.target) || any_of(program.copies, isBehind)))
    start = c.address;
  if (start)
    makeEnd(r, *start, r.target);
}

void CopySettler::settle(Reference &r) {
  const Piece *from = program.pieceAt(r.place);
  if (!from || !from->isCode() || from->isStartUp || program.kept.contains(r.place) ||
      r.type != R_X86_64_PC32 || r.anchor || !takesAddress(program, r))
    return;
  constexpr uint64_t word = 8; // an end is not asked for
  for (const Program::Copy &c : program.copies) {
    if (r.kind == Reference::Kind::Import && r.import == c.symbol && !r.target) {
      settleStart(r, c);
      break;
    }
    if (r.kind == Reference::Kind::Address && c.size > word &&
        r.target == c.address + c.size) {
      settleEnd(r, c);
      break;
    }
  }
}

void settleCopies(Program &program) {
  if (program.copies.empty() || program.assumes)
    return;
  CopySettler settler(program);
  for (Reference &r : program.references)
    settler.settle(r);
}

} // namespace

Error settleBorders(Program &program, const DelinkConfig &config) {
  settleHandle(program);
  if (Error e = settleArrays(program))
    return e;
  settleCopies(program);
  return settleEnds(program, config);
}

Error joinAmbiguousBorders(Program &program, const DelinkConfig &config) {
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  for (Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.isProven ||
        r.evidence == Evidence::Unwind ||
        r.evidence == Evidence::JumpTable)
      continue;
    Piece *after = program.pieceAt(r.target);
    if (!after || after->address != r.target || !isPlainData(*after))
      continue;
    Piece *before = program.pieceEndingAt(r.target);
    if (!before || !isPlainData(*before))
      continue;
    if (!spans.empty() && spans.back().second == r.target)
      continue;
    // crtbegin compares two names of one place, and reads nothing there; what it
    // reads and writes (completed.0) is what begins there.
    if (Piece *p = program.pieceAt(r.place); p && p->isStartUp) {
      r.anchor = takesAddress(program, r) ? before->address : after->address;
      continue;
    }
    std::string what = "the reference at " + program.describe(r.place) +
                       " means the end of " + before->name + " or the start of " +
                       after->name;
    bool same = !((before->section->flags ^ after->section->flags) & SHF_WRITE);
    if (config.strict || !same)
      return program.error(what + "; which is not known");
    if (llvm::is_contained(spans, std::pair(before->address, r.target)))
      continue;
    spans.push_back({before->address, r.target});
    program.remarks.push_back(what + ": both are kept together");
  }
  joinPieces(program, spans);
  return Error::success();
}

} // namespace relink
