//===- StubLibrary.cpp - A library with nothing but names -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StubLibrary.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

enum SectionIndex : uint16_t {
  Null,
  Text,
  Data,
  ReadOnly,
  TlsData,
  Dynsym,
  Dynstr,
  Dynamic,
  Count
};

uint16_t sectionOf(const LinkTarget &t) {
  switch (t.type) {
  case STT_TLS:
    return TlsData;
  case STT_OBJECT:
    return t.library.readOnly ? ReadOnly : Data;
  default:
    return Text;
  }
}

template <typename T> void append(SmallVector<char, 0> &out, const T &value) {
  auto *bytes = reinterpret_cast<const char *>(&value);
  out.append(bytes, bytes + sizeof(T));
}

} // namespace

SmallVector<char, 0>
makeStubLibrary(ArrayRef<const LinkTarget *> targets) {
  std::string strings(1, '\0');
  auto addString = [&](StringRef s) {
    uint32_t at = strings.size();
    strings += s;
    strings += '\0';
    return at;
  };
  uint32_t soname = addString("relink-imports.so");
  std::vector<Sym> symbols(1);
  memset(&symbols[0], 0, sizeof(Sym));
  // Each symbol gets its own address, aligned as in its library: COPY
  // relocations take their alignment from it. Address 0 would mean "undefined".
  uint64_t at = 0x10000, tlsAt = 64;
  for (const LinkTarget *t : targets) {
    uint64_t align = std::max<uint64_t>(t->library.align, 1);
    uint64_t &place = t->type == STT_TLS ? tlsAt : at;
    // An odd multiple, so that the address says this alignment and no larger.
    place = alignTo(place, align * 2) + align;
    auto add = [&](StringRef name) {
      Sym s;
      memset(&s, 0, sizeof(s));
      s.st_name = addString(name);
      s.setBindingAndType(STB_GLOBAL, t->type == STT_GNU_IFUNC ? uint8_t(STT_FUNC)
                                                               : t->type);
      s.st_shndx = sectionOf(*t);
      s.st_value = place;
      s.st_size = t->size;
      symbols.push_back(s);
    };
    add(t->linkName);
    for (const std::string &alias : t->library.aliases)
      add(alias);
    place += std::max<uint64_t>(t->size, 1);
  }

  SmallVector<char, 0> out(sizeof(Ehdr));
  std::vector<Shdr> headers(Count);
  memset(headers.data(), 0, Count * sizeof(Shdr));
  auto bits = [&](SectionIndex i, uint64_t flags) {
    Shdr &h = headers[i];
    h.sh_type = SHT_NOBITS;
    h.sh_flags = SHF_ALLOC | flags;
    h.sh_addralign = 4096;
    h.sh_addr = 0x10000;
    h.sh_size = at;
  };
  bits(Text, SHF_EXECINSTR);
  bits(Data, SHF_WRITE);
  bits(ReadOnly, 0);
  bits(TlsData, SHF_WRITE | SHF_TLS);
  auto table = [&](SectionIndex i, uint32_t type, StringRef bytes, uint32_t link,
                   uint32_t info, uint64_t entry) {
    out.resize(alignTo(out.size(), 8), 0);
    Shdr &h = headers[i];
    h.sh_type = type;
    h.sh_flags = SHF_ALLOC;
    h.sh_offset = out.size();
    h.sh_size = bytes.size();
    h.sh_link = link;
    h.sh_info = info;
    h.sh_entsize = entry;
    h.sh_addralign = 8;
    out.append(bytes.begin(), bytes.end());
  };
  auto raw = [](auto &v) {
    return StringRef(reinterpret_cast<const char *>(v.data()),
                     v.size() * sizeof(v[0]));
  };
  table(Dynsym, SHT_DYNSYM, raw(symbols), Dynstr, 1, sizeof(Sym));
  table(Dynstr, SHT_STRTAB, strings, 0, 0, 0);
  std::vector<Dyn> dynamic(2);
  dynamic[0].d_tag = DT_SONAME;
  dynamic[0].d_un.d_val = soname;
  dynamic[1].d_tag = DT_NULL;
  dynamic[1].d_un.d_val = 0;
  table(Dynamic, SHT_DYNAMIC, raw(dynamic), Dynstr, 0, sizeof(Dyn));

  out.resize(alignTo(out.size(), 8), 0);
  Ehdr e;
  memset(&e, 0, sizeof(e));
  memcpy(e.e_ident, ElfMagic, 4);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_type = ET_DYN;
  e.e_machine = EM_X86_64;
  e.e_version = EV_CURRENT;
  e.e_ehsize = sizeof(Ehdr);
  e.e_phentsize = sizeof(Phdr);
  e.e_shentsize = sizeof(Shdr);
  e.e_shnum = Count;
  e.e_shoff = out.size();
  e.e_shstrndx = Dynstr;
  memcpy(out.data(), &e, sizeof(e));
  for (const Shdr &h : headers)
    append(out, h);
  return out;
}

} // namespace relink
