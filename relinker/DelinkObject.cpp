//===- DelinkObject.cpp - Pieces and references become an object ----------===//
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

#include "Config.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <map>
#include <random>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;
using support::endian::write32le;
using support::endian::write64le;

namespace relink {
namespace {

unsigned fieldSize(uint32_t type) {
  return type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
}

bool isGotType(uint32_t type) {
  return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
         type == R_X86_64_REX_GOTPCRELX || type == R_X86_64_GOTTPOFF ||
         type == R_X86_64_TLSGD || type == R_X86_64_TLSLD;
}

class Builder {
public:
  Builder(Program &program, const DelinkConfig &config, PinnedLayout *pinned)
      : program(program), image(program.image), config(config), pinned(pinned),
        object(std::make_unique<Object>()), libraries(image, libraryConfig) {}
  Expected<std::unique_ptr<Object>> build();

private:
  struct Meaning {
    ObjectSymbol *symbol = nullptr;
    uint64_t address = 0; ///< the symbol's value, as the target counts
    bool skip = false;
  };
  void addSections();
  void addSection(Piece &piece);
  void addFrames();
  void addPinnedFrames();
  void addArray(Piece &piece);
  void addSymbols();
  void addSymbol(const ProgramSymbol &s);
  Error addImports();
  Error addRelocations();
  Error addRelocation(const Reference &r);
  Error checkField(const Reference &r);
  void addNotes();
  bool isDropped(uint64_t address);

  Expected<Meaning> find(const Reference &r);
  Expected<Meaning> findAddress(const Reference &r);
  Meaning inPiece(Piece &piece, uint64_t target, bool named);
  Meaning inThread(uint64_t offset, bool exact);
  ObjectSymbol &undefined(StringRef name);
  Meaning pinnedTo(uint64_t address);
  Meaning exactly(const Meaning &near, uint64_t address);

