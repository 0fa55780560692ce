//===- LoaderRules.cpp - Would it load? -----------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// readelf finds nothing wrong in files that no loader takes. These are the
// loaders' own conditions: fs/binfmt_elf.c in the kernel, elf/dl-load.c,
// elf/dl-map-segments.h, elf/dl-lookup.c and elf/dl-version.c in glibc,
// ldso/dynlink.c in musl. The file is independent of the reader that made the
// output, so that one mistake is not made twice.
//
//===----------------------------------------------------------------------===//

#include "LoaderRules.h"
#include "Error.h"
#include "Image.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read16le;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

class Checker {
public:
  explicit Checker(ArrayRef<uint8_t> file,
                   const LoaderBaseline *baseline = nullptr)
      : file(file), baseline(baseline) {}
  std::vector<RuleViolation> run();

private:
  bool checkHeader();
  void checkLoads();
  void checkTablePlace();
  void checkInsideLoads();
  void checkSingle();
  void checkInterpreter();
  void checkEntry();
  void checkNotes();
  void checkDynamic();
  bool readDynamic();
  bool hasNamesOfBaseline() const;
  void checkRelocations(uint64_t address, uint64_t size, const char *what);
  void checkRelr();
  void checkGnuHash();
  void checkVersions();
  void checkUnwindTable();
  void checkSections();

  void report(StringRef rule, const Twine &message, bool warning = false) {
    if (found.size() < 64)
      found.push_back({rule.str(), message.str(), warning});
  }
  const Phdr *loadAt(uint64_t address, uint64_t size) const;
  ArrayRef<uint8_t> at(uint64_t address, uint64_t size) const;
  ArrayRef<uint8_t> from(uint64_t address) const;
  uint64_t value(int64_t tag) const;
  bool has(int64_t tag) const;
  bool isString(uint64_t offset) const;
  bool isAsBefore(const Checker &before, int64_t tag, uint64_t size) const;

  ArrayRef<uint8_t> file;
  const LoaderBaseline *baseline;
  Ehdr header{};
  ArrayRef<Phdr> segments;
  std::vector<const Phdr *> loads;
  std::vector<std::pair<int64_t, uint64_t>> dynamic;
  ArrayRef<uint8_t> strings;
  uint64_t symbolCount = 0;
  std::vector<RuleViolation> found;
};

bool inFile(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

bool Checker::checkHeader() {
  if (file.size() < sizeof(Ehdr) || !toStringRef(file).starts_with(ElfMagic)) {
    report("elf-header", "not an ELF file, or shorter than its header");
    return false;
  }
  memcpy(&header, file.data(), sizeof(header));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64 ||
      (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
    report("elf-header", "not an x86-64 executable or shared library");
    return false;
  }
  if (header.e_phentsize != sizeof(Phdr) || header.e_phnum == 0 ||
      !inFile(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Phdr),
              file.size())) {
    report("phdr-table", "the program header table is missing, has entries of " +
                             Twine(unsigned(header.e_phentsize)) +
                             " bytes (expected 56), or lies outside the file");
    return false;
  }
  segments = {reinterpret_cast<const Phdr *>(file.data() + header.e_phoff),
              header.e_phnum};
  if (header.e_shoff &&
      (header.e_shentsize != sizeof(Shdr) ||
       !inFile(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Shdr),
               file.size()) ||
       (header.e_shnum && header.e_shstrndx >= header.e_shnum &&
        header.e_shstrndx != SHN_XINDEX)))
    report("shdr-table", "the section header table at " + hex(header.e_shoff) +
                             " lies outside the file or names no string table");
  return true;
}

