//===- SpliceSymbols.cpp - The symbol table names the new code ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// .symtab is for debuggers and profilers: a replaced function's symbol moves to
// its new body, the old body becomes NAME.relink.orig, and what the patch added
// is named. .dynsym is not touched: there, the old entry is the function's
// address.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

class SymbolMerger {
public:
  SymbolMerger(const SpliceContext &c, Output &out, OutputSection &symtab,
               OutputSection &strtab)
      : c(c), out(out), symtab(symtab), strtab(strtab) {}
  Error run();

private:
  void updateOld();
  void addLocals();
  uint32_t addString(const Twine &s);
  void append(StringRef name, uint8_t type, uint64_t value, uint64_t size);

  const SpliceContext &c;
  Output &out;
  OutputSection &symtab, &strtab;
  std::vector<Sym> symbols;
  std::vector<Sym> added;
  std::string strings;
};

uint32_t SymbolMerger::addString(const Twine &s) {
  uint32_t at = strings.size();
  strings += s.str();
  strings.push_back('\0');
  return at;
}

void SymbolMerger::append(StringRef name, uint8_t type, uint64_t value,
                          uint64_t size) {
  Sym s;
  memset(&s, 0, sizeof(s));
  s.st_name = addString(name);
  s.setBindingAndType(STB_LOCAL, type);
  s.st_shndx = SHN_ABS;
  if (type != STT_FILE)
    s.st_shndx = out.newSectionAt(value).value_or(SHN_ABS);
  s.st_value = value;
  s.st_size = size;
  added.push_back(s);
}

/// How far the section that \p s lies in has moved.
uint64_t movedBy(const Image &image, const Output &out, const Sym &s) {
  if (s.st_shndx == SHN_UNDEF || s.st_shndx >= image.sections.size())
    return 0;
  const OutputSection &home = out.sections[s.st_shndx];
  const Section &was = image.sections[s.st_shndx];
  if (home.original < 0 || s.st_value < was.address ||
      s.st_value > was.address + was.size)
    return 0;
  return home.header.sh_addr - was.address;
}

/// Symbols of replaced functions, of moved sections, of moved thread-locals.
void SymbolMerger::updateOld() {
  AddressMap<const ReplacedFunction *> replaced;
  for (const ReplacedFunction &r : out.replaced)
    replaced[r.oldAddress] = &r;
  const Image &image = c.image;
  // TLS symbols' values are offsets in the block, whose front may have grown.
  const PatchSection *tls =
      c.inputs.tls.grows ? c.patch.section(".relink.tdata") : nullptr;
  uint64_t shift = tlsShift(c);
  StringRef names = toStringRef(
      image.bytes().slice(strtab.header.sh_offset, strtab.header.sh_size));
  for (Sym &s : symbols) {
    uint8_t type = s.getType();
    if (type == STT_TLS && tls && s.st_shndx != SHN_UNDEF) {
      s.st_value = s.st_value + shift;
      s.st_shndx = out.newSectionAt(tls->address).value_or(SHN_ABS);
      continue;
    }
    if (s.st_shndx == SHN_UNDEF || s.st_shndx >= out.sections.size())
      continue;
    s.st_value = s.st_value + movedBy(image, out, s);
    auto it = replaced.find(s.st_value);
    if (it == replaced.end() || (type != STT_FUNC && type != STT_GNU_IFUNC) ||
        s.st_name >= names.size())
      continue;
    const ReplacedFunction &r = *it->second;
    if (r.method == RedirectMethod::InPlace) {
      s.st_size = r.newSize;
      continue;
    }
    StringRef name =
        names.substr(s.st_name).take_until([](char ch) { return !ch; });
    Sym original = s;
    original.st_name = addString(name + ".relink.orig");
    original.setBindingAndType(STB_LOCAL, STT_FUNC);
    added.push_back(original);
    s.st_value = r.newAddress;
    s.st_size = r.newSize;
    s.st_shndx = out.newSectionAt(r.newAddress).value_or(SHN_ABS);
    s.setBindingAndType(s.getBinding(), STT_FUNC);
  }
}

