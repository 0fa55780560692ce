//===- Split.cpp - One section for each function and variable -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Split.h"
#include "Error.h"
#include "FrameRecords.h"
#include "RelocationTypes.h"
#include "SymbolIndex.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {

namespace {

/// A slice of an original section that becomes a section of its own.
struct Piece {
  uint64_t start = 0, end = 0;
  ObjectSymbol *owner = nullptr; ///< the symbol it was cut for, if any
  ObjectSection *section = nullptr;

  /// Where \p offset of the original section is in `section`.
  uint64_t placeOf(uint64_t offset) const {
    return offset - start + section->islandsBefore;
  }

  StringRef name() const { return owner ? StringRef(owner->name) : ""; }
};

/// A PC-relative field that the assembler resolved itself.
struct ResolvedField {
  uint64_t offset = 0, instructionEnd = 0, target = 0;
  unsigned size = 0;
};

constexpr unsigned islandSize = 5; ///< a near jump

class Splitter {
public:
  Splitter(Object &object, const Target &target)
      : object(object), target(target) {}
  Error run();

private:
  void cutAtSymbols(ObjectSection &section);
  Error cutAtLsdas();
  bool gapsArePadding(const ObjectSection &section,
                      ArrayRef<Piece> pieces) const;
  void adopt(ObjectSection &section, std::vector<Piece> pieces);
  Error decode(ObjectSection &section);
  void findTables();
  Error retarget(ObjectSection &section);
  std::optional<uint64_t> trueTarget(const ObjectSection &section,
                                     const ObjectRelocation &r) const;
  bool refersTo(const ObjectSection &section, const ObjectRelocation &r,
                const Piece &other) const;
  const Piece *variableMeant(const ObjectSection &section, ObjectRelocation &r,
                             uint64_t goal, const Piece *at);
  const Piece *pieceAt(const ObjectSection &section, uint64_t offset) const;
  ObjectSymbol &symbolFor(const Piece &piece, uint64_t offset);
  int64_t addendFor(const Piece &piece, const ObjectSymbol &symbol,
                    uint64_t offset) const;
  void makeSections();
  void countIslandsBefore(const ObjectSection &section);
  void moveSymbols();
  Error moveRelocations();
  Error restoreField(const Piece &from, const ObjectSection &original,
                     const ResolvedField &field);
  Error error(const Twine &message) const {
    return makeError(object.name + ": " + message);
  }

