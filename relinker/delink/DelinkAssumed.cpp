//===- DelinkAssumed.cpp - Numbers that are addresses by form -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a program at fixed addresses an address is a number like any other, and
// nothing in the file tells them apart. Where the user asks for it, what has an
// address's form is taken for one:
//
// - displacements of 32 bits, and immediates of the instructions that compilers
//   put addresses in, whose value lies in data, where a function starts, or at a
//   PLT entry. A number that goes on to 32-bit arithmetic is none;
// - words of data, aligned to 8 bytes, with such a value. Other addresses of
//   code are in tables of jumps only, which DelinkFlow proves.
//
// Compilers bias references by a constant part of an index, and here they are
// absolute: `&tbl[-97]` says nothing of `tbl`. So all data that may be written
// becomes one section, and so does the rest: distances within it stay.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <set>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

/// How far in front of data, or behind it, a biased reference may lead, bytes.
constexpr uint64_t mostBias = 256;
/// Zeroed data becomes part of the file; more stays a section of its own.
constexpr uint64_t mostZeroes = 64 << 20;

bool isArray(const Section &s) {
  return s.type == SHT_INIT_ARRAY || s.type == SHT_FINI_ARRAY ||
         s.type == SHT_PREINIT_ARRAY;
}

/// The PT_LOADs' extent: what lies outside is no address.
std::pair<uint64_t, uint64_t> extentOf(const Image &image) {
  uint64_t low = UINT64_MAX;
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_LOAD)
      low = std::min<uint64_t>(low, p.p_vaddr);
  return {low, image.memoryEnd()};
}

/// Where the ELF header is in memory.
struct Header {
  explicit Header(const Image &image) {
    for (const Phdr &p : image.segments)
      if (p.p_type == PT_LOAD && p.p_offset == 0)
        address = p.p_vaddr;
  }
  bool contains(uint64_t a) const { return address && a - *address < sizeof(Ehdr); }
  std::optional<uint64_t> address;
};

/// An opcode of one byte, and what precedes it.
struct Opcode {
  bool wide = false, isKnown = false;
  uint8_t code = 0, modRm = 0;
  bool isRegister() const { return modRm >> 6 == 3; }
  unsigned digit() const { return modRm >> 3 & 7; }
};

Opcode opcodeOf(ArrayRef<uint8_t> code) {
  Opcode out;
  size_t at = 0;
  while (at < code.size() &&
         (code[at] == 0x66 || code[at] == 0xf2 || code[at] == 0xf3 ||
          code[at] == 0x64 || code[at] == 0x65 || code[at] == 0x2e ||
          code[at] == 0x3e || code[at] == 0xf0))
    ++at;
  if (at < code.size() && (code[at] & 0xf0) == 0x40)
    out.wide = code[at++] & 8;
  if (at >= code.size() || code[at] == 0x0f || code[at] == 0xc4 ||
      code[at] == 0xc5 || code[at] == 0x62)
    return out;
  out.code = code[at];
  out.modRm = at + 1 < code.size() ? code[at + 1] : 0;
  out.isKnown = true;
  return out;
}

/// Whether the immediate of \p o may be an address, by what compilers do with
/// addresses. Additions, subtractions and comparisons of them have 64 bits.
bool takesAddress(const Opcode &o) {
  if (!o.isKnown)
    return false;
  if ((o.code & 0xf8) == 0xb8 || o.code == 0x68) // mov, push
    return true;
  if (!o.wide)
    return false;
  switch (o.code) {
  case 0xc7: // mov
    return o.digit() == 0;
  case 0x05: case 0x2d: case 0x3d: // add, sub, cmp
    return true;
  case 0x81:
    return o.digit() == 0 || o.digit() == 5 || o.digit() == 7;
  default:
    return false;
  }
}

/// Whether \p value is where a word begins that the loader copies, and where other
/// data ends: of a word mostly the value is asked for.
bool endsBeforeCopy(const Program &program, uint64_t value, Reference &r) {
  const Piece *p = program.pieceAt(value);
  if (!p || p->address != value)
    return false;
  const Piece *before = program.pieceAt(value - 1);
  bool isWord = llvm::any_of(program.copies, [&](const Program::Copy &c) {
    return c.address == value && c.size <= 8;
  });
  if (!isWord || !before || !isPlainData(*before))
    return false;
  r.anchor = before->address;
  return true;
}