/// Kernel elf_map() and glibc _dl_map_object_from_fd(): ascending, congruent,
/// and no page of one segment is taken by the next.
void Checker::checkLoads() {
  const Phdr *previous = nullptr;
  for (const Phdr &p : segments) {
    if (p.p_type != PT_LOAD)
      continue;
    loads.push_back(&p);
    std::string where = "segment at " + hex(p.p_vaddr);
    if (!inFile(p.p_offset, p.p_filesz, file.size()))
      report("load-in-file", where + " needs file bytes " + hex(p.p_offset) +
                                 "+" + hex(p.p_filesz) + ", the file has " +
                                 hex(file.size()));
    if (p.p_filesz > p.p_memsz || p.p_vaddr + p.p_memsz < p.p_vaddr)
      report("load-sizes", where + " has p_filesz " + hex(p.p_filesz) +
                               " and p_memsz " + hex(p.p_memsz));
    if (p.p_align > 1 && !isPowerOf2_64(p.p_align))
      report("load-align", where + " has alignment " + hex(p.p_align) +
                               ", no power of two");
    else if ((p.p_vaddr - p.p_offset) % std::max<uint64_t>(p.p_align, pageSize))
      report("load-congruent", where + " has offset " + hex(p.p_offset) +
                                   ", not congruent modulo its alignment " +
                                   hex(p.p_align));
    if ((p.p_flags & PF_W) && (p.p_flags & PF_X))
      report("load-wx", where + " is writable and executable", true);
    if (previous && p.p_vaddr < previous->p_vaddr)
      report("load-order", where + " follows one at " + hex(previous->p_vaddr));
    else if (previous && alignDown(uint64_t(p.p_vaddr), pageSize) <
                             alignTo(previous->p_vaddr + previous->p_memsz,
                                     pageSize) &&
             p.p_memsz && previous->p_memsz)
      report("load-overlap", where + " shares a page with the segment at " +
                                 hex(previous->p_vaddr) + " that ends at " +
                                 hex(previous->p_vaddr + previous->p_memsz));
    previous = &p;
  }
  if (loads.empty())
    report("load-none", "no PT_LOAD");
}

/// AT_PHDR: since 5.18 the kernel takes the address of the segment that holds
/// e_phoff; before, load address + e_phoff. Start-up code of static programs
/// and ld.so read the table there.
void Checker::checkTablePlace() {
  uint64_t size = uint64_t(header.e_phnum) * sizeof(Phdr);
  const Phdr *home = nullptr;
  for (const Phdr *p : loads)
    if (!home && header.e_phoff >= p->p_offset &&
        inFile(header.e_phoff - p->p_offset, size, p->p_filesz))
      home = p;
  bool program = header.e_type == ET_EXEC ||
                 any_of(segments, [](auto &p) { return p.p_type == PT_INTERP; });
  if (!home) {
    if (program)
      report("phdr-mapped", "no PT_LOAD maps the program header table at "
                            "offset " + hex(header.e_phoff));
    return;
  }
  uint64_t address = home->p_vaddr + (header.e_phoff - home->p_offset);
  uint64_t old = loads.front()->p_vaddr - loads.front()->p_offset +
                 header.e_phoff;
  if (program && old != address)
    report("phdr-old-kernel", "kernels before 5.18 look for the program headers "
                              "at " + hex(old) + ", they are at " + hex(address));
  bool seenLoad = false;
  for (const Phdr &p : segments) {
    seenLoad |= p.p_type == PT_LOAD;
    if (p.p_type != PT_PHDR)
      continue;
    if (seenLoad)
      report("phdr-order", "PT_PHDR follows a PT_LOAD (gABI: it precedes)");
    if (p.p_vaddr != address || p.p_offset != header.e_phoff ||
        p.p_filesz != size)
      report("phdr-self", "PT_PHDR says " + hex(p.p_vaddr) + "+" +
                              hex(p.p_filesz) + ", the table is at " +
                              hex(address) + "+" + hex(size));
  }
}

const Phdr *Checker::loadAt(uint64_t address, uint64_t size) const {
  for (const Phdr *p : loads)
    if (address >= p->p_vaddr && inFile(address - p->p_vaddr, size, p->p_memsz))
      return p;
  return nullptr;
}

ArrayRef<uint8_t> Checker::from(uint64_t address) const {
  const Phdr *p = loadAt(address, 1);
  if (!p || !inFile(p->p_offset, p->p_filesz, file.size()) ||
      address - p->p_vaddr >= p->p_filesz)
    return {};
  uint64_t skip = address - p->p_vaddr;
  return file.slice(p->p_offset + skip, p->p_filesz - skip);
}

ArrayRef<uint8_t> Checker::at(uint64_t address, uint64_t size) const {
  ArrayRef<uint8_t> all = from(address);
  return all.size() < size ? ArrayRef<uint8_t>() : all.take_front(size);
}