  Object &object;
  const Target &target;
  std::vector<ObjectSection *> originals;
  DenseMap<const ObjectSection *, std::vector<Piece>> cuts;
  DenseMap<const ObjectSection *, std::vector<ResolvedField>> resolved;
  /// Near jumps in front of a piece's code that are still to be made.
  DenseMap<const Piece *, unsigned> islandsBefore;
  /// Offsets of read-only sections that code refers to: starts of jump tables.
  DenseMap<const ObjectSection *, std::vector<uint64_t>> tables;
};

/// Virtual tables and type information have an identity, and go one by one.
bool isConstantData(const ObjectSection &s, const Object &object) {
  return StringRef(s.name).starts_with(".data.rel.ro") &&
         none_of(object.symbols, [&](const ObjectSymbol &symbol) {
           return symbol.section == &s && isTypeData(symbol.name);
         });
}

bool isCuttable(const ObjectSection &s, const Object &object) {
  if (!s.isAlloc() || s.isMergeable() || isEhFrame(s))
    return false;
  if (s.type != SHT_PROGBITS && s.type != SHT_NOBITS)
    return false;
  // Read-only data stays whole: its parts are referred to through the section,
  // sometimes in front of a table or behind it.
  return s.isCode() || (s.isWritable() && !isConstantData(s, object));
}

/// The largest alignment up to the section's that \p start has in it.
uint64_t alignmentAt(const ObjectSection &s, uint64_t start) {
  return start == 0 ? s.align
                    : std::min<uint64_t>(s.align, start & -start);
}

bool Splitter::gapsArePadding(const ObjectSection &s,
                              ArrayRef<Piece> pieces) const {
  uint64_t at = 0;
  auto isPadding = [&](uint64_t from, uint64_t to) {
    while (from < to) {
      if (s.data[from] == 0 || s.data[from] == target.trapByte()) {
        ++from;
        continue;
      }
      Instruction i;
      if (!target.decode(ArrayRef(s.data).slice(from, to - from), from, i) ||
          i.isBranch || i.isCall || i.memoryTarget)
        return false;
      // nop (90), and the long forms 66..., 0f 1f, 2e...
      uint8_t first = s.data[from];
      if (first != 0x90 && first != 0x66 && first != 0x0f && first != 0x2e)
        return false;
      from += i.size;
    }
    return true;
  };
  for (const Piece &p : pieces) {
    if (p.start > at && !isPadding(at, p.start))
      return false;
    at = p.end;
  }
  if (at < s.size && !isPadding(at, s.size))
    return false;
  return none_of(s.relocations, [&](const ObjectRelocation &r) {
    auto it = partition_point(pieces,
                              [&](const Piece &p) { return p.end <= r.offset; });
    return it == pieces.end() || r.offset < it->start;
  });
}

void Splitter::cutAtSymbols(ObjectSection &s) {
  std::vector<Piece> pieces;
  for (ObjectSymbol &symbol : object.symbols) {
    if (symbol.section != &s || symbol.size == 0 || symbol.isSection())
      continue;
    bool wanted = s.isCode() ? symbol.isFunction()
                             : symbol.type == STT_OBJECT ||
                                   symbol.type == STT_TLS;
    if (wanted && symbol.value + symbol.size <= s.size)
      pieces.push_back({symbol.value, symbol.value + symbol.size, &symbol});
  }
  llvm::stable_sort(pieces, [](const Piece &a, const Piece &b) {
    return std::tie(a.start, b.end) < std::tie(b.start, a.end);
  });
  // Aliases share a range; anything else that overlaps is not understood.
  std::vector<Piece> distinct;
  for (const Piece &p : pieces) {
    if (!distinct.empty() && p.start < distinct.back().end) {
      if (p.start == distinct.back().start || p.end <= distinct.back().end)
        continue;
      return;
    }
    distinct.push_back(p);
  }
  if (distinct.empty())
    return;
  if (distinct.size() == 1 && distinct[0].start == 0 &&
      distinct[0].end == s.size) {
    // Already a section of its own: it keeps it, and gains an owner.
    distinct[0].section = &s;
    adopt(s, std::move(distinct));
    return;
  }
  if (s.isCode()) {
    if (gapsArePadding(s, distinct))
      adopt(s, std::move(distinct));
    return;
  }
  // What lies between variables is anonymous data, a piece of its own.
  std::vector<Piece> all;
  uint64_t at = 0;
  for (const Piece &p : distinct) {
    if (p.start > at)
      all.push_back({at, p.start});
    all.push_back(p);
    at = p.end;
  }
  if (at < s.size)
    all.push_back({at, s.size});
  adopt(s, std::move(all));
}

/// .gcc_except_table holds one table a function; the FDEs say where each
/// starts.
Error Splitter::cutAtLsdas() {
  DenseMap<ObjectSection *, std::vector<uint64_t>> starts;
  for (ObjectSection *s : originals) {
    if (!isEhFrame(*s))
      continue;
    auto records = readFrameRecords(object, *s);
    if (!records)
      return records.takeError();
    auto relocation = s->relocations.begin();
    for (const FrameRecord &r : *records)
      for (; relocation != s->relocations.end() &&
             relocation->offset < r.offset + r.size;
           ++relocation) {
        const ObjectSymbol *symbol = relocation->symbol;
        if (r.isCie || relocation->offset <= r.offset + 8 || !symbol ||
            !symbol->section ||
            !StringRef(symbol->section->name).starts_with(".gcc_except_table"))
          continue;
        starts[symbol->section].push_back(symbol->value + relocation->addend);
      }
  }
  for (auto &[section, offsets] : starts) {
    llvm::sort(offsets);
    offsets.erase(llvm::unique(offsets), offsets.end());
    if (offsets.size() < 2 || offsets.back() >= section->size)
      continue;
    offsets.front() = 0;
    std::vector<Piece> pieces;
    for (size_t i = 0; i < offsets.size(); ++i)
      pieces.push_back({offsets[i],
                        i + 1 < offsets.size() ? offsets[i + 1]
                                               : section->size});
    adopt(*section, std::move(pieces));
  }
  return Error::success();
}

void Splitter::adopt(ObjectSection &s, std::vector<Piece> pieces) {
  cuts[&s] = std::move(pieces);
}

/// Finds instruction ends at relocations, and fields without one.
Error Splitter::decode(ObjectSection &s) {
  auto it = cuts.find(&s);
  std::vector<Piece> whole;
  if (it == cuts.end()) {
    // An uncut section is decoded function by function where it can be.
    for (ObjectSymbol &symbol : object.symbols)
      if (symbol.section == &s && symbol.isFunction() && symbol.size &&
          symbol.value + symbol.size <= s.size)
        whole.push_back({symbol.value, symbol.value + symbol.size, &symbol});
  }
  auto relocatedAt = [&](uint64_t offset) {
    auto r = partition_point(s.relocations, [&](const ObjectRelocation &r) {
      return r.offset < offset;
    });
    return r != s.relocations.end() && r->offset == offset;
  };
  for (const Piece &p : it == cuts.end() ? whole : it->second) {
    auto relocation = partition_point(
        s.relocations,
        [&](const ObjectRelocation &r) { return r.offset < p.start; });
    for (uint64_t at = p.start; at < p.end;) {
      Instruction i;
      if (!target.measure(ArrayRef(s.data).slice(at, p.end - at), at, i)) {
        if (it == cuts.end())
          break; // data in hand-written code; nothing depends on it
        return error(s.name + "+" + hex(at) + ": in function " + p.name() +
                     ": no x86-64 instruction, so it can't be told apart from "
                     "its neighbours\n>>> remedy: compile the patch with "
                     "-ffunction-sections");
      }
      uint64_t end = at + i.size;
      for (; relocation != s.relocations.end() && relocation->offset < end;
           ++relocation)
        relocation->toEnd = end - relocation->offset;
      auto goal = i.branchTarget ? i.branchTarget : i.memoryTarget;
      if (goal && i.fieldSize && !relocatedAt(at + i.fieldOffset) &&
          (*goal < p.start || *goal >= p.end))
        resolved[&s].push_back({at + i.fieldOffset, end, *goal, i.fieldSize});
      at = end;
    }
  }
  return Error::success();
}

/// Jump tables start where code points into read-only data.
void Splitter::findTables() {
  for (ObjectSection *s : originals) {
    if (!s->isCode())
      continue;
    for (const ObjectRelocation &r : s->relocations) {
      if (!r.symbol || !r.symbol->section)
        continue;
      ObjectSection *to = r.symbol->section;
      if (to->isCode() || to->isWritable() || !to->isAlloc())
        continue;
      if (auto t = trueTarget(*s, r))
        tables[to].push_back(r.symbol->value + *t);
    }
  }
  for (auto &[section, starts] : tables)
    llvm::sort(starts);
}

/// What S + \p r.addend means before the place is subtracted: an offset from
/// the symbol.
std::optional<uint64_t>
Splitter::trueTarget(const ObjectSection &s, const ObjectRelocation &r) const {
  if (!isPcRelative(r.type))
    return r.addend;
  if (isEhFrame(s) || !s.isAlloc())
    return r.addend;
  if (s.isCode()) {
    if (!r.toEnd)
      return std::nullopt;
    return uint64_t(r.addend) + r.toEnd;
  }
  // `.long label - table` became label + (place - table) - place.
  auto starts = tables.find(&s);
  if (starts == tables.end())
    return r.addend;
  auto after = llvm::upper_bound(starts->second, r.offset);
  if (after == starts->second.begin())
    return r.addend;
  return uint64_t(r.addend) - (r.offset - *std::prev(after));
}

const Piece *Splitter::pieceAt(const ObjectSection &s, uint64_t offset) const {
  auto it = cuts.find(&s);
  if (it == cuts.end())
    return nullptr;
  ArrayRef<Piece> pieces = it->second;
  auto p = partition_point(pieces,
                           [&](const Piece &p) { return p.end <= offset; });
  if (p != pieces.end() && p->start <= offset)
    return p;
  // One past the end of the last piece, or a label behind padding.
  if (p != pieces.begin() && std::prev(p)->end == offset)
    return std::prev(p);
  return nullptr;
}

/// A short jump back to another function passes the start of its own, one
/// forward the end: there it can reach a near jump.
void Splitter::countIslandsBefore(const ObjectSection &s) {
  for (const ResolvedField &field : resolved[&s])
    if (const Piece *p = pieceAt(s, field.offset))
      if (field.size == 1 && field.target < p->start)
        ++islandsBefore[p];
}

void Splitter::makeSections() {
  for (ObjectSection *s : originals) {
    auto it = cuts.find(s);
    if (it == cuts.end())
      continue;
    if (it->second.front().section)
      continue;
    countIslandsBefore(*s);
    for (Piece &p : it->second) {
      std::string name = s->name;
      if (p.owner && !StringRef(name).ends_with(("." + p.name()).str()))
        name += ("." + p.name()).str();
      ObjectSection &out = object.addSection(name, s->type, s->flags);
      out.align = alignmentAt(*s, p.start);
      out.entrySize = s->entrySize;
      out.size = p.end - p.start;
      out.comdat = s->comdat;
      out.original = s;
      out.originalOffset = p.start;
      if (!s->isNoBits())
        out.data.assign(s->data.begin() + p.start, s->data.begin() + p.end);
      if (unsigned count = islandsBefore.lookup(&p)) {
        out.islandsBefore = alignTo(count * islandSize, out.align);
        out.originalOffset -= out.islandsBefore;
        out.size += out.islandsBefore;
        out.data.insert(out.data.begin(), out.islandsBefore, target.trapByte());
      }
      p.section = &out;
    }
    s->dropped = true;
  }
}

void Splitter::moveSymbols() {
  for (ObjectSymbol &symbol : object.symbols) {
    if (!symbol.section || symbol.isSection() || !cuts.count(symbol.section))
      continue;
    const Piece *p = pieceAt(*symbol.section, symbol.value);
    if (!p) {
      // A label in padding: nothing that is kept can be there.
      symbol.kind = ObjectSymbol::Kind::Absolute;
      symbol.section = nullptr;
      continue;
    }
    symbol.section = p->section;
    symbol.value = p->placeOf(symbol.value);
  }
}

/// A reference to a function's start means the function, wherever its body will
/// be; one to its inside means this very body. A variable is meant as a whole.
ObjectSymbol &Splitter::symbolFor(const Piece &piece, uint64_t offset) {
  if (piece.owner && (!piece.section->isCode() || offset == piece.start))
    return *piece.owner;
  return object.sectionSymbol(*piece.section);
}

/// What added to \p symbol of \p piece gives \p offset of the original section.
int64_t Splitter::addendFor(const Piece &piece, const ObjectSymbol &symbol,
                            uint64_t offset) const {
  return symbol.isSection() ? piece.placeOf(offset) : offset - piece.start;
}

/// Puts a relocation where the assembler had resolved a field by itself.
Error Splitter::restoreField(const Piece &from, const ObjectSection &original,
                             const ResolvedField &field) {
  const Piece *to = pieceAt(original, field.target);
  if (!to)
    return error(original.name + "+" + hex(field.offset) + ": in function " +
                 from.name() + ": refers to " + hex(field.target) +
                 ", which no symbol of the object covers\n>>> remedy: compile "
                 "the patch with -ffunction-sections");
  ObjectSection &s = *from.section;
  uint64_t place = from.placeOf(field.offset);
  ObjectSymbol *symbol = &symbolFor(*to, field.target);
  int64_t addend = addendFor(*to, *symbol, field.target);
  if (field.size == 4) {
    uint8_t toEnd = field.instructionEnd - field.offset;
    s.relocations.push_back(
        {place, R_X86_64_PC32, symbol, addend - toEnd, toEnd});
    return Error::success();
  }
  // A short tail call goes to a near jump in front of its function or behind.
  bool isBehind = field.target >= from.end;
  uint64_t end = from.placeOf(field.instructionEnd);
  uint64_t island = isBehind ? s.size
                             : s.islandsBefore -
                                   islandSize * islandsBefore[&from]--;
  if (!isInt<8>(int64_t(island - end)) || int64_t(s.originalOffset) < 0)
    return error(original.name + "+" + hex(field.offset) + ": in function " +
                 from.name() + ": a short jump to another function (" +
                 (to->owner ? to->owner->name : hex(field.target)) +
                 ") can't be lengthened here\n>>> remedy: compile the patch "
                 "with -ffunction-sections");
  s.data[place] = uint8_t(island - end);
  if (isBehind) {
    s.data.resize(s.data.size() + islandSize);
    s.size += islandSize;
    s.islandsBehind += islandSize;
  }
  s.data[island] = 0xe9;
  std::fill_n(&s.data[island + 1], 4, 0);
  s.relocations.push_back({island + 1, R_X86_64_PC32, symbol, addend - 4, 4});
  s.shortJumps.push_back({place, R_X86_64_PC8, symbol, addend - 1, 1});
  return Error::success();
}

Error Splitter::moveRelocations() {
  for (ObjectSection *s : originals) {
    auto it = cuts.find(s);
    if (it == cuts.end() || it->second.front().section == s)
      continue;
    for (const ObjectRelocation &r : s->relocations) {
      const Piece *p = pieceAt(*s, r.offset);
      if (!p || r.offset >= p->end)
        continue; // in padding
      ObjectRelocation moved = r;
      moved.offset = p->placeOf(r.offset);
      p->section->relocations.push_back(moved);
    }
    for (const ResolvedField &field : resolved[s])
      if (const Piece *p = pieceAt(*s, field.offset))
        if (Error e = restoreField(*p, *s, field))
          return e;
    for (Piece &p : it->second)
      for (auto *list : {&p.section->relocations, &p.section->shortJumps})
        stable_sort(*list, [](auto &a, auto &b) { return a.offset < b.offset; });
    s->relocations.clear();
  }
  return Error::success();
}

/// Whether the function that \p r is in also refers to \p other.
bool Splitter::refersTo(const ObjectSection &s, const ObjectRelocation &r,
                        const Piece &other) const {
  const Piece *function = pieceAt(s, r.offset);
  if (!function)
    return true;
  auto first = partition_point(s.relocations, [&](const ObjectRelocation &o) {
    return o.offset < function->start;
  });
  for (; first != s.relocations.end() && first->offset < function->end; ++first)
    if (first->symbol == r.symbol)
      if (auto goal = trueTarget(s, *first))
        if (*goal >= other.start && *goal < other.end)
          return true;
  return false;
}

/// Code can count from in front of a variable (`table[i - 1]`), and to its end
/// (`p != table + n`), where the next one starts. resolveReferences() sees whether
/// it matters which is meant.
const Piece *Splitter::variableMeant(const ObjectSection &s, ObjectRelocation &r,
                                     uint64_t goal, const Piece *p) {
  ArrayRef<Piece> pieces = cuts[r.symbol->section];
  if (!p) {
    r.isBiased = pieces.size() > 1;
    p = find_if(pieces, [](const Piece &p) { return p.owner; });
    return p == pieces.end() ? nullptr : p;
  }
  if (p->start != goal || p == pieces.begin())
    return p;
  const Piece &before = *std::prev(p);
  bool formsAddress = !isPcRelative(r.type) ||
                      (r.offset >= 2 && s.data[r.offset - 2] == 0x8d); // lea
  if (!before.owner || before.end != goal || !formsAddress ||
      !refersTo(s, r, before))
    return p;
  if (!p->owner)
    return &before;
  // The guard of a static that code makes when it is first needed: neither it nor the
  // object in front of it is an array that code would go through. Nor is type data.
  for (const ObjectSymbol *s : {p->owner, before.owner})
    if (StringRef(s->name).starts_with("_ZGV") || isTypeData(s->name))
      return p;
  r.isBiased = true;
  return p;
}

/// Relocations against the section symbol of a cut section get the piece they
/// really mean. What one means the others may tell, so none is changed before all
/// are known.
Error Splitter::retarget(ObjectSection &s) {
  struct Change {
    ObjectRelocation *relocation;
    const Piece *piece; ///< null: none
    uint64_t goal;
  };
  std::vector<Change> changes;
  for (ObjectRelocation &r : s.relocations) {
    if (!r.symbol || !r.symbol->isSection() || !cuts.count(r.symbol->section))
      continue;
    ObjectSection &to = *r.symbol->section;
    // DWARF describes the section as it was; see Compose's debug sections.
    if (to.isCode() && !s.isAlloc())
      continue;
    auto goal = trueTarget(s, r);
    if (!goal)
      return error(s.name + "+" + hex(r.offset) + ": refers to " + to.name +
                   "+" + hex(r.addend) + " from code that no function symbol "
                   "covers\n>>> remedy: give the symbol a .size and .type, or "
                   "compile with -ffunction-sections -fdata-sections");
    const Piece *p = pieceAt(to, *goal);
    if (s.isCode() && !to.isCode())
      p = variableMeant(s, r, *goal, p);
    if (!p && s.isAlloc())
      return error(s.name + "+" + hex(r.offset) + ": refers to " + to.name +
                   "+" + hex(*goal) + ", which no symbol of the object covers"
                   "\n>>> remedy: compile the patch with -ffunction-sections "
                   "-fdata-sections");
    changes.push_back({&r, p, *goal});
  }
  for (auto [r, piece, goal] : changes) {
    if (!piece) {
      r->type = R_X86_64_NONE;
      r->symbol = nullptr;
      continue;
    }
    r->symbol = &symbolFor(*piece, goal);
    r->addend += addendFor(*piece, *r->symbol, goal) - int64_t(goal);
  }
  return Error::success();
}

Error Splitter::run() {
  for (ObjectSection &s : object.sections) {
    // A table of places in front of functions, for those who patch at run time.
    if (s.name == "__patchable_function_entries") {
      s.dropped = true;
      s.relocations.clear();
      continue;
    }
    originals.push_back(&s);
  }
  for (ObjectSection *s : originals)
    if (isCuttable(*s, object))
      cutAtSymbols(*s);
  if (Error e = cutAtLsdas())
    return e;
  for (ObjectSection *s : originals)
    if (s->isCode())
      if (Error e = decode(*s))
        return e;
  if (cuts.empty())
    return Error::success();
  findTables();
  makeSections();
  for (ObjectSection *s : originals)
    if (Error e = retarget(*s))
      return e;
  if (Error e = moveRelocations())
    return e;
  moveSymbols();
  return Error::success();
}

} // namespace

Error splitSections(Object &object, const Target &target) {
  return Splitter(object, target).run();
}

} // namespace relink