/// Whether \p code goes on to use register \p number as a number: in 32-bit
/// arithmetic or stores, as the operand of a multiplication or in a conversion.
bool isUsedAsNumber(const Target &target, uint64_t address,
                    ArrayRef<uint8_t> code, unsigned number) {
  Instruction i;
  for (unsigned n = 0; n < 8 && !code.empty(); ++n) {
    if (!target.decode(code, address, i))
      return false;
    ArrayRef<uint8_t> bytes = code.take_front(i.size);
    size_t at = 0;
    bool scalar = false, narrow = false;
    for (; at < bytes.size() && (bytes[at] == 0x66 || bytes[at] == 0xf2 ||
                                 bytes[at] == 0xf3);
         ++at)
      (bytes[at] == 0x66 ? narrow : scalar) = true;
    uint8_t rex = at < bytes.size() && (bytes[at] & 0xf0) == 0x40 ? bytes[at++] : 0;
    bool wide = rex & 8, two = at < bytes.size() && bytes[at] == 0x0f;
    at += two;
    if (at + 1 < bytes.size()) {
      uint8_t op = bytes[at], modRm = bytes[at + 1];
      unsigned reg = (modRm >> 3 & 7) | (rex & 4) << 1;
      unsigned rm = (modRm & 7) | (rex & 1) << 3;
      bool isRm = modRm >> 6 == 3 && rm == number;
      // add, or, and, sub, xor, cmp, test: r/m32 with r32, either way.
      bool arithmetic =
          !two && ((op < 0x40 && ((op & 7) == 1 || (op & 7) == 3)) || op == 0x85);
      bool clears = (op == 0x31 || op == 0x29) && isRm && reg == number;
      if (arithmetic && !clears && !wide && !narrow && (isRm || reg == number))
        return true;
      if (!two && op == 0x89 && !wide && !narrow && reg == number)
        return true; // mov r32 to r/m32
      if (two && op == 0xaf && (isRm || reg == number))
        return true; // imul
      if (two && op == 0x2a && scalar && isRm)
        return true; // cvtsi2ss, cvtsi2sd
      if (two && op == 0x6e && narrow && !wide && isRm)
        return true; // movd
      // Shifts by a register, mul, div. What compilers shift or multiply by a
      // constant is no number: they would know the result.
      if (!two && isRm && ((op == 0xd3 && !wide) ||
                           (op == 0xf7 && (modRm >> 3 & 7) >= 4)))
        return true;
    }
    if ((i.generalWritten >> number & 1) || i.isCall || i.isBranch || i.endsFlow)
      return false;
    address += i.size;
    code = code.drop_front(i.size);
  }
  return false;
}

/// Text of three letters, as arrays of short strings hold it: a word like it
/// may be an address too.
constexpr unsigned textLength = 3;
bool isText(uint64_t value) {
  for (unsigned i = 0; i < textLength; ++i)
    if (uint8_t c = value >> i * 8; c < 0x20 || c > 0x7e)
      return false;
  return value < 1 << 24;
}

/// Eight letters.
bool isLetters(uint64_t word) {
  for (unsigned i = 0; i < 8; ++i)
    if (uint8_t c = word >> i * 8; c < 0x20 || c > 0x7e)
      return false;
  return true;
}