  Program &program;
  const Image &image;
  const DelinkConfig &config;
  PinnedLayout *pinned;
  Config libraryConfig;
  std::unique_ptr<Object> object;
  LibrarySearch libraries;
  /// Bytes of the app that lie elsewhere in their section now, by address.
  struct Move {
    uint64_t size = 0;
    ObjectSection *section = nullptr;
    uint64_t offset = 0;
  };
  std::map<uint64_t, Move> moves;
  const std::pair<const uint64_t, Move> *movedAt(uint64_t address) const;
  DenseMap<uint64_t, ObjectSymbol *> functions; ///< by address
  DenseMap<uint64_t, ObjectSymbol *> exactSymbols; ///< made for the GOT
  DenseMap<uint64_t, ObjectSymbol *> ifuncs;    ///< by resolver
  StringMap<ObjectSymbol *> globals, undefinedSymbols;
  DenseMap<unsigned, ObjectSymbol *> imports; ///< by index in .dynsym
  DenseMap<uint64_t, StringRef> linkerNames;  ///< crt's and the linker's, by address
  DenseMap<uint64_t, ObjectSymbol *> threadSymbols; ///< local, by offset
  const Section *frames = nullptr;
};

const std::pair<const uint64_t, Builder::Move> *
Builder::movedAt(uint64_t address) const {
  auto it = moves.upper_bound(address);
  if (it == moves.begin() || address - std::prev(it)->first >=
                                 std::prev(it)->second.size)
    return nullptr;
  return &*std::prev(it);
}

bool isPointerArray(const Section &s) {
  return s.type == SHT_INIT_ARRAY || s.type == SHT_FINI_ARRAY ||
         s.type == SHT_PREINIT_ARRAY;
}

bool Builder::isDropped(uint64_t address) {
  Piece *p = program.pieceAt(address);
  return p && p->dropped;
}

/// Constructors that the start-up objects bring again are left out.
void Builder::addArray(Piece &piece) {
  ObjectSection &out = object->addSection(piece.name, piece.section->type,
                                          SHF_ALLOC | SHF_WRITE);
  out.align = 8;
  for (const Reference &r : program.references) {
    if (r.place - piece.address >= piece.size ||
        (r.kind == Reference::Kind::Address && isDropped(r.target)))
      continue;
    moves[r.place] = {8, &out, out.data.size()};
    out.data.resize(out.data.size() + 8);
  }
  out.size = out.data.size();
  if (out.data.empty())
    object->sections.pop_back();
  else
    piece.output = &out;
}

void Builder::addSection(Piece &piece) {
  const Section &s = *piece.section;
  if (!pinned && isPointerArray(s))
    return addArray(piece);
  uint64_t flags = s.flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR | SHF_TLS);
  std::string name = piece.name;
  // .tbss takes no addresses: another section may have the same one.
  if (pinned)
    name = ".p." + utohexstr(piece.address, true) +
           (piece.isTls() && !piece.fileSize ? "t" : "");
  ObjectSection &out = object->addSection(
      name, piece.fileSize ? (pinned || s.type == SHT_NOBITS ? SHT_PROGBITS : s.type)
                           : SHT_NOBITS,
      flags);
  out.align = piece.isCode()
                  ? std::min<uint64_t>(uint64_t(1) << countr_zero(piece.address),
                                       std::max<uint64_t>(s.align, 1))
                  : std::max<uint64_t>(s.align, 1);
  out.size = piece.size;
  if (piece.fileSize) {
    ArrayRef<uint8_t> bytes = image.bytesAt(piece.address, piece.fileSize);
    out.data.assign(bytes.begin(), bytes.end());
    out.data.resize(piece.size);
  }
  piece.output = &out;
  if (pinned)
    pinned->sections.push_back({name, piece.address});
}

void Builder::addSections() {
  std::vector<Piece *> order;
  for (Piece &p : program.pieces)
    if (!p.dropped)
      order.push_back(&p);
  for (Piece &p : program.tlsPieces)
    if (!p.fileSize)
      order.push_back(&p);
  if (config.shuffle && !pinned) {
    std::mt19937_64 random(*config.shuffle);
    std::shuffle(order.begin(), order.end(), random);
  }
  for (Piece *p : order)
    addSection(*p);
  for (Piece &p : program.tlsPieces)
    if (p.fileSize)
      p.output = program.pieceAt(p.address)->output;
}

/// Records of functions that stay, each CIE before its first FDE.
void Builder::addFrames() {
  if (!frames)
    return;
  ObjectSection &out =
      object->addSection(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC);
  out.align = 8;
  auto append = [&](const UnwindRecord &f) {
    uint64_t at = out.data.size();
    ArrayRef<uint8_t> bytes = image.bytesAt(f.address, f.size);
    out.data.insert(out.data.end(), bytes.begin(), bytes.end());
    moves[f.address] = {f.size, &out, at};
    return at;
  };
  DenseMap<uint64_t, const UnwindRecord *> cies;
  DenseMap<uint64_t, uint64_t> cieAt;
  for (const UnwindRecord &f : program.frames)
    if (!f.cie)
      cies[f.address] = &f;
  for (const UnwindRecord &f : program.frames) {
    Piece *p = f.cie ? program.pieceAt(f.start) : nullptr;
    const UnwindRecord *cie = cies.lookup(f.cie);
    if (!p || p->dropped || !p->isCode() || !cie)
      continue;
    if (auto [it, fresh] = cieAt.try_emplace(f.cie, 0); fresh)
      cieAt[f.cie] = append(*cie);
    uint64_t at = append(f);
    write32le(&out.data[at + 4], at + 4 - cieAt[f.cie]);
  }
  out.size = out.data.size();
}

/// For the proof .eh_frame is like any other section.
void Builder::addPinnedFrames() {
  if (!frames)
    return;
  std::string name = ".p." + utohexstr(frames->address, true);
  ObjectSection &out = object->addSection(name, SHT_PROGBITS, SHF_ALLOC);
  ArrayRef<uint8_t> bytes = image.bytesAt(frames->address, frames->size);
  out.data.assign(bytes.begin(), bytes.end());
  out.size = out.data.size();
  moves[frames->address] = {bytes.size(), &out, 0};
  pinned->sections.push_back({name, frames->address});
}

void Builder::addSymbol(const ProgramSymbol &s) {
  Piece *piece = nullptr;
  if (s.type == STT_TLS) {
    const Phdr *tls = image.segmentOfType(PT_TLS);
    for (Piece &p : program.tlsPieces)
      if (tls && s.address + tls->p_vaddr - p.address < p.size)
        piece = &p;
  } else {
    for (const Program::Copy &c : program.copies)
      if (s.address - c.address < std::max<uint64_t>(c.size, 1))
        return;
    if (s.section >= image.sections.size())
      return;
    // A symbol at the end of its section is not what follows.
    piece = image.sections[s.section].contains(s.address)
                ? program.pieceAt(s.address)
                : program.pieceEndingAt(s.address);
    if (!piece || piece->dropped)
      return;
  }
  if (!piece || !piece->output || isPointerArray(*piece->section))
    return;
  uint64_t base = piece->address;
  if (s.type == STT_TLS)
    base -= image.segmentOfType(PT_TLS)->p_vaddr;
  ObjectSymbol &out = object->addSymbol(s.name);
  out.kind = ObjectSymbol::Kind::Defined;
  out.type = s.type;
  out.binding = pinned ? uint8_t(STB_LOCAL) : s.binding;
  out.visibility = s.visibility;
  out.section = piece->output;
  out.value = s.address - base;
  out.size = s.size;
  bool isGlobal = s.binding != STB_LOCAL;
  if (s.type == STT_TLS && !isGlobal)
    threadSymbols.try_emplace(s.address, &out);
  if (s.type == STT_GNU_IFUNC) {
    if (isGlobal || !ifuncs.count(s.address))
      ifuncs[s.address] = &out;
  } else if (piece->isCode() && s.type == STT_FUNC) {
    ObjectSymbol *&known = functions[s.address];
    if (!known || (known->isLocal() && isGlobal))
      known = &out;
  }
  if (isGlobal)
    globals[StringRef(s.name).split('@').first] = &out;
}

void Builder::addSymbols() {
  for (const ProgramSymbol &s : program.symbols) {
    if (isLinkerMadeSymbol(s.name) &&
        (s.type == STT_NOTYPE || s.name != "end")) {
      linkerNames.try_emplace(s.address, s.name);
      continue;
    }
    if (!isStartUpFunction(s.name))
      addSymbol(s);
  }
  auto name = [&](uint64_t address, StringRef text, uint64_t size, uint8_t type,
                  uint8_t binding) {
    Piece *p = program.pieceAt(address);
    if (!p || p->dropped || !p->output || !p->isCode())
      return;
    addSymbol({text.str(), address, size, type, binding, 0, p->section->index});
  };
  if (program.mainAddress && !globals.contains("main"))
    name(program.mainAddress, "main", 0, STT_FUNC,
         pinned ? STB_LOCAL : STB_GLOBAL);
  for (const auto &[at, slot] : program.slots)
    if (slot.kind == Reference::Kind::Ifunc && !ifuncs.count(slot.target))
      name(slot.target, "ifunc_" + utohexstr(slot.target, true), 0, STT_GNU_IFUNC,
           STB_LOCAL);
  if (!program.named)
    for (Piece &p : program.pieces)
      if (p.isCode() && !functions.count(p.address))
        name(p.address, "fn_" + utohexstr(p.address, true), p.size, STT_FUNC,
             STB_LOCAL);
}

ObjectSymbol &Builder::undefined(StringRef name) {
  ObjectSymbol *&s = undefinedSymbols[name];
  if (!s)
    s = &object->addSymbol(name);
  return *s;
}

/// A version is stated only where a link today would choose another one.
Error Builder::addImports() {
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  for (const Reference &r : program.references) {
    if (!r.import || imports.count(r.import))
      continue;
    if (r.import >= dynamic.size())
      return program.error("a relocation names a symbol that does not exist");
    const Sym &s = dynamic[r.import];
    std::string name = image.dynamicName(s).str();
    if (s.st_shndx != SHN_UNDEF && globals.contains(name)) {
      imports[r.import] = globals[name];
      continue;
    }
    StringRef version = image.dynamicVersion(r.import);
    if (!version.empty()) {
      auto now = libraries.find(name);
      if (!now)
        return now.takeError();
      if (!*now || (*now)->version != version) {
        auto exact = libraries.find(name, version);
        if (!exact)
          return exact.takeError();
        if (*exact)
          name = (Twine(name) + "@" + version).str();
      }
    }
    ObjectSymbol &out = undefined(name);
    out.binding = s.getBinding() == STB_WEAK ? STB_WEAK : STB_GLOBAL;
    if (s.getType() == STT_TLS)
      out.type = STT_TLS;
    imports[r.import] = &out;
  }
  return Error::success();
}

Builder::Meaning Builder::pinnedTo(uint64_t address) {
  ObjectSymbol &s = undefined("at." + utohexstr(address, true));
  s.kind = ObjectSymbol::Kind::Absolute;
  s.value = address;
  return {&s, address};
}

/// A GOT slot holds a symbol's value: an addend would count in the GOT.
Builder::Meaning Builder::exactly(const Meaning &near, uint64_t address) {
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

Builder::Meaning Builder::inPiece(Piece &piece, uint64_t target, bool named) {
  if (named)
    if (ObjectSymbol *s = functions.lookup(target))
      return {s, target};
  return {&object->sectionSymbol(*piece.output), piece.address};
}

/// \p exact: linkers know no addend for what goes through a slot.
Builder::Meaning Builder::inThread(uint64_t offset, bool exact) {
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

Expected<Builder::Meaning> Builder::findAddress(const Reference &r) {
  // In a library a reference that was bound at link time stays bound.
  bool named = image.kind != ImageKind::Shared;
  Piece *p = program.pieceAt(r.target);
  if (p && p->isTls() && !p->output)
    p = nullptr;
  if (auto it = linkerNames.find(r.target);
      it != linkerNames.end() && it->second == "__dso_handle")
    return Meaning{&undefined("__dso_handle"), r.target};
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
  for (const Phdr &s : image.segments)
    if (s.p_type == PT_LOAD && s.p_offset == 0 && s.p_vaddr == r.target)
      return Meaning{&undefined("__ehdr_start"), r.target};
  if (Piece *before = program.pieceEndingAt(r.target))
    if (before->output)
      return inPiece(*before, r.target, false);
  return program.error("the reference at " + program.describe(r.place) +
                       " leads to " + program.describe(r.target) +
                       ", where the program has nothing of its own\n>>> it may "
                       "be biased by an index; which object it means is not "
                       "known");
}

Expected<Builder::Meaning> Builder::find(const Reference &r) {
  using K = Reference::Kind;
  if (pinned && (r.kind == K::Import || r.kind == K::Ifunc || isGotType(r.type) ||
                 r.kind == K::Named)) {
    unsigned size = fieldSize(r.type);
    ArrayRef<uint8_t> bytes = image.bytesAt(r.place, size);
    if (size == 8)
      return Meaning{nullptr, 0, true};
    return pinnedTo(r.place - r.bias + int32_t(read32le(bytes.data())));
  }
  switch (r.kind) {
  case K::Address: {
    auto m = findAddress(r);
    if (!m)
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
  case K::Named:
    return Meaning{&undefined(r.name), 0};
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
Error Builder::checkField(const Reference &r) {
  ArrayRef<uint8_t> bytes = image.bytesAt(r.place, fieldSize(r.type));
  if (bytes.empty())
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

Error Builder::addRelocation(const Reference &r) {
  ObjectSection *out = nullptr;
  uint64_t offset = 0;
  if (auto *move = movedAt(r.place)) {
    out = move->second.section;
    offset = move->second.offset + (r.place - move->first);
  } else if (frames && frames->contains(r.place)) {
    return Error::success(); // of a record that is left out
  } else if (Piece *p = program.pieceAt(r.place); p && p->output) {
    if (!pinned && isPointerArray(*p->section))
      return Error::success(); // a constructor that is left out
    out = p->output;
    offset = r.place - p->address;
  }
  if (!out)
    return Error::success();
  if (pinned && r.kind == Reference::Kind::Address && isDropped(r.target))
    return Error::success();
  if (Error e = checkField(r))
    return e;
  // The start-up objects' own handle, which its word points to.
  if (r.kind == Reference::Kind::Address && r.target == r.place &&
      r.type == R_X86_64_64) {
    auto it = linkerNames.find(r.target);
    if (it != linkerNames.end() && it->second == "__dso_handle")
      linkerNames.erase(it);
  }
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
  return Error::success();
}

Error Builder::addRelocations() {
  llvm::stable_sort(program.references, [](const auto &a, const auto &b) {
    return a.place < b.place;
  });
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
    if (Error e = addRelocation(r))
      return e;
  }
  return Error::success();
}

void Builder::addNotes() {
  const Phdr *stack = image.segmentOfType(PT_GNU_STACK);
  object->addSection(".note.GNU-stack", SHT_PROGBITS,
                     stack && (stack->p_flags & PF_X) ? uint64_t(SHF_EXECINSTR)
                                                      : 0);
  addPropertyNote(*object, image.ibt, image.shstk);
}

Expected<std::unique_ptr<Object>> Builder::build() {
  object->name = image.path;
  frames = image.section(".eh_frame");
  if (frames && (frames->type == SHT_NOBITS || !frames->size))
    frames = nullptr;
  addSections();
  pinned ? addPinnedFrames() : addFrames();
  addSymbols();
  if (!pinned)
    if (Error e = addImports())
      return e;
  if (Error e = addRelocations())
    return e;
  for (ObjectSection &s : object->sections)
    llvm::stable_sort(s.relocations, [](const auto &a, const auto &b) {
      return a.offset < b.offset;
    });
  if (!pinned)
    addNotes();
  return std::move(object);
}

} // namespace

Expected<std::unique_ptr<Object>> buildObject(Program &program,
                                              const DelinkConfig &config,
                                              PinnedLayout *pinned) {
  for (auto *list : {&program.pieces, &program.tlsPieces})
    for (Piece &p : *list)
      p.output = nullptr;
  return Builder(program, config, pinned).build();
}

} // namespace relink
