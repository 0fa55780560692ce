//===- DelinkRelocations.cpp - References become relocations --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each field is computed again from its reference before it becomes a
// relocation, and has to be what the app holds: a reference that was read wrong
// is an error, not an object. The field itself is then cleared.
//
//===----------------------------------------------------------------------===//

#include "DelinkBuilder.h"
#include "Error.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {

static bool isAbsolute(uint32_t type) {
  return type == R_X86_64_64 || type == R_X86_64_32 || type == R_X86_64_32S;
}

bool isGotType(uint32_t type) {
  return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
         type == R_X86_64_REX_GOTPCRELX || type == R_X86_64_GOTTPOFF ||
         type == R_X86_64_TLSGD || type == R_X86_64_TLSLD ||
         type == R_X86_64_GOTPC32_TLSDESC;
}

ObjectBuilder::Meaning ObjectBuilder::pinnedTo(uint64_t address) {
  ObjectSymbol &s = undefined("at." + utohexstr(address, true));
  s.kind = ObjectSymbol::Kind::Absolute;
  s.value = address;
  return {&s, address};
}

/// A GOT slot holds a symbol's value: an addend would count in the GOT.
ObjectBuilder::Meaning ObjectBuilder::exactly(const Meaning &near, uint64_t address) {
  ObjectSymbol *&s = exactSymbols[address];
  if (!s) {
    s = &object->addSymbol("at_" + utohexstr(address, true));
    s->kind = ObjectSymbol::Kind::Defined;
    s->binding = STB_LOCAL;
    s->section = near.symbol->section;
    s->value = near.symbol->value + (address - near.address);
  }
  return {s, address};
}

ObjectBuilder::Meaning ObjectBuilder::inPiece(Piece &piece, uint64_t target, bool named) {
  if (named)
    if (ObjectSymbol *s = functions.lookup(target))
      return {s, target};
  return {&object->sectionSymbol(*piece.output), piece.origin()};
}

/// \p exact: linkers know no addend for what goes through a slot.
ObjectBuilder::Meaning ObjectBuilder::inThread(uint64_t offset, bool exact) {
  const Phdr *tls = image.segmentOfType(PT_TLS);
  Piece *best = nullptr;
  for (Piece &p : program.tlsPieces)
    if (tls && p.output && p.address - tls->p_vaddr <= offset)
      best = &p;
  if (!best)
    return {};
  uint64_t value = exact ? offset : best->address - tls->p_vaddr;
  ObjectSymbol *&symbol = threadSymbols[value];
  if (!symbol) { // linkers take only symbols of type STT_TLS
    symbol = &object->addSymbol("tls_" + utohexstr(value, true));
    symbol->kind = ObjectSymbol::Kind::Defined;
    symbol->binding = STB_LOCAL;
    symbol->type = STT_TLS;
    symbol->section = best->output;
    symbol->value = value - (best->address - tls->p_vaddr);
  }
  return {symbol, value};
}

/// The linker's symbol there, of the end of code or data.
StringRef ObjectBuilder::boundAt(uint64_t address) const {
  auto it = llvm::partition_point(program.symbols, [&](const ProgramSymbol &s) {
    return s.address < address;
  });
  for (; it != program.symbols.end() && it->address == address; ++it)
    for (const char *name : {"etext", "_etext", "edata", "_edata", "end", "_end"})
      if (it->name == name && it->type == STT_NOTYPE)
        return name;
  bool endsCode = any_of(image.segments, [&](const Phdr &s) {
    return s.p_type == PT_LOAD && (s.p_flags & PF_X) && address == s.p_vaddr + s.p_memsz;
  });
  return endsCode ? "etext" : "";
}

/// Data that begins a little behind \p address or ends a little in front of it, if there
/// is only one such section: an array is counted from in front of it, or a field of what
/// would come behind it.
Piece *ObjectBuilder::nearestData(uint64_t address) {
  constexpr uint64_t most = 64;
  if (image.sectionAt(address))
    return nullptr;
  auto next = llvm::upper_bound(pieceStarts, address);
  size_t index = next - pieceStarts.begin();
  auto isData = [](const Piece &p) { return p.output && isPlainData(p); };
  Piece *behind = nullptr, *before = nullptr;
  if (index < program.pieces.size())
    if (Piece &p = program.pieces[index]; p.address - address <= most && isData(p))
      behind = &p;
  if (index)
    if (Piece &p = program.pieces[index - 1]; address - p.end() <= most && isData(p))
      before = &p;
  return behind && before ? nullptr : behind ? behind : before;
}