void SymbolMerger::addLocals() {
  append("relink", STT_FILE, 0, 0);
  for (const PatchSymbol &s : c.patch.symbols) {
    if (!s.section || !s.section->name.starts_with(".relink.") ||
        s.section->name.starts_with(".relink.app") ||
        s.section->name.starts_with(".relink.inplace") || s.name.empty() ||
        s.name.starts_with("relink.") || s.name.starts_with("_GLOBAL_OFFSET"))
      continue;
    if (s.type != STT_FUNC && s.type != STT_OBJECT && s.type != STT_GNU_IFUNC)
      continue;
    bool isReplacement = any_of(out.replaced, [&](const ReplacedFunction &r) {
      return r.newAddress == s.value && r.name == s.name;
    });
    if (!isReplacement)
      append(s.name, s.type, s.value, s.size);
  }
}

Error SymbolMerger::run() {
  const Image &image = c.image;
  const Shdr &h = symtab.header;
  auto *begin =
      reinterpret_cast<const Sym *>(image.bytes().data() + h.sh_offset);
  symbols.assign(begin, begin + h.sh_size / sizeof(Sym));
  strings = toStringRef(image.bytes().slice(strtab.header.sh_offset,
                                            strtab.header.sh_size))
                .str();
  updateOld();
  addLocals();
  // Locals precede globals: new ones go where sh_info says locals end.
  uint64_t locals = std::min<uint64_t>(h.sh_info, symbols.size());
  symbols.insert(symbols.begin() + locals, added.begin(), added.end());

  auto place = [&](OutputSection &s, ArrayRef<uint8_t> bytes, uint64_t align) {
    out.tail.resize(alignTo(out.tailOffset + out.tail.size(), align) -
                    out.tailOffset);
    s.header.sh_offset = out.tailOffset + out.tail.size();
    s.header.sh_size = bytes.size();
    out.tail.insert(out.tail.end(), bytes.begin(), bytes.end());
  };
  symtab.header.sh_info = locals + added.size();
  place(symtab,
        {reinterpret_cast<const uint8_t *>(symbols.data()),
         symbols.size() * sizeof(Sym)},
        8);
  place(strtab, arrayRefFromStringRef(strings), 1);
  return Error::success();
}

/// A table too large to be copied for a few names, or one of a file to which
/// nothing is appended: entries are edited where they are.
void updateInPlace(const SpliceContext &c, const Shdr &symtab, Output &out) {
  AddressMap<const ReplacedFunction *> replaced;
  for (const ReplacedFunction &r : out.replaced)
    replaced[r.oldAddress] = &r;
  auto *begin = reinterpret_cast<const Sym *>(c.image.bytes().data() +
                                              symtab.sh_offset);
  for (size_t i = 0; i < symtab.sh_size / sizeof(Sym); ++i) {
    if (uint64_t by = movedBy(c.image, out, begin[i])) {
      Sym s = begin[i];
      s.st_value = s.st_value + by;
      out.edit(symtab.sh_offset + i * sizeof(Sym),
               {reinterpret_cast<const uint8_t *>(&s), sizeof(Sym)},
               "symbol of a moved section");
      continue;
    }
    if (begin[i].getType() != STT_FUNC || begin[i].st_shndx == SHN_UNDEF)
      continue;
    auto it = replaced.find(begin[i].st_value);
    if (it == replaced.end())
      continue;
    const ReplacedFunction &r = *it->second;
    Sym s = begin[i];
    s.st_size = r.newSize;
    if (r.method != RedirectMethod::InPlace) {
      s.st_value = r.newAddress;
      s.st_shndx = out.newSectionAt(r.newAddress).value_or(SHN_ABS);
    }
    if (memcmp(&s, &begin[i], sizeof(Sym)) != 0)
      out.edit(symtab.sh_offset + i * sizeof(Sym),
               {reinterpret_cast<const uint8_t *>(&s), sizeof(Sym)},
               "symbol of " + r.name);
  }
}

