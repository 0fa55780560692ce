//===- ReserveObject.cpp - The object with pools and note -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReserveObject.h"
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

constexpr uint64_t poolAlign = 64;

constexpr const char *poolSections[poolKinds] = {
    ".relink.text", ".relink.rodata", ".data.rel.ro.relink_pool",
    ".relink.data", ".relink.bss"};
constexpr uint64_t poolFlags[poolKinds] = {
    SHF_ALLOC | SHF_EXECINSTR, SHF_ALLOC, SHF_ALLOC | SHF_WRITE,
    SHF_ALLOC | SHF_WRITE, SHF_ALLOC | SHF_WRITE};

template <typename T> StringRef rawBytes(const T &v) {
  return {reinterpret_cast<const char *>(&v), sizeof(T)};
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
};

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
  void addNote();
  void addTables();

  uint16_t machine;
  const LinkOptions &options;
  std::vector<unsigned> poolIndices, spareIndices; ///< in the file
};

Builder::Builder(uint16_t machine, const LinkOptions &options,
                 const std::array<uint64_t, poolKinds> &largest)
    : machine(machine), options(options) {
  for (unsigned i = 0; i < poolKinds; ++i) {
    if (!largest[i])
      continue;
    NewSection s{poolSections[i], SHT_PROGBITS, poolFlags[i], poolAlign, ""};
    s.pool = i;
    if (i + 1 == unsigned(PoolKind::Bss))
      s.type = SHT_NOBITS;
    else
      s.room = largest[i];
    poolIndices.push_back(add(std::move(s)));
  }
  addSpareNotes();
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
  std::string desc(rawBytes(h));
  desc.resize(desc.size() + poolIndices.size() * sizeof(Pool) +
              options.spareHeaders * sizeof(Spare));
  noteSection = sections.size();
  unsigned noteIndex = add({".note.relink", SHT_NOTE, SHF_ALLOC, 4,
                            note(reserveNoteType, noteOwner, desc)});
  uint64_t at = 20 + sizeof(Header); // the descriptor starts at 20
  std::string relocations;
  auto relocate = [&](uint64_t place, unsigned target) {
    ELFT::Rela r;
    r.r_offset = place;
    // Symbols are those of the sections, by the same numbers.
    r.setSymbolAndType(target,
                       machine == EM_AARCH64 ? uint32_t(R_AARCH64_PREL64)
                                             : uint32_t(R_X86_64_PC64),
                       false);
    r.r_addend = 0;
    relocations += rawBytes(r);
  };
  for (unsigned index : poolIndices) {
    relocate(at + offsetof(Pool, distance), index);
    at += sizeof(Pool);
  }
  for (unsigned index : spareIndices) {
    relocate(at + offsetof(Spare, distance), index);
    at += sizeof(Spare);
  }
  NewSection s{".rela.note.relink", SHT_RELA, SHF_INFO_LINK, 8, relocations};
  s.info = noteIndex;
  s.entrySize = sizeof(ELFT::Rela);
  add(std::move(s));
}

void Builder::addTables() {
  std::string symbols(sizeof(ELFT::Sym), '\0');
  unsigned count = sections.size();
  for (unsigned i = 1; i <= count; ++i) {
    ELFT::Sym s;
    memset(&s, 0, sizeof(s));
    s.setBindingAndType(STB_LOCAL, STT_SECTION);
    s.st_shndx = i;
    symbols += rawBytes(s);
  }
  NewSection symtab{".symtab", SHT_SYMTAB, 0, 8, symbols};
  symtab.info = count + 1; // the first that is not local
  symtab.entrySize = sizeof(ELFT::Sym);
  symtab.link = count + 2;
  unsigned index = add(std::move(symtab));
  for (NewSection &s : sections)
    if (s.type == SHT_RELA)
      s.link = index;
  add({".strtab", SHT_STRTAB, 0, 1, std::string(1, '\0')});
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
    : machine(machine) {
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
    uint64_t size = c.sizes[p.kind];
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
