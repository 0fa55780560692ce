//===- DelinkLayout.cpp - What may move apart -----------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code is cut where a function starts: nothing that runs leads to a function's
// end, so what a reference into code means is not in doubt. Data is kept a
// section a piece: `&a[n]` is also the address of what follows `a`, and which of
// the two is meant can't be read off the linked program.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

struct Span {
  uint64_t start = 0, end = 0; ///< end == start where the size isn't known
  StringRef name;
  bool isSignal = false;
};

/// -fpatchable-function-entry=N,M puts nops in front of an entry, and a table says
/// where they start: they are the function's.
void addEntryNops(const Program &program, const Section &section,
                  std::vector<Span> &functions) {
  constexpr uint64_t most = 64;
  const Section *table = program.image.section("__patchable_function_entries");
  if (!table)
    return;
  for (auto [place, start] : readPointers(program.image, table->address,
                                          table->address + table->size)) {
    auto f = llvm::partition_point(
        functions, [start = start](const Span &s) { return s.start < start; });
    bool isFree = f == functions.begin() || std::prev(f)->end <= start;
    if (section.contains(start) && f != functions.end() && isFree &&
        f->start - start <= most)
      f->start = start;
  }
}

/// Functions of \p section by symbols and unwind tables, ascending.
std::vector<Span> functionsOf(const Program &program, const Section &section) {
  std::vector<Span> out;
  for (const ProgramSymbol &s : program.symbols) {
    bool function = s.type == STT_FUNC || s.type == STT_GNU_IFUNC;
    if (!function && !(s.type == STT_NOTYPE && s.binding == STB_GLOBAL &&
                       !program.bringsSymbol(s.name)))
      continue;
    if (section.contains(s.address))
      out.push_back({s.address,
                     std::min(s.address + s.size, section.address + section.size),
                     s.name});
  }
  for (const UnwindRecord &f : program.frames)
    if (f.cie && section.contains(f.start))
      out.push_back({f.start,
                     std::min(f.start + f.length, section.address + section.size),
                     "", f.isSignal});
  llvm::stable_sort(out, [](const Span &a, const Span &b) {
    return a.start != b.start ? a.start < b.start : a.name.size() > b.name.size();
  });
  addEntryNops(program, section, out);
  return out;
}

/// Whether [from, to) holds nothing but what assemblers pad code with.
bool isPadding(const Program &program, uint64_t from, uint64_t to) {
  ArrayRef<uint8_t> bytes = program.image.bytesAt(from, to - from);
  for (uint64_t at = 0; at < bytes.size();) {
    if (bytes[at] == 0xcc || bytes[at] == 0) {
      ++at;
      continue;
    }
    Instruction i;
    if (!program.target.decode(bytes.drop_front(at), from + at, i) || !i.isNop)
      return false;
    at += i.size;
  }
  return !bytes.empty() || from == to;
}

/// A jump and traps, of the length that clang gives all of a table's entries.
bool isJumpEntry(const Program &program, uint64_t from, uint64_t to) {
  constexpr uint8_t landingPad[] = {0xf3, 0x0f, 0x1e, 0xfa};
  uint64_t size = to - from;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(from, size);
  if ((size != 8 && size != 16) || bytes.empty())
    return false;
  if (bytes.take_front(4).equals(landingPad))
    bytes = bytes.drop_front(4);
  return bytes.size() >= 5 && bytes[0] == 0xe9 &&
         all_of(bytes.drop_front(5), [](uint8_t b) { return b == 0xcc; });
}

/// Older libcs' start-up code for constructors, which _start hands to
/// __libc_start_main as its fourth and fifth arguments (%rcx, %r8).
std::vector<uint64_t> constructorRunners(const Program &program) {
  std::vector<uint64_t> out;
  uint64_t at = program.image.header.e_entry;
  for (unsigned n = 0; at && n < 32; ++n) {
    Instruction i;
    ArrayRef<uint8_t> bytes = program.image.bytesFrom(at);
    if (bytes.empty() || !program.target.decode(bytes, at, i) || i.isCall)
      break;
    AddressFlow f = program.target.followAddresses(bytes.take_front(i.size));
    at += i.size;
    if (f.destination != 1 && f.destination != 8)
      continue;
    if (f.kind == AddressFlow::Kind::Address && f.ipRelative)
      out.push_back(at + int64_t(f.displacement));
    else if (f.kind == AddressFlow::Kind::Constant && f.immediate)
      out.push_back(uint32_t(f.immediate));
  }
  return out;
}

/// Recognizes the code of start-up objects where nothing names it.
class StartUp {
public:
  explicit StartUp(const Program &program);
  bool contains(uint64_t start, uint64_t end) const;
  /// Where crtbegin's code is, from and to; the same where it has no form that is known.
  std::pair<uint64_t, uint64_t> crtbegin = {0, 0};

private:
  std::pair<uint64_t, uint64_t> lastJump(uint64_t start, uint64_t end) const;
  uint64_t callInto(uint64_t start, uint64_t end, uint64_t low, uint64_t high) const;
  void findCrtbegin(const Section &section);
  const Program &program;
  uint64_t entry = 0;
  std::vector<uint64_t> made, gone; ///< what the arrays name
  std::vector<uint64_t> runners;
  AddressSet framed; ///< starts of functions with unwind tables
  bool named = false;
};