class WordReader {
public:
  explicit WordReader(Program &program)
      : program(program), image(program.image), extent(extentOf(image)) {
    for (const Program::Copy &c : program.copies)
      if (image.dynamicName(image.dynamicSymbols()[c.symbol]).starts_with("_ZTV"))
        tables.insert(c.address + 16); // behind offset and type (Itanium C++ ABI 2.5.2)
  }
  /// Notes how records begin that hold a string of three letters and its length, as
  /// Python's do, where one follows another.
  void noteRecords(const Piece &piece);
  void read(const Piece &piece);
  unsigned texts = 0, soups = 0;

private:
  static constexpr unsigned mostHeader = 6; ///< words from the length to the string
  /// What is in front of the string at \p address, whose length is \p n words in front.
  std::vector<uint64_t> headerAt(uint64_t address, unsigned n) const;
  /// A table of virtual functions that the loader copies, as type information has.
  bool isCopiedTable(uint64_t value) const { return tables.contains(value); }
  Program &program;
  const Image &image;
  std::pair<uint64_t, uint64_t> extent;
  AddressSet tables;
  std::set<std::vector<uint64_t>> headers;
};

std::vector<uint64_t> WordReader::headerAt(uint64_t address, unsigned n) const {
  std::vector<uint64_t> out;
  ArrayRef<uint8_t> bytes = image.bytesAt(address - (n + 2) * 8, (n + 2) * 8);
  for (uint64_t at = 0; at < bytes.size(); at += 8)
    out.push_back(read64le(&bytes[at]));
  return out;
}

void WordReader::noteRecords(const Piece &piece) {
  ArrayRef<uint8_t> bytes = image.bytesAt(piece.address, piece.fileSize);
  uint64_t first = alignTo(piece.address, 8) - piece.address;
  auto wordAt = [&](uint64_t at) { return read64le(&bytes[at]); };
  for (uint64_t at = first; at + 8 <= bytes.size(); at += 8) {
    if (wordAt(at) != textLength)
      continue;
    for (unsigned n = 1; n <= mostHeader; ++n) {
      uint64_t text = at + n * 8;
      if (at < first + 16 || text + 24 > bytes.size())
        break;
      if (isText(wordAt(text)) && wordAt(text + 8) == wordAt(at - 16) &&
          wordAt(text + 16) == wordAt(at - 8) && (wordAt(at - 16) || wordAt(at - 8)))
        headers.insert(headerAt(piece.address + text, n));
    }
  }
}

void WordReader::read(const Piece &piece) {
  ArrayRef<uint8_t> bytes = image.bytesAt(piece.address, piece.fileSize);
  auto wordAt = [&](uint64_t at) {
    return at < bytes.size() && at + 8 <= bytes.size() ? read64le(&bytes[at]) : 0;
  };
  auto isOne = [&](uint64_t value, Reference &r) {
    return value >= extent.first && value <= extent.second &&
           assumeAddress(program, value, r, true) &&
           (!r.anchor || program.pieceAt(value));
  };
  auto isCounted = [&](uint64_t at) {
    for (unsigned n = 1; n <= mostHeader && (n + 2) * 8 <= at; ++n)
      if (wordAt(at - n * 8) == textLength &&
          headers.count(headerAt(piece.address + at, n)))
        return true;
    return false;
  };
  // A word that reads as text is an address, but for the end of a string, and among
  // strings.
  auto isLikelyAddress = [&](uint64_t at, uint64_t value) {
    if (program.functionStarts.contains(value))
      return true;
    // Type information: such a table, a name, and a base (Itanium C++ ABI 2.9.5).
    for (uint64_t n : {0, 8, 16})
      if (at >= n && isCopiedTable(wordAt(at - n)))
        return true;
    if (isCounted(at) || (at >= 8 && isLetters(wordAt(at - 8))))
      return false; // or the end of a longer string
    const Piece *p = program.pieceAt(value);
    ArrayRef<uint8_t> around = image.bytesAt(value - 1, 2);
    bool isReadOnly = p && !(p->section->flags & SHF_WRITE);
    if (isReadOnly && !around.empty() && !around[0] && around[1] >= 0x20)
      return true;
    Reference r;
    for (uint64_t n : {at - 8, at + 8})
      if (uint64_t next = wordAt(n); isText(next) && !isOne(next, r))
        return false;
    return true;
  };
  // Neither a small number, negative or not, nor an address, nor the end of a string.
  auto isBytes = [&](uint64_t word) { return word >> 32 && word >> 32 != UINT32_MAX; };
  auto isString = [&](uint64_t address) {
    ArrayRef<uint8_t> bytes = image.bytesFrom(address);
    size_t length = 0;
    while (length < bytes.size() && bytes[length] >= 0x20 && bytes[length] < 0x7f)
      ++length;
    return length && length < bytes.size() && !bytes[length];
  };
  // Between such words what is no aligned address is code of an interpreter, or what a
  // hash function counts with; in writable data also next to one. Numbers of code stand in
  // read-only data next to short lists of strings, the ends of others among them.
  bool isWritable = piece.section->flags & SHF_WRITE;
  auto isAmongBytes = [&](uint64_t at, uint64_t value) {
    unsigned sides = (at >= 8 && isBytes(wordAt(at - 8))) + isBytes(wordAt(at + 8));
    bool isAligned = value % 4 == 0; // as what is no string mostly is
    if (isAligned || sides < (isWritable ? 1 : 2) || program.functionStarts.contains(value))
      return false;
    ArrayRef<uint8_t> around = image.bytesAt(value - 1, 2);
    bool startsString = !around.empty() && !around[0] && around[1] >= 0x20;
    return !startsString && (isWritable || !isString(value));
  };
  for (uint64_t at = alignTo(piece.address, 8) - piece.address;
       at + 8 <= bytes.size(); at += 8) {
    uint64_t value = wordAt(at);
    Reference r;
    r.place = piece.address + at;
    if (program.slots.contains(r.place))
      continue;
    if (!isOne(value, r))
      continue;
    if (isAmongBytes(at, value)) {
      ++soups;
      continue;
    }
    if (isText(value) && !isLikelyAddress(at, value)) {
      ++texts;
      continue;
    }
    r.type = R_X86_64_64;
    r.evidence = Evidence::Assumed;
    if (!r.anchor)
      program.interpret(r);
    program.references.push_back(r);
  }
}