/// What a program header describes must be mapped where it says.
void Checker::checkInsideLoads() {
  for (const Phdr &p : segments) {
    StringRef name;
    switch (p.p_type) {
    case PT_INTERP: name = "PT_INTERP"; break;
    case PT_NOTE: name = "PT_NOTE"; break;
    case PT_DYNAMIC: name = "PT_DYNAMIC"; break;
    case PT_TLS: name = "PT_TLS"; break;
    case PT_GNU_RELRO: name = "PT_GNU_RELRO"; break;
    case PT_GNU_EH_FRAME: name = "PT_GNU_EH_FRAME"; break;
    case PT_GNU_PROPERTY: name = "PT_GNU_PROPERTY"; break;
    default: continue;
    }
    // A .tbss has no room of its own.
    uint64_t size = p.p_type == PT_TLS ? p.p_filesz : p.p_memsz;
    if (size == 0)
      continue;
    const Phdr *load = loadAt(p.p_vaddr, p.p_type == PT_GNU_RELRO ? 1 : size);
    if (!load)
      report("inside-load", name + " at " + hex(p.p_vaddr) + "+" + hex(size) +
                                " is in no PT_LOAD");
    else if (p.p_filesz &&
             p.p_offset - load->p_offset != p.p_vaddr - load->p_vaddr)
      report("inside-load", name + " at " + hex(p.p_vaddr) + " has offset " +
                                hex(p.p_offset) + ", its PT_LOAD puts it at " +
                                hex(load->p_offset + p.p_vaddr - load->p_vaddr));
    else if (p.p_type == PT_GNU_RELRO && !(load->p_flags & PF_W))
      report("relro-writable", "PT_GNU_RELRO is in a segment that is not "
                               "writable to begin with");
  }
}

void Checker::checkSingle() {
  for (uint32_t type : {PT_TLS, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO,
                        PT_GNU_EH_FRAME, PT_INTERP, PT_PHDR})
    if (count_if(segments, [&](auto &p) { return p.p_type == type; }) > 1)
      report("single", "more than one program header of type " + hex(type) +
                           ": loaders use one and ignore the rest");
  for (const Phdr &p : segments) {
    if (p.p_type == PT_GNU_STACK && (p.p_flags & PF_X))
      report("stack-exec", "asks for an executable stack", true);
    if (p.p_type == PT_TLS && p.p_align > 1 && !isPowerOf2_64(p.p_align))
      report("tls-align", "PT_TLS alignment " + hex(p.p_align) +
                              " is no power of two");
  }
}

/// Kernel: 2 to 4096 bytes, the last one NUL.
void Checker::checkInterpreter() {
  for (const Phdr &p : segments)
    if (p.p_type == PT_INTERP &&
        (p.p_filesz < 2 || p.p_filesz > 4096 ||
         !inFile(p.p_offset, p.p_filesz, file.size()) ||
         file[p.p_offset + p.p_filesz - 1] != 0))
      report("interp", "PT_INTERP is no NUL-terminated name of at most 4096 "
                       "bytes in the file");
}

void Checker::checkEntry() {
  if (header.e_type == ET_DYN && header.e_entry == 0)
    return;
  const Phdr *p = loadAt(header.e_entry, 1);
  if (!p || !(p->p_flags & PF_X))
    report("entry", "entry point " + hex(header.e_entry) +
                        " is in no executable segment");
}

void Checker::checkNotes() {
  for (const Phdr &p : segments) {
    if (p.p_type != PT_NOTE || !inFile(p.p_offset, p.p_filesz, file.size()))
      continue;
    uint64_t align = p.p_align == 8 ? 8 : 4;
    ArrayRef<uint8_t> notes = file.slice(p.p_offset, p.p_filesz);
    for (uint64_t i = 0; i + 12 <= notes.size();) {
      uint64_t name = read32le(&notes[i]), desc = read32le(&notes[i + 4]);
      uint64_t descAt = alignTo(i + 12 + name, align);
      if (descAt + desc > notes.size()) {
        report("note", "the note at " + hex(p.p_vaddr + i) +
                           " runs past its PT_NOTE");
        break;
      }
      i = alignTo(descAt + desc, align);
    }
  }
}

uint64_t Checker::value(int64_t tag) const {
  for (auto [t, v] : dynamic)
    if (t == tag)
      return v;
  return 0;
}

bool Checker::has(int64_t tag) const {
  return any_of(dynamic, [&](auto &e) { return e.first == tag; });
}