StartUp::StartUp(const Program &program)
    : program(program),
      // In a library it is what -e says, or the start of .text.
      entry(program.image.kind == ImageKind::Shared ? 0
                                                    : program.image.header.e_entry),
      runners(constructorRunners(program)), named(program.named) {
  const Image &image = program.image;
  for (const Section &s : image.sections)
    if (s.type == SHT_INIT_ARRAY || s.type == SHT_FINI_ARRAY)
      for (auto [place, function] :
           readPointers(image, s.address, s.address + s.size))
        (s.type == SHT_INIT_ARRAY ? made : gone).push_back(function);
  for (const UnwindRecord &f : program.frames)
    if (f.cie)
      framed.insert(f.start);
  for (const Section &s : image.sections)
    if (s.flags & SHF_EXECINSTR)
      findCrtbegin(s);
}

/// crtbegin's functions are one stretch without unwind tables, and a constructor and
/// a destructor lie in it. They come first in the arrays, but for those of a priority.
bool StartUp::contains(uint64_t start, uint64_t end) const {
  if (llvm::is_contained(runners, start))
    return true;
  if (named)
    return false;
  if (entry && start == entry)
    return true;
  if (crtbegin.second)
    return start < crtbegin.second && end > crtbegin.first;
  auto isInside = [&](uint64_t function) { return function >= start && function < end; };
  return !framed.contains(start) && any_of(made, isInside) && any_of(gone, isInside);
}

/// The end of the short function at \p start, and where the jump that ends it leads.
std::pair<uint64_t, uint64_t> StartUp::lastJump(uint64_t start, uint64_t end) const {
  constexpr unsigned most = 32;
  ArrayRef<uint8_t> bytes = program.image.bytesAt(start, end - start);
  Instruction i;
  uint64_t at = 0, goal = start; // of its own jumps, the last
  for (unsigned n = 0; at < bytes.size() && n < most; ++n) {
    if (!program.target.decode(bytes.drop_front(at), start + at, i))
      break;
    at += i.size;
    if (i.isConditional && i.branchTarget && *i.branchTarget < end)
      goal = std::max(goal, *i.branchTarget);
    if (i.endsFlow && start + at > goal)
      return {start + at, i.branchTarget.value_or(0)};
  }
  return {0, 0};
}

/// Where in [\p low, \p high) the code of [\p start, \p end) calls something, or 0.
uint64_t StartUp::callInto(uint64_t start, uint64_t end, uint64_t low,
                           uint64_t high) const {
  ArrayRef<uint8_t> bytes = program.image.bytesAt(start, end - start);
  Instruction i;
  for (uint64_t at = 0; at < bytes.size(); at += i.size) {
    if (!program.target.decode(bytes.drop_front(at), start + at, i))
      break;
    if (i.isCall && i.branchTarget && *i.branchTarget >= low && *i.branchTarget < high)
      return *i.branchTarget;
  }
  return 0;
}

/// crtbegin's functions follow each other: deregister_tm_clones, which the third calls,
/// register_tm_clones, __do_global_dtors_aux and frame_dummy, which jumps to the second.
void StartUp::findCrtbegin(const Section &section) {
  constexpr uint64_t most = 1024; // bytes of its code
  for (uint64_t dummy : made) {
    if (!section.contains(dummy))
      continue;
    auto [last, second] = lastJump(dummy, section.address + section.size);
    for (uint64_t third : gone) {
      if (!last || third <= second || third >= dummy || dummy - second > most ||
          !section.contains(second))
        continue;
      uint64_t low = second - std::min(second - section.address, most);
      if (uint64_t first = callInto(third, dummy, low, second))
        crtbegin = {first, last};
    }
  }
}

