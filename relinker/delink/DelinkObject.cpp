//===- DelinkObject.cpp - Pieces become sections of an object -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkBuilder.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <random>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {

const std::pair<uint64_t, ObjectBuilder::Move> *
ObjectBuilder::Cursor::movedAt(uint64_t address) {
  const auto &moves = builder.moves;
  while (move < moves.size() && moves[move].first <= address)
    ++move;
  if (!move || address - moves[move - 1].first >= moves[move - 1].second.size)
    return nullptr;
  return &moves[move - 1];
}

Piece *ObjectBuilder::Cursor::pieceAt(uint64_t address) {
  std::vector<Piece> &pieces = builder.program.pieces;
  while (piece < pieces.size() && pieces[piece].address <= address)
    ++piece;
  return piece && address < pieces[piece - 1].end() ? &pieces[piece - 1] : nullptr;
}

Piece *ObjectBuilder::pieceAt(uint64_t address) {
  auto it = llvm::upper_bound(pieceStarts, address);
  if (it == pieceStarts.begin())
    return nullptr;
  Piece &p = program.pieces[it - pieceStarts.begin() - 1];
  return address < p.end() ? &p : nullptr;
}

bool isPointerArray(const Section &s) {
  return s.type == SHT_INIT_ARRAY || s.type == SHT_FINI_ARRAY ||
         s.type == SHT_PREINIT_ARRAY;
}

bool ObjectBuilder::isDropped(uint64_t address) {
  Piece *p = pieceAt(address);
  return p && p->dropped;
}

/// Constructors that the start-up objects bring again are left out.
void ObjectBuilder::addArray(Piece &piece) {
  ObjectSection &out = object->addSection(piece.name, piece.section->type,
                                          SHF_ALLOC | SHF_WRITE);
  out.align = 8;
  std::vector<uint64_t> places; // what the loader looks up comes last in its tables
  for (const Reference &r : program.references)
    if (r.place - piece.address < piece.size &&
        !(r.kind == Reference::Kind::Address && isDropped(r.target)))
      places.push_back(r.place);
  llvm::sort(places);
  for (uint64_t place : places) {
    moves.push_back({place, {8, &out, out.data.size()}});
    out.data.resize(out.data.size() + 8);
  }
  out.size = out.data.size();
  if (out.data.empty())
    object->sections.pop_back();
  else
    piece.output = &out;
}

void ObjectBuilder::addSection(Piece &piece) {
  const Section &s = *piece.section;
  if (!pinned && isPointerArray(s))
    return addArray(piece);
  uint64_t flags = s.flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR | SHF_TLS);
  std::string name = piece.name;
  if (pinned)
    name = pinnedName(piece);
  ObjectSection &out = object->addSection(
      name, piece.fileSize ? (pinned || s.type == SHT_NOBITS ? SHT_PROGBITS : s.type)
                           : SHT_NOBITS,
      flags);
  out.align = piece.align;
  piece.lead = pinned || piece.isTls() ? 0 : piece.address % piece.align;
  constexpr uint64_t mostLead = 1 << 16; // of a file that says anything
  if (piece.lead > mostLead)
    piece.lead = 0;
  if (pinned && !piece.isTls())
    out.align = 1;
  else if (pinned || piece.address % piece.align != piece.lead)
    out.align = alignmentOf(piece.address, out.align);
  out.size = piece.size + piece.lead;
  if (piece.fileSize)
    out.data = program.contents(piece.address, piece.size);
  if (piece.fileSize && piece.lead)
    out.data.insert(out.data.begin(), piece.lead,
                    piece.isCode() ? program.target.trapByte() : uint8_t(0));
  for (const auto &[address, r] : program.replaced)
    if (r.isErased && address - piece.address < piece.size)
      std::fill_n(out.data.begin() + (address - piece.origin()), r.size,
                  program.target.trapByte());
  piece.output = &out;
  if (pinned)
    pinned->sections.push_back({name, piece.address, piece.size});
}

/// The script names the section of the app, and pieces of one are ordered by their
/// names. .tbss takes no addresses: another section may have the same one.
std::string ObjectBuilder::pinnedName(const Piece &piece) {
  return PinnedLayout::group(piece.section->index) + utohexstr(piece.address, true, 16) +
         (piece.isTls() && !piece.fileSize ? "t" : "");
}

/// In `pinned` mode a piece reaches up to the next of its section.
void ObjectBuilder::closeGaps(ArrayRef<Piece *> order) {
  for (size_t i = 1; i < order.size(); ++i) {
    Piece &p = *order[i - 1], &next = *order[i];
    if (p.section != next.section || p.isTls() || next.address < p.end())
      continue;
    p.output->size = next.address - p.address;
    if (p.fileSize)
      p.output->data.resize(p.output->size);
  }
}

