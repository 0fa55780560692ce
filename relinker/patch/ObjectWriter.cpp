//===- ObjectWriter.cpp - Object to ET_REL file ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Image.h"
#include "Object.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {
namespace {

/// Strings with equal ones shared.
class StringTable {
public:
  uint32_t add(StringRef s) {
    auto [it, isNew] = offsets.try_emplace(s, uint32_t(data.size()));
    if (isNew) {
      data.append(s);
      data.push_back('\0');
    }
    return it->second;
  }
  std::string data = std::string(1, '\0');

private:
  StringMap<uint32_t> offsets = {{"", 0}};
};

class Writer {
public:
  Writer(const Object &object, raw_pwrite_stream &out)
      : object(object), out(out) {}
  void write();

private:
  void setSection(Sym &e, uint32_t index);
  void finalizeSymbols();
  void pad(uint64_t align) { out.write_zeros(alignTo(out.tell(), align) - out.tell()); }
  void append(Shdr header, StringRef bytes);
  void writeRelocations(const ObjectSection &section, uint32_t target);

  const Object &object;
  raw_pwrite_stream &out; ///< from its start on
  std::vector<Shdr> headers;
  StringTable sectionNames, symbolNames;
  DenseMap<const ObjectSection *, uint32_t> sectionIndex;
  std::vector<Sym> symtab;
  /// By symbol; what does not fit into st_shndx (gABI, SHT_SYMTAB_SHNDX).
  std::vector<ELFT::Word> extendedIndex;
  uint32_t firstGlobal = 0, symtabIndex = 0;
};

template <typename T> StringRef rawBytes(const std::vector<T> &v) {
  return {reinterpret_cast<const char *>(v.data()), v.size() * sizeof(T)};
}

void Writer::setSection(Sym &e, uint32_t index) {
  if (index < SHN_LORESERVE) {
    e.st_shndx = index;
    return;
  }
  e.st_shndx = SHN_XINDEX;
  extendedIndex.resize(symtab.size() + 1);
  extendedIndex.back() = index;
}

/// Locals precede globals (gABI, "Symbol Table").
void Writer::finalizeSymbols() {
  symtab.emplace_back();
  memset(&symtab[0], 0, sizeof(Sym));
  for (bool local : {true, false}) {
    if (!local)
      firstGlobal = symtab.size();
    for (const ObjectSymbol &s : object.symbols) {
      if (s.isLocal() != local)
        continue;
      s.writtenIndex = symtab.size();
      Sym e;
      memset(&e, 0, sizeof(e));
      e.st_name = symbolNames.add(s.name);
      e.setBindingAndType(s.binding, s.type);
      e.setVisibility(s.visibility);
      e.st_value = s.value;
      e.st_size = s.size;
      switch (s.kind) {
      case ObjectSymbol::Kind::Undefined:
        e.st_shndx = SHN_UNDEF;
        break;
      case ObjectSymbol::Kind::Absolute:
        e.st_shndx = SHN_ABS;
        break;
      case ObjectSymbol::Kind::Common:
        e.st_shndx = SHN_COMMON;
        break;
      case ObjectSymbol::Kind::Defined:
        setSection(e, sectionIndex.lookup(s.section));
        break;
      }
      symtab.push_back(e);
    }
  }
}

void Writer::append(Shdr header, StringRef bytes) {
  pad(std::clamp<uint64_t>(header.sh_addralign, 1, 4096));
  header.sh_offset = out.tell();
  if (header.sh_type != SHT_NOBITS) {
    out << bytes;
    header.sh_size = bytes.size();
  }
  headers.push_back(header);
}

void Writer::writeRelocations(const ObjectSection &section, uint32_t target) {
  std::vector<Rela> relas;
  relas.reserve(section.relocations.size());
  for (const ObjectRelocation &r : section.relocations) {
    Rela e;
    e.r_offset = r.offset;
    e.r_addend = r.addend;
    e.setSymbolAndType(r.symbol ? r.symbol->writtenIndex : 0, r.type, false);
    relas.push_back(e);
  }
  Shdr h;
  memset(&h, 0, sizeof(h));
  h.sh_name = sectionNames.add((".rela" + section.name));
  h.sh_type = SHT_RELA;
  h.sh_flags = SHF_INFO_LINK;
  h.sh_link = symtabIndex;
  h.sh_info = target;
  h.sh_addralign = 8;
  h.sh_entsize = sizeof(Rela);
  append(h, rawBytes(relas));
}

void Writer::write() {
  headers.emplace_back();
  memset(&headers[0], 0, sizeof(Shdr));
  out.write_zeros(sizeof(Ehdr));
  for (const ObjectSection &s : object.sections) {
    sectionIndex[&s] = headers.size();
    Shdr h;
    memset(&h, 0, sizeof(h));
    h.sh_name = sectionNames.add(s.name);
    h.sh_type = s.type;
    h.sh_flags = s.flags;
    h.sh_size = s.size;
    h.sh_addralign = s.align;
    h.sh_entsize = s.entrySize;
    append(h, {reinterpret_cast<const char *>(s.data.data()), s.data.size()});
  }
  finalizeSymbols();
  symtabIndex = headers.size();
  Shdr h;
  memset(&h, 0, sizeof(h));
  h.sh_name = sectionNames.add(".symtab");
  h.sh_type = SHT_SYMTAB;
  h.sh_link = symtabIndex + 1;
  h.sh_info = firstGlobal;
  h.sh_addralign = 8;
  h.sh_entsize = sizeof(Sym);
  append(h, rawBytes(symtab));
  memset(&h, 0, sizeof(h));
  h.sh_name = sectionNames.add(".strtab");
  h.sh_type = SHT_STRTAB;
  h.sh_addralign = 1;
  append(h, symbolNames.data);
  if (!extendedIndex.empty()) {
    extendedIndex.resize(symtab.size());
    memset(&h, 0, sizeof(h));
    h.sh_name = sectionNames.add(".symtab_shndx");
    h.sh_type = SHT_SYMTAB_SHNDX;
    h.sh_link = symtabIndex;
    h.sh_addralign = sizeof(ELFT::Word);
    h.sh_entsize = sizeof(ELFT::Word);
    append(h, rawBytes(extendedIndex));
  }
  for (const ObjectSection &s : object.sections)
    if (!s.relocations.empty())
      writeRelocations(s, sectionIndex.lookup(&s));
  memset(&h, 0, sizeof(h));
  h.sh_name = sectionNames.add(".shstrtab");
  h.sh_type = SHT_STRTAB;
  h.sh_addralign = 1;
  append(h, sectionNames.data);

  pad(8);
  Ehdr e;
  memset(&e, 0, sizeof(e));
  memcpy(e.e_ident, ElfMagic, 4);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_type = ET_REL;
  e.e_machine = EM_X86_64;
  e.e_version = EV_CURRENT;
  e.e_ehsize = sizeof(Ehdr);
  e.e_shentsize = sizeof(Shdr);
  // gABI: counts past SHN_LORESERVE move into the null section header.
  if (headers.size() >= SHN_LORESERVE)
    headers[0].sh_size = headers.size();
  else
    e.e_shnum = headers.size();
  size_t names = headers.size() - 1;
  e.e_shstrndx = names < SHN_LORESERVE ? names : size_t(SHN_XINDEX);
  if (names >= SHN_LORESERVE)
    headers[0].sh_link = names;
  e.e_shoff = out.tell();
  out << rawBytes(headers);
  out.pwrite(reinterpret_cast<const char *>(&e), sizeof(e), 0);
}

} // namespace