/// Copying costs as many bytes as the tables have; for a small program that is
/// little, and everything new gets a name.
constexpr uint64_t mostCopied = 4096;

bool mustCopy(const SpliceContext &c, const Output &out, const Shdr &symtab,
              const Shdr &strtab) {
  if (c.config.fullSymbolTable || c.inputs.tls.grows)
    return true;
  return symtab.sh_size + strtab.sh_size <= mostCopied && out.hasTail();
}

} // namespace

Error mergeSymbolTable(const SpliceContext &c, Output &out) {
  OutputSection *symtab = nullptr;
  for (OutputSection &s : out.sections)
    if (s.header.sh_type == SHT_SYMTAB)
      symtab = &s;
  if (!symtab || symtab->header.sh_link >= out.sections.size() ||
      symtab->header.sh_entsize != sizeof(Sym))
    return Error::success();
  if (!out.hasTail() ||
      !mustCopy(c, out, symtab->header,
                out.sections[symtab->header.sh_link].header)) {
    updateInPlace(c, symtab->header, out);
    return Error::success();
  }
  return SymbolMerger(c, out, *symtab, out.sections[symtab->header.sh_link])
      .run();
}

Error writeHeaders(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  if (!out.hasTail())
    return Error::success();
  auto alignTail = [&](uint64_t align) {
    out.tail.resize(
        alignTo(out.tailOffset + out.tail.size(), align) - out.tailOffset, 0);
  };
  if (!out.sections.empty()) {
    // Names: the old table, then the new ones.
    OutputSection &names = out.sections[image.header.e_shstrndx];
    std::string strings =
        toStringRef(image.bytes().slice(names.header.sh_offset,
                                        names.header.sh_size))
            .str();
    auto *old = reinterpret_cast<const Shdr *>(image.bytes().data() +
                                               image.header.e_shoff);
    for (OutputSection &s : out.sections) {
      if (s.original >= 0 && s.renamed.empty()) {
        s.header.sh_name = old[s.original].sh_name;
        continue;
      }
      s.header.sh_name = strings.size();
      strings += s.renamed.empty() ? s.name : s.renamed;
      strings.push_back('\0');
    }
    names.header.sh_offset = out.tailOffset + out.tail.size();
    names.header.sh_size = strings.size();
    out.tail.insert(out.tail.end(), strings.begin(), strings.end());
    alignTail(8);
    Ehdr header = image.header;
    header.e_shoff = out.tailOffset + out.tail.size();
    header.e_shnum = out.sections.size();
    if (out.sections.size() >= SHN_LORESERVE)
      return makeError(image.path + ": has too many sections");
    auto *bytes = reinterpret_cast<const uint8_t *>(&header);
    out.edit(offsetof(Ehdr, e_shoff),
             {bytes + offsetof(Ehdr, e_shoff), sizeof(header.e_shoff)},
             "ELF header (section header table)");
    out.edit(offsetof(Ehdr, e_shnum),
             {bytes + offsetof(Ehdr, e_shnum), sizeof(header.e_shnum)},
             "ELF header (sections)");
    for (const OutputSection &s : out.sections) {
      auto *p = reinterpret_cast<const uint8_t *>(&s.header);
      out.tail.insert(out.tail.end(), p, p + sizeof(Shdr));
    }
  }
  if (out.segments.size() != image.segments.size()) {
    ELFT::Half count;
    count = out.segments.size();
    out.edit(offsetof(Ehdr, e_phnum),
             {reinterpret_cast<const uint8_t *>(&count), sizeof(count)},
             "ELF header (program headers)");
  }
  return Error::success();
}

} // namespace relink