void ObjectBuilder::addSections() {
  std::vector<Piece *> order;
  for (Piece &p : program.pieces)
    if (!p.dropped && !p.isReplaced)
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
  if (pinned)
    closeGaps(order);
  for (Piece &p : program.tlsPieces)
    if (p.fileSize)
      p.output = program.pieceAt(p.address)->output;
}

/// Records of functions that stay, each CIE before its first FDE.
void ObjectBuilder::addFrames() {
  if (!frames)
    return;
  ObjectSection &out =
      object->addSection(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC);
  out.align = 8;
  auto append = [&](const UnwindRecord &f) {
    uint64_t at = out.data.size();
    ArrayRef<uint8_t> bytes = image.bytesAt(f.address, f.size);
    out.data.insert(out.data.end(), bytes.begin(), bytes.end());
    moves.push_back({f.address, {f.size, &out, at}});
    return at;
  };
  AddressMap<const UnwindRecord *> cies;
  AddressMap<uint64_t> cieAt;
  for (const UnwindRecord &f : program.frames)
    if (!f.cie)
      cies[f.address] = &f;
  for (const UnwindRecord &f : program.frames) {
    Piece *p = f.cie ? program.pieceAt(f.start) : nullptr;
    const UnwindRecord *cie = cies.lookup(f.cie);
    if (!p || !p->output || !p->isCode() || !cie)
      continue;
    if (auto [it, fresh] = cieAt.try_emplace(f.cie, 0); fresh)
      cieAt[f.cie] = append(*cie);
    uint64_t at = append(f);
    write32le(&out.data[at + 4], at + 4 - cieAt[f.cie]);
  }
  out.size = out.data.size();
}

/// For the proof .eh_frame is like any other section.
void ObjectBuilder::addPinnedFrames() {
  if (!frames)
    return;
  std::string name = PinnedLayout::group(frames->index) + "all";
  ObjectSection &out = object->addSection(name, SHT_PROGBITS, SHF_ALLOC);
  ArrayRef<uint8_t> bytes = image.bytesAt(frames->address, frames->size);
  out.data.assign(bytes.begin(), bytes.end());
  out.size = out.data.size();
  moves.push_back({frames->address, {bytes.size(), &out, 0}});
  pinned->sections.push_back({name, frames->address, frames->size});
}

void ObjectBuilder::addSymbol(const ProgramSymbol &s) {
  Piece *piece = nullptr;
  if (s.type != STT_TLS && program.replaced.contains(s.address))
    return; // the new body has its names
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
  // Linkers make hidden symbols local; start-up objects ask for some.
  bool wanted = s.binding == STB_LOCAL && wantedByStartUp.contains(s.name) &&
                wantedByStartUp.lookup(s.name) == s.address;
  bool isGlobal = s.binding != STB_LOCAL || wanted;
  if (isGlobal && known.contains(s.name)) // mold lists some twice
    return;
  uint64_t base = piece->origin();
  if (s.type == STT_TLS)
    base -= image.segmentOfType(PT_TLS)->p_vaddr;
  ObjectSymbol &out = object->addSymbol(s.name);
  out.kind = ObjectSymbol::Kind::Defined;
  out.type = s.type;
  out.binding = pinned ? uint8_t(STB_LOCAL) : wanted ? uint8_t(STB_GLOBAL) : s.binding;
  out.visibility = wanted ? uint8_t(STV_HIDDEN) : s.visibility;
  out.section = piece->output;
  out.value = s.address - base;
  out.size = s.size;
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
  if (isGlobal) {
    known.insert(s.name);
    globals[StringRef(s.name).split('@').first] = &out;
  }
}

