//===- ReserveObject.cpp - The object with pools and note -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReserveObject.h"
#include "EntryTable.h"
#include "FunctionPadding.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;

namespace relink {
namespace {

using ELFT = object::ELF64LE;

constexpr uint64_t poolAlign = 64, tlsAlign = 16;

constexpr const char *poolSections[poolKinds] = {
    reserve::textSection, ".relink.rodata", ".data.rel.ro.relink_pool",
    ".relink.data", ".relink.bss",    ".tdata.relink_pool"};
constexpr uint64_t poolFlags[poolKinds] = {
    SHF_ALLOC | SHF_EXECINSTR, SHF_ALLOC, SHF_ALLOC | SHF_WRITE,
    SHF_ALLOC | SHF_WRITE, SHF_ALLOC | SHF_WRITE,
    SHF_ALLOC | SHF_WRITE | SHF_TLS};

template <typename T> StringRef rawBytes(const T &v) {
  return {reinterpret_cast<const char *>(&v), sizeof(T)};
}

/// A word to be filled in by the linker.
struct Field {
  enum Kind { Distance, ShortDistance, Address } kind;
  uint64_t at;
  unsigned symbol; ///< of a section: its index; others follow
  int64_t addend = 0;
};

uint32_t relocationType(uint16_t machine, Field::Kind kind) {
  bool arm = machine == EM_AARCH64;
  switch (kind) {
  case Field::Distance:
    return arm ? uint32_t(R_AARCH64_PREL64) : uint32_t(R_X86_64_PC64);
  case Field::ShortDistance:
    return arm ? uint32_t(R_AARCH64_PREL32) : uint32_t(R_X86_64_PC32);
  case Field::Address:
    return arm ? uint32_t(R_AARCH64_ABS64) : uint32_t(R_X86_64_64);
  }
  llvm_unreachable("all kinds are named");
}

struct NewSection {
  std::string name;
  uint32_t type;
  uint64_t flags, align;
  std::string data;
  uint64_t room = 0; ///< of a pool: bytes of the file it may take
  uint32_t link = 0, info = 0, entrySize = 0;
  uint64_t offset = 0;
  int pool = -1;
  std::vector<Field> fields;
};

/// Spare symbols come behind those of the sections; their number is known last.
constexpr unsigned spareSymbols = 1u << 31;
constexpr unsigned stringRoom = 128;
/// Dynamic relocations for each spare import, with a symbol and relative.
constexpr unsigned relocationsPerImport = 2, relativesPerImport = 1;
/// Where the word lies that they are all of: at an odd address, so that relative
/// ones are never packed (-z pack-relative-relocs).
constexpr unsigned slotOffset = 1;

/// A note record (gABI, "Note Section"): name and descriptor padded to 4.
std::string note(uint32_t type, StringRef owner, StringRef desc) {
  ulittle32_t head[3] = {};
  head[0] = owner.size() + 1;
  head[1] = desc.size();
  head[2] = type;
  std::string out(rawBytes(head));
  out += owner;
  out.resize(alignTo(out.size() + 1, 4));
  out += desc;
  out.resize(alignTo(out.size(), 4));
  return out;
}

/// NT_GNU_PROPERTY_TYPE_0 with one property whose value linkers AND over the
/// inputs (x86-64 psABI, AArch64 SYSVABI): all of its bits.
std::string propertyNote(uint16_t machine) {
  ulittle32_t property[4] = {};
  property[0] = machine == EM_AARCH64 ? GNU_PROPERTY_AARCH64_FEATURE_1_AND
                                      : GNU_PROPERTY_X86_FEATURE_1_AND;
  property[1] = 4;
  property[2] = machine == EM_AARCH64 ? GNU_PROPERTY_AARCH64_FEATURE_1_BTI |
                                            GNU_PROPERTY_AARCH64_FEATURE_1_PAC |
                                            GNU_PROPERTY_AARCH64_FEATURE_1_GCS
                                      : GNU_PROPERTY_X86_FEATURE_1_IBT |
                                            GNU_PROPERTY_X86_FEATURE_1_SHSTK;
  return note(NT_GNU_PROPERTY_TYPE_0, "GNU", rawBytes(property));
}

/// The sections of the object, and from them the file.
class Builder {
public:
  Builder(uint16_t machine, const LinkOptions &options,
          const std::array<uint64_t, poolKinds> &largest);
  void layOut();
  void write(char *out) const;