bool Checker::isString(uint64_t offset) const {
  return offset < strings.size() &&
         (strings.back() == 0 ||
          memchr(strings.data() + offset, 0, strings.size() - offset));
}

/// Reads what .dynamic says; false when there is none.
bool Checker::readDynamic() {
  auto p = find_if(segments, [](auto &s) { return s.p_type == PT_DYNAMIC; });
  if (p == segments.end() || !inFile(p->p_offset, p->p_filesz, file.size()))
    return false;
  ArrayRef<uint8_t> raw = file.slice(p->p_offset, p->p_filesz);
  bool terminated = false;
  for (size_t i = 0; i + sizeof(Dyn) <= raw.size() && !terminated;
       i += sizeof(Dyn)) {
    int64_t tag = read64le(&raw[i]);
    terminated = tag == DT_NULL;
    if (!terminated)
      dynamic.push_back({tag, read64le(&raw[i + 8])});
  }
  if (!terminated)
    report("dynamic-end", "the dynamic section has no DT_NULL");
  const Phdr *load = loadAt(p->p_vaddr, 1);
  if (load && !(load->p_flags & PF_W))
    report("dynamic-writable", "glibc relocates .dynamic in place; it is in a "
                               "segment that is not writable", true);
  strings = at(value(DT_STRTAB), value(DT_STRSZ));
  // The number of symbols: .hash states it, otherwise .dynsym's header.
  if (ArrayRef<uint8_t> h = at(value(DT_HASH), 8); has(DT_HASH) && !h.empty())
    symbolCount = read32le(&h[4]);
  if (!symbolCount && header.e_shoff &&
      inFile(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Shdr),
             file.size())) {
    auto *s = reinterpret_cast<const Shdr *>(file.data() + header.e_shoff);
    for (unsigned i = 0; i < header.e_shnum; ++i)
      if (s[i].sh_type == SHT_DYNSYM && s[i].sh_addr == value(DT_SYMTAB))
        symbolCount = s[i].sh_size / sizeof(Sym);
  }
  return true;
}

/// Whether the table a tag points at has the bytes it had before. What is in
/// the same place and was not written needs no look.
bool Checker::isAsBefore(const Checker &before, int64_t tag,
                         uint64_t size) const {
  ArrayRef<uint8_t> now = at(value(tag), size),
                    old = before.at(before.value(tag), size);
  if (now.empty() || old.empty())
    return false;
  uint64_t offset = now.data() - file.data();
  bool written = any_of(baseline->written, [&](auto &w) {
    return w.first < offset + size && offset < w.first + w.second;
  });
  if (!written && offset == uint64_t(old.data() - before.file.data()))
    return true;
  return now == old;
}

/// The names of a large library are most of what there is to read, and few
/// patches change them.
bool Checker::hasNamesOfBaseline() const {
  if (!baseline)
    return false;
  Checker before(baseline->file);
  if (!before.checkHeader() || (before.checkLoads(), !before.readDynamic()))
    return false;
  if (before.symbolCount != symbolCount || strings.size() != before.strings.size())
    return false;
  ArrayRef<uint8_t> hash = at(value(DT_GNU_HASH), 16);
  if (hash.empty())
    return false;
  uint64_t size = 16 + uint64_t(read32le(&hash[8])) * 8 +
                  uint64_t(read32le(&hash[0])) * 4 + symbolCount * 4;
  return isAsBefore(before, DT_GNU_HASH, size) &&
         isAsBefore(before, DT_SYMTAB, symbolCount * sizeof(Sym)) &&
         isAsBefore(before, DT_STRTAB, strings.size());
}