/// Names for the bounds of arrays of constructors, which the next link makes.
class BoundNames {
public:
  explicit BoundNames(Program &program) : program(program) {
    for (const Section &s : program.image.sections)
      if (isArray(s) && s.size)
        arrays.push_back(&s);
  }
  Error name();

private:
  StringRef boundOf(const Section &s, bool end) const {
    return s.type == SHT_INIT_ARRAY   ? end ? "__init_array_end" : "__init_array_start"
           : s.type == SHT_FINI_ARRAY ? end ? "__fini_array_end" : "__fini_array_start"
           : end                      ? "__preinit_array_end"
                                      : "__preinit_array_start";
  }
  Error choose(Reference &r, const AddressSet &others) const;

  Program &program;
  std::vector<const Section *> arrays;
};

/// \p others: what else the same function refers to. The end of one array is
/// the start of the next; which is meant the array's other bound says.
Error BoundNames::choose(Reference &r, const AddressSet &others) const {
  const Section *starts = nullptr, *ends = nullptr;
  for (const Section *s : arrays) {
    if (r.target == s->address)
      starts = s;
    if (r.target == s->address + s->size)
      ends = s;
  }
  if (starts && ends) {
    bool isStart = others.contains(starts->address + starts->size);
    bool isEnd = others.contains(ends->address);
    if (isStart == isEnd)
      return program.error("the reference at " + program.describe(r.place) +
                           " means " + boundOf(*starts, false) + " or " +
                           boundOf(*ends, true) + "; which is not known");
    (isStart ? ends : starts) = nullptr;
  }
  // Data may begin where an array ends.
  const Piece *data = program.pieceAt(r.target);
  if ((!starts && !ends) ||
      (!starts && data && isPlainData(*data) && !others.contains(ends->address)))
    return Error::success();
  r.kind = Reference::Kind::Named;
  r.name = starts ? boundOf(*starts, false) : boundOf(*ends, true);
  r.target = 0;
  return Error::success();
}