Expected<ObjectBuilder::Meaning> ObjectBuilder::findAddress(const Reference &r) {
  // In a library a reference that was bound at link time stays bound.
  bool named = image.kind != ImageKind::Shared && !program.asLibrary;
  Piece *p = pieceAt(r.anchor ? r.anchor : r.target);
  if (p && p->isTls() && !p->output)
    p = nullptr;
  if (r.anchor && p && p->output)
    return inPiece(*p, r.target, false);
  if (auto it = program.replaced.find(r.target);
      it != program.replaced.end() && r.evidence != Evidence::Unwind && !r.anchor)
    return Meaning{&undefined(it->second.name), r.target};
  if (p && p->isReplaced) {
    // Its jump tables, which nothing reads any more.
    Piece *from = program.pieceAt(r.place);
    if (from && !from->isCode())
      return Meaning{nullptr, 0, true};
    return program.error("the reference at " + program.describe(r.place) +
                         " leads into " + program.describe(r.target) +
                         ", which is replaced");
  }
  if (p && p->dropped) {
    for (const ProgramSymbol &s : program.symbols)
      if (s.address == r.target && s.binding != STB_LOCAL)
        return Meaning{&undefined(s.name), r.target};
    return program.error("the reference at " + program.describe(r.place) +
                         " leads into start-up code at " +
                         program.describe(r.target));
  }
  if (p && p->output)
    return inPiece(*p, r.target, named);
  if (frames && frames->contains(r.target))
    return program.error("not supported yet: the reference at " +
                         program.describe(r.place) + " leads into .eh_frame");
  const Section *got = image.section(".got.plt");
  if (!got)
    got = image.section(".got");
  if (got && got->address == r.target)
    return Meaning{&undefined("_GLOBAL_OFFSET_TABLE_"), r.target};
  if (image.dynamic.address && image.dynamic.address == r.target)
    return Meaning{&undefined("_DYNAMIC"), r.target};
  uint64_t headers = image.header.e_phoff + image.segments.size() * sizeof(Phdr);
  for (const Phdr &s : image.segments)
    if (s.p_type == PT_LOAD && s.p_offset == 0 && r.target - s.p_vaddr < headers)
      return Meaning{&undefined("__ehdr_start"), s.p_vaddr};
  if (Piece *before = program.pieceEndingAt(r.target))
    if (before->output)
      return inPiece(*before, r.target, false);
  // crtbegin compares two names of one place, its empty .tm_clone_table: between two
  // sections, where the one ends elsewhere and the other is aligned higher.
  Piece *from = program.pieceAt(r.place);
  constexpr uint64_t mostGap = 64;
  for (uint64_t gap = 1; from && from->isStartUp && gap < mostGap; ++gap)
    for (Piece *near : {program.pieceEndingAt(r.target - gap), program.pieceAt(r.target + gap)})
      if (near && near->output)
        return inPiece(*near, r.target, false);
  if (StringRef name = boundAt(r.target); !name.empty())
    return Meaning{&undefined(name), r.target};
  if (Piece *near = nearestData(r.target); near && !config.strict) {
    std::string remark = "the reference at " + program.describe(r.place) + " leads to " +
                         hex(r.target) + ", where nothing is: " + near->name +
                         ", the only data near it, is taken for meant";
    if (!is_contained(program.remarks, remark)) // objects are made twice for --check
      program.remarks.push_back(std::move(remark));
    return inPiece(*near, r.target, false);
  }
  return program.error("the reference at " + program.describe(r.place) +
                       " leads to " + program.describe(r.target) +
                       ", where the program has nothing of its own\n>>> it may "
                       "be biased by an index; which object it means is not "
                       "known");
}

Expected<ObjectBuilder::Meaning> ObjectBuilder::find(const Reference &r) {
  using K = Reference::Kind;
  if (pinned && (r.kind == K::Import || r.kind == K::Ifunc || isGotType(r.type) ||
                 r.kind == K::Named)) {
    unsigned size = fieldSize(r.type);
    ArrayRef<uint8_t> bytes = image.bytesAt(r.place, size);
    if (size == 8)
      return Meaning{nullptr, 0, true};
    int64_t field = int32_t(read32le(bytes.data()));
    return pinnedTo(field - r.bias + (isAbsolute(r.type) ? 0 : r.place));
  }
  switch (r.kind) {
  case K::Address: {
    auto m = findAddress(r);
    if (!m || m->skip)
      return m;
    if (pinned && !m->symbol->isDefined())
      return pinnedTo(r.target);
    if (isGotType(r.type) && m->address != r.target)
      return exactly(*m, r.target);
    return m;
  }
  case K::Import:
    if (ObjectSymbol *s = imports.lookup(r.import)) {
      return Meaning{s, 0};
    }
    break;
  case K::Named: {
    ObjectSymbol &s = undefined(r.name);
    if (r.weak)
      s.binding = STB_WEAK;
    if (r.name == undefinedName)
      s.visibility = STV_HIDDEN; // not to be looked up
    if (r.type == R_X86_64_GOTTPOFF)
      s.type = STT_TLS;
    return Meaning{&s, 0};
  }
  case K::Number: {
    Meaning m = pinnedTo(r.target);
    m.symbol->binding = STB_LOCAL;
    return m;
  }
  case K::Ifunc:
    if (ObjectSymbol *s = ifuncs.lookup(r.target))
      return Meaning{s, r.target};
    break;
  case K::Thread:
    if (r.import)
      return Meaning{imports.lookup(r.import), 0};
    if (Meaning m = inThread(r.target, isGotType(r.type)); m.symbol)
      return m;
    break;
  }
  return program.error("the reference at " + program.describe(r.place) +
                       " has no symbol");
}