void Checker::checkDynamic() {
  if (!readDynamic())
    return;
  if (has(DT_STRTAB) && strings.empty() && value(DT_STRSZ))
    report("dynamic-table", "DT_STRTAB " + hex(value(DT_STRTAB)) + "+" +
                                hex(value(DT_STRSZ)) + " is in no segment");
  for (auto [tag, v] : dynamic)
    if ((tag == DT_NEEDED || tag == DT_SONAME || tag == DT_RPATH ||
         tag == DT_RUNPATH) &&
        !isString(v))
      report("dynamic-string", "entry " + hex(tag) + " names string " + hex(v) +
                                   " of " + hex(strings.size()));
  struct Table {
    int64_t tag, size;
    uint64_t entry;
    const char *name;
  };
  static constexpr Table tables[] = {
      {DT_RELA, DT_RELASZ, sizeof(Rela), "DT_RELA"},
      {DT_JMPREL, DT_PLTRELSZ, sizeof(Rela), "DT_JMPREL"},
      {DT_RELR, DT_RELRSZ, 8, "DT_RELR"},
      {DT_INIT_ARRAY, DT_INIT_ARRAYSZ, 8, "DT_INIT_ARRAY"},
      {DT_FINI_ARRAY, DT_FINI_ARRAYSZ, 8, "DT_FINI_ARRAY"}};
  for (const Table &t : tables) {
    uint64_t size = value(t.size);
    if (!has(t.tag) || !size)
      continue;
    if (size % t.entry)
      report("dynamic-table", Twine(t.name) + " has " + hex(size) +
                                  " bytes, no multiple of " + Twine(t.entry));
    if (at(value(t.tag), size).empty())
      report("dynamic-table", Twine(t.name) + " " + hex(value(t.tag)) + "+" +
                                  hex(size) + " is in no segment");
  }
  if (symbolCount && at(value(DT_SYMTAB), symbolCount * sizeof(Sym)).empty())
    report("dynamic-table", "DT_SYMTAB with " + Twine(symbolCount) +
                                " symbols is in no segment");
  checkRelocations(value(DT_RELA), value(DT_RELASZ), "DT_RELA");
  checkRelocations(value(DT_JMPREL), value(DT_PLTRELSZ), "DT_JMPREL");
  checkRelr();
  if (!hasNamesOfBaseline())
    checkGnuHash();
  checkVersions();
}

void Checker::checkRelocations(uint64_t address, uint64_t size,
                               const char *what) {
  ArrayRef<uint8_t> raw = size ? at(address, size) : ArrayRef<uint8_t>();
  bool textrel = has(DT_TEXTREL) || (value(DT_FLAGS) & DF_TEXTREL);
  uint64_t relative = StringRef(what) == "DT_RELA" ? value(DT_RELACOUNT) : 0;
  const Phdr *last = nullptr;
  for (size_t i = 0; i + sizeof(Rela) <= raw.size(); i += sizeof(Rela)) {
    auto *r = reinterpret_cast<const Rela *>(&raw[i]);
    uint64_t place = r->r_offset;
    uint32_t type = r->getType(false), symbol = r->getSymbol(false);
    if (i / sizeof(Rela) < relative && type != R_X86_64_RELATIVE) {
      report("relacount", "DT_RELACOUNT is " + Twine(relative) + ", entry " +
                              Twine(i / sizeof(Rela)) + " has type " +
                              Twine(type) + " (expected R_X86_64_RELATIVE)");
      relative = 0;
    }
    if (!last || place < last->p_vaddr || place - last->p_vaddr >= last->p_memsz)
      last = loadAt(place, type == R_X86_64_COPY ? 1 : 8); // a copy may be a bool
    if (type != R_X86_64_NONE && (!last || (!(last->p_flags & PF_W) && !textrel)))
      return report("reloc-place", Twine(what) + " entry " +
                                       Twine(i / sizeof(Rela)) + " changes " +
                                       hex(place) +
                                       ", which is in no writable segment");
    if (symbolCount && symbol >= symbolCount)
      return report("reloc-symbol", Twine(what) + " entry " +
                                        Twine(i / sizeof(Rela)) +
                                        " names symbol " + Twine(symbol) +
                                        " of " + Twine(symbolCount));
  }
}

void Checker::checkRelr() {
  ArrayRef<uint8_t> raw = has(DT_RELR) ? at(value(DT_RELR), value(DT_RELRSZ))
                                       : ArrayRef<uint8_t>();
  for (size_t i = 0; i + 8 <= raw.size(); i += 8) {
    uint64_t word = read64le(&raw[i]);
    if (word & 1)
      continue;
    const Phdr *p = loadAt(word, 8);
    if (!p || !(p->p_flags & PF_W))
      return report("reloc-place", "DT_RELR changes " + hex(word) +
                                       ", which is in no writable segment");
  }
}