Error BoundNames::name() {
  DenseMap<const Piece *, std::vector<Reference *>> byFunction;
  for (Reference &r : program.references) {
    bool isBound = r.kind == Reference::Kind::Address &&
                   llvm::any_of(arrays, [&](const Section *s) {
                     return r.target - s->address <= s->size;
                   });
    const Piece *p = isBound ? program.pieceAt(r.place) : nullptr;
    if (p && p->isCode())
      byFunction[p].push_back(&r);
  }
  for (auto &[piece, references] : byFunction) {
    AddressSet targets;
    for (const Reference *r : references)
      targets.insert(r->target);
    for (Reference *r : references)
      if (Error e = choose(*r, targets))
        return e;
  }
  return Error::success();
}

/// Data that stays at its distances.
void joinData(Program &program) {
  const Section *frames = program.image.section(".eh_frame");
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  std::vector<uint64_t> writable;
  const Piece *before = nullptr;
  for (const Piece &p : program.pieces) {
    bool isPart = isPlainData(p) && (p.fileSize || p.size <= mostZeroes);
    bool follows =
        isPart && before &&
        !((before->section->flags ^ p.section->flags) & SHF_WRITE) &&
        !(frames && frames->address >= before->end() && frames->address < p.address);
    if (follows) {
      if (spans.empty() || spans.back().second != before->address)
        spans.push_back({before->address, p.address});
      else
        spans.back().second = p.address;
      if (p.section->flags & SHF_WRITE)
        writable.push_back(spans.back().first);
    }
    before = isPart ? &p : nullptr;
  }
  joinPieces(program, spans);
  // Its first section may be one that is protected once it is relocated.
  for (uint64_t address : writable)
    program.pieceAt(address)->name = ".data";
  if (!spans.empty())
    program.remarks.push_back("sections of data are kept together, at their "
                              "distances: addresses are assumed");
}

} // namespace

bool assumeAddress(const Program &program, uint64_t value, Reference &r,
                   bool isTaken) {
  r.target = value;
  auto [low, high] = extentOf(program.image);
  if (value < low || value > high + mostBias)
    return false;
  const Piece *p = program.pieceAt(value);
  if (p && p->isCode())
    return program.functionStarts.contains(value);
  if (program.stubs.contains(value))
    return true;
  for (const Section &s : program.image.sections)
    if (s.type == SHT_RELA && s.isAlloc() && program.image.isStatic() &&
        (value == s.address || value == s.address + s.size))
      return true;
  if (isTaken && endsBeforeCopy(program, value, r))
    return true;
  if (p)
    return !p->isTls();
  for (const Program::Copy &c : program.copies)
    if (value - c.address < std::max<uint64_t>(c.size, 1))
      return true;
  // In front of data or behind it; of two, that behind which is no bias.
  auto next = llvm::partition_point(
      program.pieces, [&](const Piece &q) { return q.address <= value; });
  const Piece *after = next != program.pieces.end() ? &*next : nullptr;
  const Piece *before = next != program.pieces.begin() ? &*std::prev(next) : nullptr;
  if (before && (isPlainData(*before) || isArray(*before->section)) &&
      value == before->end())
    return true;
  if (after && isPlainData(*after) && after->address - value <= mostBias) {
    r.anchor = after->address;
    return true;
  }
  if (before && isPlainData(*before) && value - before->end() <= mostBias) {
    r.anchor = before->address;
    return true;
  }
  return false;
}

void Program::interpretAssumed(Reference &r) const {
  auto named = [&](StringRef name, bool isWeak = false) {
    r.kind = Reference::Kind::Named;
    r.name = name;
    r.target = 0;
    r.weak = isWeak;
  };
  const Header header(image);
  // What is called, or asked for through a slot, at 0 is not there.
  bool maybeNone = !r.target && (r.type == R_X86_64_PLT32 || isGotType(r.type));
  if (header.contains(r.target) && !maybeNone) {
    uint64_t offset = r.target - *header.address;
    named("__ehdr_start");
    r.target = offset;
    return;
  }
  if (!r.target) // nothing defines it
    return named(undefinedName, true);
  if (image.isStatic() && r.target == image.header.e_entry && !keepsStartUp)
    return named("_start");
  if (pieceAt(r.target) || r.anchor)
    return;
  // The block that data becomes has these tables in it, as they were.
  if (image.dynamic.address && r.target == image.dynamic.address)
    return named("_DYNAMIC");
  const Section *got = image.section(".got.plt");
  if (!got)
    got = image.section(".got");
  if (got && r.target == got->address)
    return named("_GLOBAL_OFFSET_TABLE_");
  for (const Section &s : image.sections) {
    if (!s.isAlloc() || !s.size)
      continue;
    bool isStart = r.target == s.address, isEnd = r.target == s.address + s.size;
    if (s.type == SHT_RELA && image.isStatic() && (isStart || isEnd))
      return named(isStart ? "__rela_iplt_start" : "__rela_iplt_end");
    if (isStart && (s.name == ".init" || s.name == ".fini"))
      return named(s.name == ".init" ? "_init" : "_fini");
  }
}