  std::vector<NewSection> sections; ///< the null section left out
  uint64_t fileSize = 0, headerTable = 0, poolStart = 0;
  unsigned noteSection = 0; ///< index in sections

private:
  unsigned add(NewSection s) {
    sections.push_back(std::move(s));
    return sections.size(); // its index in the file
  }
  void addSpareNotes();
  void addConstructors();
  void addFrames();
  void addDynamicRoom();
  void addNote();
  void addTables();
  void addRelocations(unsigned symtab);

  uint16_t machine;
  const LinkOptions &options;
  std::vector<unsigned> poolIndices, spareIndices; ///< in the file
  unsigned constructorIndex = 0, frameIndex = 0, slotIndex = 0; ///< or 0: none
  std::vector<std::string> spareNames; ///< the last two are not spare
};

Builder::Builder(uint16_t machine, const LinkOptions &options,
                 const std::array<uint64_t, poolKinds> &largest)
    : machine(machine), options(options) {
  for (unsigned i = 0; i < poolKinds; ++i) {
    if (!largest[i])
      continue;
    NewSection s{poolSections[i], SHT_PROGBITS, poolFlags[i], poolAlign, ""};
    if (i + 1 == unsigned(PoolKind::Tls))
      s.align = tlsAlign; // that of the whole block
    s.pool = i;
    if (i + 1 == unsigned(PoolKind::Bss))
      s.type = SHT_NOBITS;
    else
      s.room = largest[i];
    poolIndices.push_back(add(std::move(s)));
  }
  addSpareNotes();
  addConstructors();
  addFrames();
  addDynamicRoom();
  if (options.tables.record)
    add({recordPoolName, SHT_PROGBITS, 0, 8,
         std::string(alignTo(options.tables.record, 8), '\0')});
  addNote();
  add({".note.gnu.property", SHT_NOTE, SHF_ALLOC, 8, propertyNote(machine)});
  add({".note.GNU-stack", SHT_PROGBITS, 0, 1, ""});
  addTables();
}

/// lld makes one PT_NOTE of neighbouring notes of one alignment, so notes that
/// alternate between 8 and 4 get one each. In front are notes of start-up
/// files, aligned to 4; behind come the build-id (4), the properties (8), both
/// or nothing. So the first and the last spare one are aligned to 8, which
/// takes an odd number, and .note.relink, aligned to 4, closes the row. Spare
/// ones have no descriptor: where it would start depends on the alignment.
void Builder::addSpareNotes() {
  for (unsigned i = 0; i < options.spareHeaders; ++i) {
    unsigned align = i % 2 ? 4 : 8;
    std::string data = note(spareHeaderNoteType, noteOwner, "");
    data.resize(alignTo(data.size(), align));
    spareIndices.push_back(add({".note.relink.spare" + std::to_string(i + 1),
                                SHT_NOTE, SHF_ALLOC, align, data}));
  }
}

/// Words of .init_array that call a function which does nothing, until a patch
/// needs them. The reserve is the last input, so they are the last to be called.
void Builder::addConstructors() {
  if (!options.tables.constructors)
    return;
  constexpr char x86[] = "\xf3\x0f\x1e\xfa\xc3";              // endbr64; ret
  constexpr char arm[] = "\x5f\x24\x03\xd5\xc0\x03\x5f\xd6"; // bti c; ret
  StringRef code = machine == EM_AARCH64 ? StringRef(arm, 8) : StringRef(x86, 5);
  unsigned nothing = add({".text.relink.nothing", SHT_PROGBITS,
                          SHF_ALLOC | SHF_EXECINSTR, 4, code.str()});
  NewSection s{".init_array", SHT_INIT_ARRAY, SHF_ALLOC | SHF_WRITE, 8, ""};
  s.data.resize(options.tables.constructors * 8);
  for (unsigned i = 0; i < options.tables.constructors; ++i)
    s.fields.push_back({Field::Address, i * 8, nothing});
  constructorIndex = add(std::move(s));
}

constexpr unsigned cieSize = 32, fdeSize = 48;

/// Records of the first bytes of the text pool, which nobody runs (LSB,
/// "Exception Frames"). Their CIE is longer than others, so that lld does not
/// join it with one, and the records stay together.
void Builder::addFrames() {
  if (!options.tables.frames || poolIndices.empty() ||
      sections[poolIndices[0] - 1].pool + 1 != int(PoolKind::Text))
    return;
  auto word = [](uint32_t v) {
    ulittle32_t w;
    w = v;
    return std::string(rawBytes(w));
  };
  NewSection s{".eh_frame", SHT_PROGBITS, SHF_ALLOC, 8, ""};
  s.data = word(cieSize - 4) + word(0);
  // Version, augmentation, code alignment, data alignment -8, return address
  // column, encoding of addresses (relative to the field, 4 bytes); the rule for
  // the frame's address.
  if (machine == EM_AARCH64)
    s.data += StringRef("\1zR\0\4\x78\x1e\1\x1b\x0c\x1f\0", 12);
  else
    s.data += StringRef("\1zR\0\1\x78\x10\1\x1b\x0c\7\x08\x90\1", 14);
  s.data.resize(cieSize); // DW_CFA_nop
  for (unsigned i = 0; i < options.tables.frames; ++i) {
    uint32_t at = s.data.size();
    s.fields.push_back({Field::ShortDistance, at + 8, poolIndices[0], i});
    s.data += word(fdeSize - 4) + word(at + 4) + word(0) + word(1);
    s.data.resize(at + fdeSize);
  }
  frameIndex = add(std::move(s));
}

/// Weak references to symbols that nobody defines: entries of .dynsym, names in
/// .dynstr, and relocations, all of one word.
void Builder::addDynamicRoom() {
  if (!options.tables.imports)
    return;
  NewSection s{".data.rel.ro.relink_slot", SHT_PROGBITS,
               SHF_ALLOC | SHF_WRITE, 8, std::string(16, '\0')};
  auto refer = [&](std::string name, unsigned times) {
    for (unsigned i = 0; i < times; ++i)
      s.fields.push_back(
          {Field::Address, slotOffset, spareSymbols + unsigned(spareNames.size())});
    spareNames.push_back(std::move(name));
  };
  for (unsigned i = 1; i <= options.tables.imports; ++i)
    refer(spareSymbolPrefix + std::to_string(i), relocationsPerImport);
  std::string room = stringRoomPrefix;
  room.resize(stringRoom, '.');
  refer(std::move(room), 1);
  // At a fixed address neither undefined nor own symbols have a dynamic
  // relocation. What every program imports has one, if a library defines it.
  unsigned more = options.tables.imports * relativesPerImport;
  if (options.fixedAddress)
    refer("__libc_start_main", more);
  unsigned self = sections.size() + 1;
  for (unsigned i = 0; i < more && !options.fixedAddress; ++i)
    s.fields.push_back({Field::Address, slotOffset, self});
  slotIndex = add(std::move(s));
}

void Builder::addNote() {
  Header h;
  memset(&h, 0, sizeof(h));
  h.version = noteVersion;
  h.headerSize = sizeof(Header);
  h.poolCount = poolIndices.size();
  h.poolSize = sizeof(Pool);
  h.spareCount = options.spareHeaders;
  h.spareSize = sizeof(Spare);
  h.paddingBytes = options.padding.bytes;
  h.paddingPercent = options.padding.percent;
  if (constructorIndex)
    h.constructors = options.tables.constructors;
  if (frameIndex) {
    h.frameRows = options.tables.frames;
    h.frameSize = options.tables.frames * fdeSize;
  }
  std::string desc(rawBytes(h));
  desc.resize(desc.size() + poolIndices.size() * sizeof(Pool) +
              options.spareHeaders * sizeof(Spare));
  noteSection = sections.size();
  NewSection s{".note.relink", SHT_NOTE, SHF_ALLOC, 4,
               note(reserveNoteType, noteOwner, desc)};
  constexpr uint64_t start = 20; // of the descriptor
  if (constructorIndex)
    s.fields.push_back({Field::Distance,
                        start + offsetof(Header, constructorDistance),
                        constructorIndex});
  if (frameIndex) // behind the CIE, which lld might have moved
    s.fields.push_back({Field::Distance, start + offsetof(Header, frameDistance),
                        frameIndex, cieSize});
  if (slotIndex)
    s.fields.push_back({Field::Distance, start + offsetof(Header, slotDistance),
                        slotIndex, slotOffset});
  for (uint64_t field : {offsetof(Header, entriesDistance),
                         offsetof(Header, entriesEndDistance)}) {
    bool isStart = field == offsetof(Header, entriesDistance);
    s.fields.push_back({Field::Distance, start + field,
                        spareSymbols + unsigned(spareNames.size())});
    // Hidden, they are 0 when there is no such section.
    spareNames.push_back((isStart ? "__start_" : "__stop_") +
                         std::string(entryTableName));
  }
  uint64_t at = start + sizeof(Header);
  for (unsigned index : poolIndices) {
    s.fields.push_back({Field::Distance, at + offsetof(Pool, distance), index});
    at += sizeof(Pool);
  }
  for (unsigned index : spareIndices) {
    s.fields.push_back({Field::Distance, at + offsetof(Spare, distance), index});
    at += sizeof(Spare);
  }
  add(std::move(s));
}

/// Symbols are those of the sections, by the same numbers, then spare ones.
void Builder::addRelocations(unsigned symtab) {
  unsigned count = sections.size();
  for (unsigned i = 0; i < count; ++i) {
    if (sections[i].fields.empty())
      continue;
    std::string relocations;
    for (const Field &f : sections[i].fields) {
      ELFT::Rela r;
      r.r_offset = f.at;
      r.setSymbolAndType(f.symbol < spareSymbols
                             ? f.symbol
                             : f.symbol - spareSymbols + symtab,
                         relocationType(machine, f.kind), false);
      r.r_addend = f.addend;
      relocations += rawBytes(r);
    }
    NewSection s{".rela" + sections[i].name, SHT_RELA, SHF_INFO_LINK, 8,
                 relocations};
    s.info = i + 1;
    s.link = symtab;
    s.entrySize = sizeof(ELFT::Rela);
    add(std::move(s));
  }
}

void Builder::addTables() {
  // .symtab stands in front of the relocations, so that its number, which is
  // that of the first symbol behind the sections', is known.
  unsigned symtabIndex = sections.size() + 1;
  std::string symbols(sizeof(ELFT::Sym), '\0'), names(1, '\0');
  auto addSymbol = [&](uint8_t binding, uint8_t type, unsigned section,
                       uint32_t name) {
    ELFT::Sym s;
    memset(&s, 0, sizeof(s));
    s.setBindingAndType(binding, type);
    s.st_shndx = section;
    s.st_name = name;
    symbols += rawBytes(s);
  };
  for (unsigned i = 1; i < symtabIndex; ++i)
    addSymbol(STB_LOCAL, STT_SECTION, i, 0);
  for (const std::string &name : spareNames) {
    addSymbol(STB_WEAK, STT_NOTYPE, SHN_UNDEF, names.size());
    if (StringRef(name).starts_with("__st")) // of the table of entries
      reinterpret_cast<ELFT::Sym *>(&symbols[symbols.size() - sizeof(ELFT::Sym)])
          ->setVisibility(STV_HIDDEN);
    names += name + '\0';
  }
  NewSection symtab{".symtab", SHT_SYMTAB, 0, 8, symbols};
  symtab.info = symtabIndex; // the first that is not local
  symtab.entrySize = sizeof(ELFT::Sym);
  symtab.link = symtabIndex + 1;
  add(std::move(symtab));
  add({".strtab", SHT_STRTAB, 0, 1, names});
  addRelocations(symtabIndex);
  add({".shstrtab", SHT_STRTAB, 0, 1, std::string(1, '\0')});
  for (const NewSection &s : sections)
    sections.back().data += s.name + '\0';
}

void Builder::layOut() {
  uint64_t at = sizeof(ELFT::Ehdr);
  for (NewSection &s : sections) {
    if (s.pool >= 0)
      continue;
    s.offset = at = alignTo(at, s.align);
    at += s.data.size();
  }
  headerTable = alignTo(at, 8);
  poolStart = headerTable + (sections.size() + 1) * sizeof(ELFT::Shdr);
  at = poolStart;
  for (NewSection &s : sections) {
    if (s.pool < 0)
      continue;
    s.offset = at = alignTo(at, s.align);
    at += s.room;
  }
  fileSize = at;
}

void Builder::write(char *out) const {
  ELFT::Ehdr e;
  memset(&e, 0, sizeof(e));
  memcpy(e.e_ident, ElfMagic, 4);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_type = ET_REL;
  e.e_machine = machine;
  e.e_version = EV_CURRENT;
  e.e_shoff = headerTable;
  e.e_ehsize = sizeof(ELFT::Ehdr);
  e.e_shentsize = sizeof(ELFT::Shdr);
  e.e_shnum = sections.size() + 1;
  e.e_shstrndx = sections.size();
  memset(out, 0, poolStart);
  memcpy(out, &e, sizeof(e));
  uint32_t name = 1;
  auto *header = reinterpret_cast<ELFT::Shdr *>(out + headerTable);
  for (const NewSection &s : sections) {
    memcpy(out + s.offset, s.data.data(), s.data.size());
    ++header;
    header->sh_name = name;
    name += s.name.size() + 1;
    header->sh_type = s.type;
    header->sh_flags = s.flags;
    header->sh_offset = s.offset;
    header->sh_size = s.data.size();
    header->sh_link = s.link;
    header->sh_info = s.info;
    header->sh_addralign = s.align;
    header->sh_entsize = s.entrySize;
  }
}

} // namespace

bool ReserveObject::supports(uint16_t machine, uint8_t fileClass,
                             uint8_t encoding) {
  return (machine == EM_X86_64 || machine == EM_AARCH64) &&
         fileClass == ELFCLASS64 && encoding == ELFDATA2LSB;
}

ReserveObject::ReserveObject(uint16_t machine, const LinkOptions &options,
                             const std::array<uint64_t, poolKinds> &largest,
                             StringRef name)
    : machine(machine), largest(largest) {
  Builder b(machine, options, largest);
  b.layOut();
  owned = WritableMemoryBuffer::getNewUninitMemBuffer(b.fileSize, name);
  bytes = owned->getBufferStart();
  b.write(bytes);
  noteOffset = b.sections[b.noteSection].offset + 20;
  uint64_t record = noteOffset + sizeof(Header);
  for (unsigned i = 0; i < b.sections.size(); ++i) {
    const NewSection &s = b.sections[i];
    if (s.pool < 0)
      continue;
    pools.push_back({unsigned(s.pool),
                     b.headerTable + (i + 1) * sizeof(ELFT::Shdr), s.offset,
                     record});
    auto *pool = reinterpret_cast<Pool *>(bytes + record);
    pool->kind = s.pool + 1;
    record += sizeof(Pool);
  }
  for (const NewSection &s : b.sections)
    if (StringRef(s.name).starts_with(".note.relink.spare")) {
      reinterpret_cast<Spare *>(bytes + record)->size = s.data.size();
      record += sizeof(Spare);
    }
}

void ReserveObject::update(const ReserveContents &c) {
  auto *header = reinterpret_cast<Header *>(bytes + noteOffset);
  header->hotPatchKind = uint8_t(c.hotPatch);
  header->entryNops = c.entryNops;
  header->prefixNops = c.prefixNops;
  header->codeObjects = c.codeObjects;
  header->readyObjects = c.readyObjects;
  for (const PoolPlace &p : pools) {
    uint64_t size = std::min(c.sizes[p.kind], largest[p.kind]);
    reinterpret_cast<Pool *>(bytes + p.poolRecord)->size = size;
    auto *section = reinterpret_cast<ELFT::Shdr *>(bytes + p.headerOffset);
    if (section->sh_size == size)
      continue; // lld may have read it
    section->sh_size = size;
    PoolKind kind = PoolKind(p.kind + 1);
    if (kind == PoolKind::Text || kind == PoolKind::ReadOnly)
      fillWithTraps(machine, bytes + p.offset, size);
    else if (kind != PoolKind::Bss)
      memset(bytes + p.offset, 0, size);
  }
}

} // namespace relink