void cutCode(Program &program, const Section &section, const StartUp &startUp) {
  std::vector<Span> functions = functionsOf(program, section);
  struct Cut {
    uint64_t start, covered;
    std::string name;
  };
  std::vector<Cut> cuts;
  auto cover = [&](uint64_t start, uint64_t end, StringRef name, bool signal) {
    if (!cuts.empty() && (start < cuts.back().covered || start == cuts.back().start ||
                          (signal && start == cuts.back().covered))) {
      cuts.back().covered = std::max(cuts.back().covered, end);
      if (cuts.back().name.empty() && start == cuts.back().start)
        cuts.back().name = name.str();
      return;
    }
    // Code that nothing names, between two functions.
    uint64_t from = cuts.empty() ? section.address : cuts.back().covered;
    bool sized = cuts.empty() || cuts.back().covered > cuts.back().start;
    if (sized && from < start && !isPadding(program, from, start)) {
      while (from < start && isPadding(program, from, from + 1))
        ++from;
      // Around crtbegin's code it is the program's, without unwind tables.
      auto [first, last] = startUp.crtbegin;
      for (uint64_t border : {first, last, start}) {
        if (border <= from || border > start || (program.named && border != start))
          continue;
        if (!isPadding(program, from, border))
          cuts.push_back({from, border, ""});
        from = border;
        while (from < start && isPadding(program, from, from + 1))
          ++from;
      }
    } else if (!sized) {
      cuts.back().covered = start;
    } else if (signal) { // its unwind table begins in front of it
      start = from;
    }
    cuts.push_back({start, end, name.str()});
  };
  for (const Span &f : functions)
    cover(f.start, f.end, f.name,
          f.isSignal || (&f != &functions.back() && (&f)[1].isSignal &&
                         (&f)[1].start == f.start));
  uint64_t end = section.address + section.size;
  cover(end, end, "", false);
  cuts.pop_back();
  for (size_t i = 0; i < cuts.size(); ++i) {
    Cut &c = cuts[i];
    // clang's tables of jumps, for calls that are checked (-fsanitize=cfi), are
    // entered by index.
    while (i + 1 < cuts.size() && cuts[i + 1].start == c.covered &&
           isJumpEntry(program, cuts[i].start, c.covered) &&
           isJumpEntry(program, cuts[i + 1].start, cuts[i + 1].covered))
      c.covered = cuts[++i].covered;
    Piece p;
    p.section = &section;
    p.address = c.start;
    p.size = p.fileSize = c.covered - c.start;
    p.align = alignmentOf(p.address, std::max<uint64_t>(section.align, 1));
    p.isStartUp = program.isStartUpFunction(c.name) ||
                  startUp.contains(c.start, c.covered);
    p.dropped = p.isStartUp && !program.keepsStartUp;
    if (c.name.empty())
      c.name = "fn_" + utohexstr(c.start, true);
    // Parts of .init that several objects made fall through into each other.
    p.name = section.name == ".init" || section.name == ".fini"
                 ? section.name.str()
                 : ".text." + c.name;
    if (p.size)
      program.pieces.push_back(std::move(p));
  }
}

} // namespace

Error cutPieces(Program &program) {
  const Image &image = program.image;
  if (image.sections.empty())
    return program.error("has no section headers\n>>> not supported yet: "
                         "delinking by program headers alone");
  StartUp startUp(program);
  for (const Section &s : image.sections) {
    if (!s.isAlloc() || !s.size || program.bringsSection(s))
      continue;
    if (s.flags & SHF_EXECINSTR) {
      cutCode(program, s, startUp);
      continue;
    }
    Piece p;
    p.section = &s;
    p.address = s.address;
    p.size = s.size;
    p.fileSize = s.type == SHT_NOBITS ? 0 : s.size;
    p.align = std::max<uint64_t>(s.align, 1);
    // GNU ld states less alignment for these than what they hold has.
    constexpr uint64_t ofLarge = 64;
    if (s.flags & SHF_X86_64_LARGE)
      p.align = std::max(p.align, ofLarge);
    p.name = s.name.str();
    (p.isTls() ? program.tlsPieces : program.pieces).push_back(std::move(p));
  }
  auto byAddress = [](const Piece &a, const Piece &b) {
    return a.address < b.address;
  };
  llvm::stable_sort(program.pieces, byAddress);
  llvm::stable_sort(program.tlsPieces, byAddress);
  // The initial image of TLS is data as well: pointers in it are relocated.
  for (const Piece &p : program.tlsPieces)
    if (p.fileSize)
      program.pieces.insert(llvm::upper_bound(program.pieces, p, byAddress), p);
  for (size_t i = 1; i < program.pieces.size(); ++i)
    if (program.pieces[i].address < program.pieces[i - 1].end())
      return program.error("sections overlap at " +
                           hex(program.pieces[i].address));
  return Error::success();
}

void joinPieces(Program &program, ArrayRef<std::pair<uint64_t, uint64_t>> spans) {
  std::vector<bool> joined(program.pieces.size(), false); // with the one before
  for (auto [first, last] : spans) {
    Piece *a = program.pieceAt(std::min(first, last));
    Piece *b = program.pieceAt(std::max(first, last));
    if (a && b)
      for (Piece *p = a + 1; p <= b; ++p)
        joined[p - program.pieces.data()] = true;
  }
  std::vector<Piece> out;
  for (size_t i = 0; i < program.pieces.size(); ++i) {
    Piece &p = program.pieces[i];
    if (!joined[i]) {
      out.push_back(std::move(p));
      continue;
    }
    Piece &before = out.back();
    before.size = p.end() - before.address;
    before.align = std::max(before.align, p.align);
    before.fileSize = p.fileSize ? p.address + p.fileSize - before.address
                                 : before.fileSize;
  }
  program.pieces = std::move(out);
}

bool isPlainData(const Piece &p) {
  return !p.isCode() && !p.isTls() && !p.dropped &&
         (p.section->type == SHT_PROGBITS || p.section->type == SHT_NOBITS) &&
         p.section->name != ".gcc_except_table";
}

} // namespace relink