/// glibc do_lookup_x(): a bucket names the first symbol of its chain; the chain
/// ends at the entry whose low bit is set.
void Checker::checkGnuHash() {
  ArrayRef<uint8_t> t = has(DT_GNU_HASH) ? from(value(DT_GNU_HASH))
                                         : ArrayRef<uint8_t>();
  if (!has(DT_GNU_HASH))
    return;
  if (t.size() < 16)
    return report("gnu-hash", "DT_GNU_HASH is in no segment");
  uint64_t buckets = read32le(&t[0]), first = read32le(&t[4]),
           words = read32le(&t[8]);
  uint64_t bucketsAt = 16 + words * 8, chains = bucketsAt + buckets * 4;
  if (!words || !isPowerOf2_64(words) || !buckets || chains > t.size())
    return report("gnu-hash", ".gnu.hash has " + Twine(buckets) + " buckets and " +
                                  Twine(words) + " bloom words, which don't fit");
  ArrayRef<uint8_t> symbols = at(value(DT_SYMTAB), symbolCount * sizeof(Sym));
  uint64_t expected = first;
  for (uint64_t b = 0; b < buckets; ++b) {
    uint64_t i = read32le(&t[bucketsAt + b * 4]);
    if (!i)
      continue;
    if (i < first || i != expected)
      return report("gnu-hash", "bucket " + Twine(b) + " starts at symbol " +
                                    Twine(i) + ", expected " + Twine(expected));
    for (;; ++i) {
      uint64_t at = chains + (i - first) * 4;
      if (at + 4 > t.size() || (symbolCount && i >= symbolCount))
        return report("gnu-hash", "the chain of bucket " + Twine(b) +
                                      " does not end");
      uint32_t entry = read32le(&t[at]);
      if (!symbols.empty()) {
        uint32_t name = read32le(&symbols[i * sizeof(Sym)]);
        if (!isString(name))
          return report("symbol-name", "dynamic symbol " + Twine(i) +
                                           " has no name in the string table");
        uint32_t hash = object::hashGnu(
            reinterpret_cast<const char *>(strings.data() + name));
        if ((hash | 1) != (entry | 1) || hash % buckets != b)
          return report("gnu-hash", "symbol " + Twine(i) + " is not where its "
                                    "name's hash puts it");
      }
      if (entry & 1)
        break;
    }
    expected = i + 1;
  }
}

/// glibc _dl_check_map_versions(): chains, names, and one entry a symbol.
void Checker::checkVersions() {
  std::vector<bool> known(32768);
  known[VER_NDX_LOCAL] = known[VER_NDX_GLOBAL] = true;
  auto walk = [&](int64_t tag, int64_t countTag, bool needs) {
    uint64_t address = value(tag);
    for (uint64_t n = value(countTag); has(tag) && n; --n) {
      ArrayRef<uint8_t> entry = at(address, needs ? sizeof(ELFT::Verneed)
                                                  : sizeof(ELFT::Verdef));
      if (entry.empty())
        return report("versions", "the version table at " + hex(address) +
                                      " is in no segment");
      uint64_t next;
      if (needs) {
        auto *need = reinterpret_cast<const ELFT::Verneed *>(entry.data());
        if (!isString(need->vn_file))
          return report("versions", "a version need names no file");
        uint64_t auxAt = address + need->vn_aux;
        for (unsigned i = 0; i < need->vn_cnt; ++i) {
          ArrayRef<uint8_t> rawAux = at(auxAt, sizeof(ELFT::Vernaux));
          if (rawAux.empty())
            return report("versions", "a version need runs out of its segment");
          auto *aux = reinterpret_cast<const ELFT::Vernaux *>(rawAux.data());
          if (!isString(aux->vna_name))
            return report("versions", "a version need has no name");
          known[aux->vna_other & VERSYM_VERSION] = true;
          if (aux->vna_hash !=
              object::hashSysV(reinterpret_cast<const char *>(
                  strings.data() + aux->vna_name)))
            return report("versions", "the hash of a needed version is wrong");
          auxAt += aux->vna_next;
        }
        next = need->vn_next;
      } else {
        auto *def = reinterpret_cast<const ELFT::Verdef *>(entry.data());
        known[def->vd_ndx & VERSYM_VERSION] = true;
        next = def->vd_next;
      }
      if (!next && n > 1)
        return report("versions", "a version table ends before its count says");
      address += next;
    }
  };
  walk(DT_VERNEED, DT_VERNEEDNUM, true);
  walk(DT_VERDEF, DT_VERDEFNUM, false);
  if (!has(DT_VERSYM) || !symbolCount)
    return;
  ArrayRef<uint8_t> versions = at(value(DT_VERSYM), symbolCount * 2);
  if (versions.empty())
    return report("versions", "DT_VERSYM does not cover the " +
                                  Twine(symbolCount) + " symbols");
  for (uint64_t i = 0; i < symbolCount; ++i)
    if (uint16_t v = read16le(&versions[i * 2]) & VERSYM_VERSION; !known[v])
      return report("versions", "symbol " + Twine(i) + " has version " +
                                    Twine(v) + ", which nothing defines");
}