Error readAssumedWords(Program &program) {
  if (!program.assumes)
    return Error::success();
  for (const Piece &p : program.pieces)
    if (p.isCode())
      program.functionStarts.insert(p.address);
  for (const ProgramSymbol &s : program.symbols)
    if (s.type == STT_FUNC || s.type == STT_GNU_IFUNC)
      program.functionStarts.insert(s.address);
  for (const UnwindRecord &f : program.frames)
    if (f.cie)
      program.functionStarts.insert(f.start);
  if (!program.assumesNumbers())
    return Error::success();
  WordReader reader(program);
  for (const Piece &p : program.pieces)
    if (!p.isCode() && !p.dropped && p.fileSize)
      reader.noteRecords(p);
  for (const Piece &p : program.pieces)
    if (!p.isCode() && !p.dropped && p.fileSize &&
        p.section->name != ".gcc_except_table")
      reader.read(p);
  if (reader.soups)
    program.remarks.push_back(Twine(reader.soups).str() +
                              " words stand among bytes and are no addresses");
  if (reader.texts)
    program.remarks.push_back(Twine(reader.texts).str() +
                              " words are text rather than addresses");
  return Error::success();
}

Error addAssumedFields(const Program &program, const Target &target,
                       const Instruction &i, const AddressFlow &f,
                       ArrayRef<uint8_t> code, std::vector<Reference> &out) {
  Opcode o = opcodeOf(code);
  auto add = [&](Reference r, unsigned at, uint32_t type) {
    r.place = i.address + at;
    r.type = type;
    r.evidence = Evidence::Assumed;
    if (!r.anchor)
      program.interpret(r);
    out.push_back(r);
  };
  bool isNarrowLea = o.isKnown && o.code == 0x8d && !o.wide;
  if (f.hasMemory && !f.ipRelative && f.displacementAt && !f.threadSegment &&
      !isNarrowLea) {
    uint64_t value = int64_t(f.displacement);
    auto [low, high] = extentOf(program.image);
    Reference r;
    // Nothing else gives the operand a place in the program.
    bool isSure = f.base == AddressFlow::none && value >= low && value < high;
    if (assumeAddress(program, value, r, o.isKnown && o.code == 0x8d) || isSure)
      add(r, f.displacementAt, R_X86_64_32S);
  }
  if (f.immediateSize < 4 || !takesAddress(o))
    return Error::success();
  uint64_t value = f.immediate;
  Reference r;
  if (f.immediateSize == 4 && (o.code & 0xf8) == 0xb8)
    value = uint32_t(value);
  if (!assumeAddress(program, value, r, true))
    return Error::success();
  bool isMove = (o.code & 0xf8) == 0xb8 || (o.code == 0xc7 && o.isRegister());
  if (isMove && f.destination < 16 &&
      isUsedAsNumber(target, i.address + i.size, code.drop_front(i.size),
                     f.destination))
    return Error::success();
  add(r, f.immediateAt,
      f.immediateSize == 8           ? R_X86_64_64
      : (o.code & 0xf8) == 0xb8 ? R_X86_64_32
                                     : R_X86_64_32S);
  return Error::success();
}

Error finishAssumed(Program &program) {
  if (!program.assumes)
    return Error::success();
  if (Error e = BoundNames(program).name())
    return e;
  joinData(program);
  return Error::success();
}

} // namespace relink