/// A place that other objects refer to. In none of the pieces, it stays undefined.
void ObjectBuilder::addPlace(const ProgramSymbol &s) {
  const Phdr *tls = image.segmentOfType(PT_TLS);
  Meaning m;
  if (s.type == STT_TLS) {
    m = inThread(s.address, true);
  } else {
    // lld has an indirect function's name at its PLT entry.
    auto stub = program.stubs.find(s.address);
    ObjectSymbol *ifunc = stub != program.stubs.end() &&
                                  stub->second.kind == Reference::Kind::Ifunc
                              ? ifuncs.lookup(stub->second.target)
                              : nullptr;
    if (ifunc) {
      ObjectSymbol &out = object->addSymbol(s.name);
      std::string name = std::move(out.name);
      out = *ifunc;
      out.name = std::move(name);
      out.binding = STB_GLOBAL;
      out.visibility = STV_HIDDEN;
      return;
    }
    Piece *p = StringRef(s.name).starts_with("__stop_") ? program.pieceEndingAt(s.address)
                                                        : nullptr;
    if (!p)
      p = program.pieceAt(s.address);
    if (!p)
      p = program.pieceEndingAt(s.address);
    if (!p || !p->output)
      return;
    m = {&object->sectionSymbol(*p->output), p->origin()};
  }
  if (!m.symbol || (s.type == STT_TLS && !tls))
    return;
  ObjectSymbol &out = object->addSymbol(s.name);
  out.kind = ObjectSymbol::Kind::Defined;
  out.type = s.type;
  out.visibility = STV_HIDDEN;
  out.section = m.symbol->section;
  out.value = m.symbol->value + (s.address - m.address);
  out.size = s.size;
}

void ObjectBuilder::findWanted() {
  for (const auto &[place, k] : program.kept)
    if (k.section && k.symbolType != STT_SECTION && isDropped(place))
      wantedByStartUp[k.name] = k.value;
}

void ObjectBuilder::addSymbols() {
  findWanted();
  for (const ProgramSymbol &s : program.symbols) {
    if (program.bringsSymbol(s.name) &&
        (s.type == STT_NOTYPE || s.name != "end"))
      continue;
    if (!program.bringsFunction(s.name))
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
  if (program.startMain && !globals.contains("__libc_start_main"))
    name(program.startMain, "__libc_start_main", 0, STT_FUNC,
         pinned ? STB_LOCAL : STB_GLOBAL);
  for (const auto &[at, slot] : program.slots)
    if (slot.kind == Reference::Kind::Ifunc && !ifuncs.count(slot.target))
      name(slot.target, "ifunc_" + utohexstr(slot.target, true), 0, STT_GNU_IFUNC,
           STB_LOCAL);
  for (const ProgramSymbol &s : program.places)
    addPlace(s);
  if (!program.named)
    for (Piece &p : program.pieces)
      if (p.isCode() && !functions.count(p.address))
        name(p.address, "fn_" + utohexstr(p.address, true), p.size, STT_FUNC,
             STB_LOCAL);
}

ObjectSymbol &ObjectBuilder::undefined(StringRef name) {
  ObjectSymbol *&s = undefinedSymbols[name];
  if (!s)
    s = &object->addSymbol(name);
  return *s;
}
/// A version is stated only where a link today would choose another one.
Error ObjectBuilder::addImports() {
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  for (const Reference &r : program.references) {
    if (!r.import || imports.count(r.import))
      continue;
    if (r.import >= dynamic.size())
      return program.error("the reference at " + program.describe(r.place) +
                           " names a symbol that does not exist");
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

void ObjectBuilder::addNotes() {
  const Phdr *stack = image.segmentOfType(PT_GNU_STACK);
  object->addSection(".note.GNU-stack", SHT_PROGBITS,
                     stack && (stack->p_flags & PF_X) ? uint64_t(SHF_EXECINSTR)
                                                      : 0);
  addPropertyNote(*object, image.ibt, image.shstk);
}

Expected<std::unique_ptr<Object>> ObjectBuilder::build() {
  object->name = image.path;
  frames = image.section(".eh_frame");
  if (frames && (frames->type == SHT_NOBITS || !frames->size))
    frames = nullptr;
  for (const Piece &p : program.pieces)
    pieceStarts.push_back(p.address);
  addSections();
  pinned ? addPinnedFrames() : addFrames();
  llvm::stable_sort(moves, llvm::less_first());
  // What is needed of the sections was copied.
  image.release();
  addSymbols();
  if (!pinned)
    if (Error e = addImports())
      return e;
  image.release(); // names were read
  if (Error e = addRelocations())
    return e;
  auto isBefore = [](const ObjectRelocation &a, const ObjectRelocation &b) {
    return a.offset < b.offset;
  };
  for (ObjectSection &s : object->sections)
    if (!llvm::is_sorted(s.relocations, isBefore))
      llvm::stable_sort(s.relocations, isBefore);
  if (!pinned)
    addNotes();
  return std::move(object);
}


Expected<std::unique_ptr<Object>> buildObject(Program &program,
                                              const DelinkConfig &config,
                                              PinnedLayout *pinned,
                                              std::vector<PlacedRelocation> *placed) {
  for (auto *list : {&program.pieces, &program.tlsPieces})
    for (Piece &p : *list)
      p.output = nullptr;
  return ObjectBuilder(program, config, pinned, placed).build();
}

} // namespace relink