void addPropertyNote(Object &object, bool ibt, bool shstk) {
  if (!ibt && !shstk)
    return;
  ObjectSection &s =
      object.addSection(".note.gnu.property", SHT_NOTE, SHF_ALLOC);
  s.align = 8;
  s.data.assign(32, 0);
  write32le(&s.data[0], 4);
  write32le(&s.data[4], 16);
  write32le(&s.data[8], NT_GNU_PROPERTY_TYPE_0);
  memcpy(&s.data[12], "GNU", 4);
  write32le(&s.data[16], GNU_PROPERTY_X86_FEATURE_1_AND);
  write32le(&s.data[20], 4);
  write32le(&s.data[24],
            (ibt ? unsigned(GNU_PROPERTY_X86_FEATURE_1_IBT) : 0) |
                (shstk ? unsigned(GNU_PROPERTY_X86_FEATURE_1_SHSTK) : 0));
  s.size = s.data.size();
}

std::string linkableName(StringRef name) {
  std::string out = name.str();
  llvm::replace(out, '@', '$');
  return out;
}

void writeObject(const Object &object, raw_pwrite_stream &out) {
  Writer(object, out).write();
}

SmallVector<char, 0> writeObject(const Object &object) {
  SmallVector<char, 0> out;
  raw_svector_ostream stream(out);
  writeObject(object, stream);
  return out;
}

} // namespace relink