/// libgcc unwind-dw2-fde-dip.c searches the rows by bisection.
void Checker::checkUnwindTable() {
  for (const Phdr &p : segments) {
    if (p.p_type != PT_GNU_EH_FRAME)
      continue;
    ArrayRef<uint8_t> t = at(p.p_vaddr, p.p_memsz);
    if (t.size() < 12 || t[2] != 0x03 || t[3] != 0x3b)
      continue; // no search table
    uint64_t rows = read32le(&t[8]);
    if (rows > (t.size() - 12) / 8)
      return report("unwind", ".eh_frame_hdr says " + Twine(rows) +
                                  " rows and has room for " +
                                  Twine((t.size() - 12) / 8));
    for (uint64_t i = 1; i < rows; ++i)
      if (int32_t(read32le(&t[12 + i * 8])) <
          int32_t(read32le(&t[4 + i * 8])))
        return report("unwind", "row " + Twine(i) + " of .eh_frame_hdr is not "
                                "in order");
  }
}

/// strip and objcopy lay a file out by its sections: they must tell the same
/// story as the segments.
void Checker::checkSections() {
  if (!header.e_shoff || !header.e_shnum ||
      !inFile(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Shdr),
              file.size()))
    return;
  ArrayRef<Shdr> sections(
      reinterpret_cast<const Shdr *>(file.data() + header.e_shoff),
      header.e_shnum);
  std::vector<bool> described(loads.size());
  for (unsigned i = 1; i < sections.size(); ++i) {
    const Shdr &s = sections[i];
    if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL &&
        !inFile(s.sh_offset, s.sh_size, file.size()))
      report("section-in-file", "section " + Twine(i) + " lies outside the file");
    if (s.sh_link >= sections.size())
      report("section-link", "section " + Twine(i) + " links to section " +
                                 Twine(unsigned(s.sh_link)) + " of " +
                                 Twine(sections.size()));
    if (!(s.sh_flags & SHF_ALLOC) || !s.sh_size ||
        ((s.sh_flags & SHF_TLS) && s.sh_type == SHT_NOBITS))
      continue;
    const Phdr *p = loadAt(s.sh_addr, s.sh_size);
    if (!p) {
      report("section-load", "section " + Twine(i) + " at " + hex(s.sh_addr) +
                                 " is in no PT_LOAD");
      continue;
    }
    if (s.sh_type != SHT_NOBITS &&
        s.sh_offset - p->p_offset != s.sh_addr - p->p_vaddr)
      report("section-load", "section " + Twine(i) + " at " + hex(s.sh_addr) +
                                 " has offset " + hex(s.sh_offset) +
                                 ", its PT_LOAD puts it elsewhere");
    for (size_t n = 0; n < loads.size(); ++n)
      if (loads[n] == p)
        described[n] = true;
  }
  for (size_t n = 0; n < loads.size(); ++n)
    if (!described[n] && loads[n]->p_filesz)
      report("section-none", "no section describes the segment at " +
                                 hex(loads[n]->p_vaddr) +
                                 ": strip would drop its bytes", true);
}

std::vector<RuleViolation> Checker::run() {
  if (!checkHeader())
    return std::move(found);
  checkLoads();
  checkTablePlace();
  checkInsideLoads();
  checkSingle();
  checkInterpreter();
  checkEntry();
  checkNotes();
  checkDynamic();
  checkUnwindTable();
  checkSections();
  return std::move(found);
}

} // namespace

std::vector<RuleViolation> checkLoaderRules(ArrayRef<uint8_t> file,
                                            const LoaderBaseline *baseline) {
  return Checker(file, baseline).run();
}

} // namespace relink