/// What the app holds must follow from the reference.
Error ObjectBuilder::checkField(const Reference &r, ArrayRef<uint8_t> bytes) {
  if (bytes.size() < fieldSize(r.type))
    return program.error("the reference at " + hex(r.place) +
                         " is not in the file");
  if (r.kind != Reference::Kind::Address || isGotType(r.type))
    return Error::success();
  uint64_t value = r.target + r.bias;
  if (r.type == R_X86_64_PC32 || r.type == R_X86_64_PLT32)
    value -= r.place;
  else if (r.type == R_X86_64_64 || r.type == R_X86_64_PC64)
    return Error::success(); // the loader's word: what is on disk is free
  if (uint32_t(value) != read32le(bytes.data()))
    return program.error("the reference at " + program.describe(r.place) +
                         " does not give what the program holds there");
  return Error::success();
}

Error ObjectBuilder::addRelocation(const Reference &r, Cursor &cursor) {
  ObjectSection *out = nullptr;
  uint64_t offset = 0;
  if (auto *move = cursor.movedAt(r.place)) {
    out = move->second.section;
    offset = move->second.offset + (r.place - move->first);
  } else if (frames && frames->contains(r.place)) {
    return Error::success(); // of a record that is left out
  } else if (Piece *p = cursor.pieceAt(r.place); p && p->output) {
    if (!pinned && isPointerArray(*p->section))
      return Error::success(); // a constructor that is left out
    out = p->output;
    offset = r.place - p->origin();
  }
  if (!out || program.isErased(r.place))
    return Error::success();
  if (pinned && r.kind == Reference::Kind::Address && isDropped(r.target))
    return Error::success();
  ArrayRef<uint8_t> data = out->data;
  if (Error e = checkField(r, data.drop_front(std::min<size_t>(offset, data.size()))))
    return e;
  auto meaning = find(r);
  if (!meaning)
    return meaning.takeError();
  if (meaning->skip)
    return Error::success();
  uint32_t type = r.type;
  if (pinned && (isGotType(type) || type == R_X86_64_PLT32))
    type = R_X86_64_PC32;
  uint64_t target = r.target;
  if (pinned && meaning->symbol->kind == ObjectSymbol::Kind::Absolute)
    target = meaning->address;
  std::fill_n(out->data.begin() + offset, fieldSize(type), 0);
  out->relocations.push_back(
      {offset, type, meaning->symbol, int64_t(target - meaning->address) + r.bias});
  if (placed)
    placed->push_back({r.place, out->relocations.back()});
  return Error::success();
}

/// Merges what is in order already: each step that found references found them in
/// theirs. Of runs, the last is merged while it is not much smaller than the one
/// before.
static void mergeRuns(std::vector<Reference> &all) {
  auto isBefore = [](const Reference &a, const Reference &b) {
    return std::pair(a.place, a.evidence) < std::pair(b.place, b.evidence);
  };
  std::vector<size_t> starts; // of runs
  auto mergeLast = [&](size_t end) {
    std::inplace_merge(all.begin() + starts[starts.size() - 2],
                       all.begin() + starts.back(), all.begin() + end, isBefore);
    starts.pop_back();
  };
  for (size_t at = 0; at < all.size();) {
    size_t end = std::is_sorted_until(all.begin() + at, all.end(), isBefore) -
                 all.begin();
    starts.push_back(at);
    while (starts.size() > 1 &&
           starts.back() - starts[starts.size() - 2] <= 2 * (end - starts.back()))
      mergeLast(end);
    at = end;
  }
  while (starts.size() > 1)
    mergeLast(all.size());
}

/// So that the lists need not grow.
void ObjectBuilder::countRelocations() {
  Cursor cursor(*this);
  const Piece *last = nullptr;
  size_t count = 0;
  auto finish = [&] {
    if (last && last->output)
      last->output->relocations.reserve(count);
  };
  for (const Reference &r : program.references) {
    const Piece *p = cursor.pieceAt(r.place);
    if (p != last) {
      finish();
      last = p;
      count = 0;
    }
    ++count;
  }
  finish();
}

Error ObjectBuilder::addRelocations() {
  mergeRuns(program.references);
  countRelocations();
  Cursor cursor(*this);
  uint64_t end = 0;
  const Reference *before = nullptr;
  for (const Reference &r : program.references) {
    if (before && before->place == r.place && before->type == r.type &&
        before->target == r.target)
      continue;
    if (before && r.place < end)
      return program.error("two references overlap at " +
                           program.describe(r.place) + ", by " +
                           toString(before->evidence) + " and by " +
                           toString(r.evidence));
    before = &r;
    end = r.place + fieldSize(r.type);
    if (Error e = addRelocation(r, cursor))
      return e;
  }
  return Error::success();
}

} // namespace relink
