//===- Image.cpp - Reading the finished program ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every offset and size comes from a file that may be hostile, so each one is
// checked against the mapping before it is used.
//
//===----------------------------------------------------------------------===//

#include "Image.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Process.h"
#include <sys/mman.h>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

StringRef toString(ImageKind kind) {
  switch (kind) {
  case ImageKind::Executable:
    return "non-PIE executable";
  case ImageKind::Pie:
    return "PIE";
  case ImageKind::StaticExecutable:
    return "static executable";
  case ImageKind::StaticPie:
    return "static PIE";
  case ImageKind::Shared:
    return "shared library";
  }
  llvm_unreachable("all kinds are named");
}

bool DynamicTables::has(int64_t tag) const {
  return any_of(entries, [&](auto &e) { return e.first == tag; });
}

/// linux/fs/binfmt_elf.c, load_elf_phdrs(): the table has at most 64 KiB.
constexpr unsigned mostSegments = 65536 / sizeof(Phdr);
/// What is longer is cut: names may overlap, and take forever to read.
constexpr size_t mostSectionName = 4096;

static bool fits(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

Error Image::error(const Twine &message) const {
  return makeError(path + ": " + message);
}

Expected<std::unique_ptr<Image>> Image::open(StringRef path) {
  auto file = openMapped(path);
  if (!file)
    return file.takeError();
  return read(std::move(*file), path);
}

Expected<std::unique_ptr<MemoryBuffer>> openMapped(StringRef path) {
  // A volatile mapping is not needed: the input is only read, and a file that
  // changes meanwhile is caught by nobody's mmap either.
  auto file = MemoryBuffer::getFile(path, /*IsText=*/false,
                                    /*RequiresNullTerminator=*/false);
  if (!file)
    return makeError(path + ": cannot open: " + file.getError().message());
  return std::move(*file);
}

Expected<std::unique_ptr<Image>>
Image::read(std::unique_ptr<MemoryBuffer> buffer, StringRef path) {
  std::unique_ptr<Image> image(new Image);
  image->path = path.str();
  image->buffer = std::move(buffer);
  if (Error e = image->readHeaders())
    return e;
  if (Error e = image->readSegments())
    return e;
  if (Error e = image->readSections())
    return e;
  if (Error e = image->readDynamic())
    return e;
  if (Error e = image->readDynamicSymbols())
    return e;
  image->readVersions();
  image->readProperties();
  image->decideKind();
  if (Error e = image->refuseUntrustworthy())
    return e;
  return image;
}

Error Image::readHeaders() {
  StringRef data = buffer->getBuffer();
  if (data.size() < 4 || !data.starts_with(ElfMagic))
    return error("not an ELF file");
  if (data.size() < EI_NIDENT || data[EI_CLASS] != ELFCLASS64)
    return error("not a 64-bit ELF file; only x86-64 programs are patched");
  if (data[EI_DATA] != ELFDATA2LSB)
    return error("not a little-endian ELF file");
  if (data.size() < sizeof(Ehdr))
    return error("truncated: the file ends inside the ELF header");
  memcpy(&header, data.data(), sizeof(Ehdr));
  if (header.e_machine != EM_X86_64)
    return error("machine type " + Twine(unsigned(header.e_machine)) +
                 " is not x86-64 (62), the only one patched so far");
  if (header.e_type == ET_REL)
    return error("is a relocatable object, expected a finished program or "
                 "shared library\n>>> usage: relink APP PATCH.o... -o OUT");
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return error("ELF type " + Twine(unsigned(header.e_type)) +
                 " is neither an executable nor a shared library");
  return Error::success();
}

Error Image::readSegments() {
  uint64_t total = buffer->getBufferSize();
  if (header.e_phnum == 0)
    return error("has no program headers");
  if (header.e_phentsize != sizeof(Phdr))
    return error("program header entries of " +
                 Twine(unsigned(header.e_phentsize)) + " bytes, expected 56");
  if (header.e_phnum > mostSegments)
    return error("has " + Twine(unsigned(header.e_phnum)) + " program headers; "
                 "no kernel takes more than " + Twine(mostSegments));
  if (!fits(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Phdr), total))
    return error("truncated: the program header table lies outside the file");
  auto *table =
      reinterpret_cast<const Phdr *>(buffer->getBufferStart() + header.e_phoff);
  segments.assign(table, table + header.e_phnum);
  elfEnd = header.e_phoff + segments.size() * sizeof(Phdr);

  bool allEmpty = true;
  for (const Phdr &p : segments) {
    if (p.p_type != PT_LOAD && p.p_filesz == 0)
      continue;
    if (p.p_type == PT_NULL)
      continue;
    if (p.p_type != PT_LOAD && p.p_type != PT_DYNAMIC && p.p_type != PT_INTERP &&
        p.p_type != PT_NOTE && p.p_type != PT_TLS)
      continue;
    if (!fits(p.p_offset, p.p_filesz, total))
      return error("truncated: segment at " + hex(p.p_vaddr) +
                   " needs file bytes up to " + hex(p.p_offset + p.p_filesz) +
                   ", the file has " + hex(total));
    if (p.p_type == PT_LOAD) {
      if (p.p_memsz < p.p_filesz || p.p_vaddr + p.p_memsz < p.p_vaddr)
        return error("segment at " + hex(p.p_vaddr) + " has impossible sizes");
      allEmpty &= p.p_filesz == 0;
    }
    elfEnd = std::max<uint64_t>(elfEnd, p.p_offset + p.p_filesz);
  }
  const Phdr *previous = nullptr;
  for (const Phdr &p : segments) {
    if (p.p_type != PT_LOAD)
      continue;
    if (previous && p.p_vaddr < previous->p_vaddr + previous->p_memsz)
      return error("segments overlap or are not in ascending order: " +
                   hex(previous->p_vaddr) + " and " + hex(p.p_vaddr) +
                   "; this layout can't be trusted");
    previous = &p;
  }
  if (!previous)
    return error("has no loadable segment");
  if (previous->p_vaddr + previous->p_memsz > (uint64_t(1) << 46))
    return error("segment at " + hex(previous->p_vaddr) +
                 " lies outside the user address space");
  if (allEmpty)
    return error("has no loadable bytes: is it a debug file "
                 "(objcopy --only-keep-debug)?\n>>> pass the program itself, "
                 "and this file with --debug-file");
  if (const Phdr *p = segmentOfType(PT_INTERP))
    interpreter = StringRef(buffer->getBufferStart() + p->p_offset, p->p_filesz)
                      .take_until([](char c) { return c == 0; });
  return Error::success();
}

Error Image::readSections() {
  uint64_t total = buffer->getBufferSize();
  if (header.e_shoff == 0 || header.e_shnum == 0)
    return Error::success();
  if (header.e_shentsize != sizeof(Shdr))
    return error("section header entries of " +
                 Twine(unsigned(header.e_shentsize)) + " bytes, expected 64");
  if (!fits(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Shdr), total))
    return error("truncated: the section header table lies outside the file");
  auto *table =
      reinterpret_cast<const Shdr *>(buffer->getBufferStart() + header.e_shoff);
  unsigned namesAt = header.e_shstrndx;
  if (namesAt >= header.e_shnum || table[namesAt].sh_type != SHT_STRTAB ||
      !fits(table[namesAt].sh_offset, table[namesAt].sh_size, total))
    return error("section " + Twine(namesAt) + ", which should hold the names "
                 "of the sections (e_shstrndx), is no string table\n>>> it "
                 "would run without section headers: with e_shoff, e_shnum and "
                 "e_shstrndx 0");
  StringRef names = buffer->getBuffer().substr(table[namesAt].sh_offset,
                                               table[namesAt].sh_size);
  bool anyAllocBytes = false, anyAlloc = false;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const Shdr &s = table[i];
    Section out;
    out.index = i;
    out.type = s.sh_type;
    // The other fields of an inactive header mean nothing (gABI).
    if (i != 0 && s.sh_type == SHT_NULL) {
      sections.push_back(out);
      continue;
    }
    if (s.sh_name < names.size())
      out.name = names.substr(s.sh_name, mostSectionName)
                     .take_until([](char c) { return !c; });
    out.flags = s.sh_flags;
    out.address = s.sh_addr;
    out.offset = s.sh_offset;
    out.size = s.sh_size;
    out.link = s.sh_link;
    out.info = s.sh_info;
    out.align = s.sh_addralign;
    out.entrySize = s.sh_entsize;
    if (i != 0 && s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL) {
      if (!fits(s.sh_offset, s.sh_size, total))
        return error("truncated: section " + out.name +
                     " lies outside the file");
      elfEnd = std::max<uint64_t>(elfEnd, s.sh_offset + s.sh_size);
    }
    if (out.isAlloc() && s.sh_size) {
      anyAlloc = true;
      anyAllocBytes |= s.sh_type != SHT_NOBITS && s.sh_type != SHT_NOTE;
    }
    sections.push_back(out);
  }
  if (anyAlloc && !anyAllocBytes)
    return error("its sections have no bytes: it is a debug file "
                 "(objcopy --only-keep-debug)\n>>> pass the program itself, "
                 "and this file with --debug-file");
  elfEnd = std::max<uint64_t>(elfEnd, header.e_shoff + uint64_t(header.e_shnum) *
                                                           sizeof(Shdr));
  return Error::success();
}

Error Image::readDynamic() {
  const Phdr *p = segmentOfType(PT_DYNAMIC);
  if (!p)
    return Error::success();
  dynamic.address = p->p_vaddr;
  dynamic.offset = p->p_offset;
  dynamic.size = p->p_filesz;
  auto *begin = reinterpret_cast<const Dyn *>(buffer->getBufferStart() +
                                              p->p_offset);
  size_t count = p->p_filesz / sizeof(Dyn), i = 0;
  for (; i < count && begin[i].d_tag != DT_NULL; ++i)
    dynamic.entries.push_back({begin[i].d_tag, begin[i].d_un.d_val});
  if (i == count)
    return error("its dynamic section has no DT_NULL");
  for (size_t j = i + 1; j < count && begin[j].d_tag == DT_NULL; ++j)
    ++dynamic.spareEntries;

  DynamicTables &d = dynamic;
  std::map<int64_t, uint64_t *> slots = {
      {DT_STRTAB, &d.strtab},         {DT_STRSZ, &d.strsz},
      {DT_SYMTAB, &d.symtab},         {DT_HASH, &d.hash},
      {DT_GNU_HASH, &d.gnuHash},      {DT_RELA, &d.rela},
      {DT_RELASZ, &d.relasz},         {DT_JMPREL, &d.jmprel},
      {DT_PLTRELSZ, &d.pltrelsz},     {DT_RELR, &d.relr},
      {DT_RELRSZ, &d.relrsz},         {DT_VERSYM, &d.versym},
      {DT_VERNEED, &d.verneed},       {DT_VERNEEDNUM, &d.verneednum},
      {DT_VERDEF, &d.verdef},         {DT_VERDEFNUM, &d.verdefnum},
      {DT_INIT_ARRAY, &d.initArray},  {DT_INIT_ARRAYSZ, &d.initArraySize},
      {DT_FINI_ARRAY, &d.finiArray},  {DT_FINI_ARRAYSZ, &d.finiArraySize},
      {DT_FLAGS, &d.flags},           {DT_FLAGS_1, &d.flags1}};
  for (auto [tag, value] : d.entries)
    if (auto it = slots.find(tag); it != slots.end())
      *it->second = value;
  d.bindNow = d.has(DT_BIND_NOW) || (d.flags & DF_BIND_NOW) ||
              (d.flags1 & DF_1_NOW);
  d.symbolic = d.has(DT_SYMBOLIC) || (d.flags & DF_SYMBOLIC);
  dynamicStrings = toStringRef(bytesAt(d.strtab, d.strsz));
  for (auto [tag, value] : d.entries) {
    if (tag == DT_NEEDED)
      d.needed.push_back(dynamicString(value));
    else if (tag == DT_SONAME)
      d.soname = dynamicString(value);
    else if (tag == DT_RPATH || tag == DT_RUNPATH)
      dynamicString(value).split(d.runPaths, ':', -1, false);
  }
  return Error::success();
}

StringRef Image::dynamicString(uint64_t offset) const {
  if (offset >= dynamicStrings.size())
    return {};
  constexpr size_t longest = 1 << 20;
  StringRef rest = dynamicStrings.substr(offset, longest);
  size_t end = rest.find('\0');
  return end == StringRef::npos ? StringRef() : rest.take_front(end);
}

StringRef Image::dynamicName(const Sym &s) const {
  return dynamicString(s.st_name);
}

/// The number of dynamic symbols is stated nowhere when there is only
/// DT_GNU_HASH: it ends where the last hash chain ends (glibc elf/dl-addr.c
/// relies on the same).
static uint64_t countGnuHashSymbols(const Image &image) {
  using support::endian::read32le;
  ArrayRef<uint8_t> table = image.bytesFrom(image.dynamic.gnuHash);
  if (table.size() < 16)
    return 0;
  uint64_t buckets = read32le(&table[0]), first = read32le(&table[4]),
           bloom = read32le(&table[8]);
  uint64_t bucketsAt = 16 + bloom * 8;
  if (!fits(bucketsAt, buckets * 4, table.size()))
    return 0;
  uint64_t last = 0;
  for (uint64_t i = 0; i < buckets; ++i)
    last = std::max<uint64_t>(last, read32le(&table[bucketsAt + i * 4]));
  if (last < first)
    return first;
  for (uint64_t chains = bucketsAt + buckets * 4;; ++last) {
    uint64_t at = chains + (last - first) * 4;
    if (!fits(at, 4, table.size()))
      return 0;
    if (read32le(&table[at]) & 1)
      return last + 1;
  }
}

Error Image::readDynamicSymbols() {
  const DynamicTables &d = dynamic;
  if (d.symtab) {
    uint64_t count = 0;
    auto it = find_if(sections, [&](const Section &s) {
      return s.type == SHT_DYNSYM && s.address == d.symtab;
    });
    if (it != sections.end())
      count = it->size / sizeof(Sym);
    else if (d.hash && bytesAt(d.hash, 8).size() == 8)
      count = support::endian::read32le(&bytesAt(d.hash, 8)[4]);
    else if (d.gnuHash)
      count = countGnuHashSymbols(*this);
    ArrayRef<uint8_t> raw = bytesAt(d.symtab, count * sizeof(Sym));
    if (count && raw.empty())
      return error("its dynamic symbol table lies outside its segments");
    dynsym = {reinterpret_cast<const Sym *>(raw.data()), count};
    // Linkers share names and their ends, but not one long name among many: each
    // reader of names would take forever.
    constexpr uint64_t mostShared = 64;
    uint64_t most = mostShared * (dynamicStrings.size() + raw.size()), total = 0;
    for (const Sym &s : dynsym)
      if ((total += dynamicName(s).size()) > most)
        return error("its dynamic symbols have names of more than " + Twine(most) +
                     " bytes in all, in a table of " +
                     Twine(dynamicStrings.size()));
  }
  auto readRelas = [&](uint64_t address, uint64_t size, const char *what,
                       ArrayRef<Rela> &out) -> Error {
    ArrayRef<uint8_t> raw = bytesAt(address, size);
    if (size && raw.empty())
      return error(Twine(what) + " lies outside its segments");
    out = {reinterpret_cast<const Rela *>(raw.data()), size / sizeof(Rela)};
    for (const Rela &r : out)
      if (r.getSymbol(false) >= std::max<size_t>(dynsym.size(), 1))
        return error(Twine(what) + " refers to dynamic symbol " +
                     Twine(r.getSymbol(false)) + " of " + Twine(dynsym.size()));
    return Error::success();
  };
  if (Error e = readRelas(d.rela, d.relasz, "DT_RELA", rela))
    return e;
  if (Error e = readRelas(d.jmprel, d.pltrelsz, "DT_JMPREL", jmprel))
    return e;
  // Without a dynamic section (static, non-PIE) only section headers name the
  // IRELATIVE table: .rela.plt from GNU ld, .rela.dyn from lld and mold.
  if (!d.address)
    for (const Section &s : sections)
      if (s.type == SHT_RELA && s.isAlloc())
        return readRelas(s.address, s.size, "the IRELATIVE table", jmprel);
  return Error::success();
}

void Image::readVersions() {
  uint64_t at = dynamic.verneed;
  for (uint64_t i = 0; i < dynamic.verneednum && at; ++i) {
    ArrayRef<uint8_t> raw = bytesAt(at, sizeof(ELFT::Verneed));
    if (raw.empty())
      return;
    auto *need = reinterpret_cast<const ELFT::Verneed *>(raw.data());
    uint64_t auxAt = at + need->vn_aux;
    for (unsigned j = 0; j < need->vn_cnt; ++j) {
      if (versionNeeds.size() > VERSYM_VERSION) // indexes have 15 bits
        return;
      ArrayRef<uint8_t> rawAux = bytesAt(auxAt, sizeof(ELFT::Vernaux));
      if (rawAux.empty())
        return;
      auto *aux = reinterpret_cast<const ELFT::Vernaux *>(rawAux.data());
      uint16_t index = aux->vna_other & VERSYM_VERSION;
      versionNeeds.push_back({dynamicString(need->vn_file),
                              dynamicString(aux->vna_name), index});
      versionNames[index] = dynamicString(aux->vna_name);
      if (!aux->vna_next)
        break;
      auxAt += aux->vna_next;
    }
    if (!need->vn_next)
      break;
    at += need->vn_next;
  }
  at = dynamic.verdef;
  for (uint64_t i = 0; i < dynamic.verdefnum && i <= VERSYM_VERSION && at; ++i) {
    ArrayRef<uint8_t> raw = bytesAt(at, sizeof(ELFT::Verdef));
    if (raw.empty())
      return;
    auto *def = reinterpret_cast<const ELFT::Verdef *>(raw.data());
    ArrayRef<uint8_t> aux = bytesAt(at + def->vd_aux, sizeof(ELFT::Verdaux));
    if (!aux.empty())
      versionNames[def->vd_ndx & VERSYM_VERSION] = dynamicString(
          reinterpret_cast<const ELFT::Verdaux *>(aux.data())->vda_name);
    if (!def->vd_next)
      break;
    at += def->vd_next;
  }
}

uint16_t Image::versionEntry(unsigned symbolIndex) const {
  ArrayRef<uint8_t> raw =
      dynamic.versym ? bytesAt(dynamic.versym + symbolIndex * 2, 2)
                     : ArrayRef<uint8_t>();
  return raw.empty() ? uint16_t(VER_NDX_GLOBAL)
                     : support::endian::read16le(raw.data());
}

bool Image::hasHiddenVersion(unsigned symbolIndex) const {
  return versionEntry(symbolIndex) & VERSYM_HIDDEN;
}

StringRef Image::dynamicVersion(unsigned symbolIndex) const {
  uint16_t index = versionEntry(symbolIndex) & VERSYM_VERSION;
  auto it = index > VER_NDX_GLOBAL ? versionNames.find(index)
                                   : versionNames.end();
  return it == versionNames.end() ? StringRef() : it->second;
}

/// x86-64 psABI, "Program Property": a .note.gnu.property holds
/// GNU_PROPERTY_X86_FEATURE_1_AND with one bit for IBT and one for SHSTK.
void Image::readProperties() {
  using support::endian::read32le;
  const Phdr *p = segmentOfType(PT_GNU_PROPERTY);
  if (!p)
    return;
  ArrayRef<uint8_t> note = bytesAt(p->p_vaddr, p->p_filesz);
  if (note.size() < 16 || read32le(&note[8]) != NT_GNU_PROPERTY_TYPE_0)
    return;
  uint64_t end = std::min<uint64_t>(note.size(), 16 + read32le(&note[4]));
  for (uint64_t at = 16; at + 12 <= end;) {
    uint32_t type = read32le(&note[at]), size = read32le(&note[at + 4]);
    if (type == GNU_PROPERTY_X86_FEATURE_1_AND && size >= 4) {
      uint32_t bits = read32le(&note[at + 8]);
      ibt = bits & GNU_PROPERTY_X86_FEATURE_1_IBT;
      shstk = bits & GNU_PROPERTY_X86_FEATURE_1_SHSTK;
    }
    at += 8 + alignTo(uint64_t(size), 8);
  }
}

void Image::decideKind() {
  bool loaded = !interpreter.empty();
  if (header.e_type == ET_EXEC) {
    kind = loaded || dynamic.address ? ImageKind::Executable
                                     : ImageKind::StaticExecutable;
    return;
  }
  if (loaded && !(dynamic.has(DT_SONAME)))
    kind = ImageKind::Pie;
  else if (dynamic.flags1 & DF_1_PIE)
    kind = loaded || !dynamic.needed.empty() ? ImageKind::Pie
                                             : ImageKind::StaticPie;
  else
    // A library, also one with an interpreter of its own (libc.so.6).
    kind = ImageKind::Shared;
}

/// Rule 17: an app that is not what it seems is refused, with the place.
Error Image::refuseUntrustworthy() const {
  for (const Section &s : sections) {
    if (!s.isAlloc() || s.size == 0 || (s.flags & SHF_TLS))
      continue;
    const Phdr *load = loadAt(s.address);
    bool lies = !load || !fits(s.address - load->p_vaddr, s.size, load->p_memsz);
    if (load && s.type != SHT_NOBITS)
      lies |= s.offset - load->p_offset != s.address - load->p_vaddr;
    if (lies)
      return error("section " + s.name + " claims address " + hex(s.address) +
                   ", which no loadable segment holds that way; its section "
                   "headers lie and can't be trusted\n>>> remedy: remove them "
                   "(llvm-strip --strip-sections) and name functions with "
                   "--symbol");
  }
  const Phdr *entry = loadAt(header.e_entry);
  if (kind != ImageKind::Shared && (!entry || !(entry->p_flags & PF_X)))
    return error("entry point " + hex(header.e_entry) +
                 " is in no executable segment");
  for (const Phdr &p : segments)
    if (p.p_type == PT_LOAD && (p.p_flags & PF_W) && (p.p_flags & PF_X))
      return error("segment at " + hex(p.p_vaddr) +
                   " is writable and executable: the program is packed or "
                   "rewrites itself, so its file bytes are not what runs\n>>> "
                   "remedy: unpack it first");
  // A packer's output is a loader stub and compressed loads: no sections, no
  // symbols, no unwinding, and hardly a function in it.
  if (sections.empty() && !dynamic.address && isStatic() &&
      !segmentOfType(PT_GNU_EH_FRAME) && !segmentOfType(PT_GNU_STACK) &&
      !segmentOfType(PT_TLS))
    return error("has neither section headers, dynamic tables nor unwind "
                 "tables: it looks packed (a loader stub and compressed "
                 "segments)\n>>> remedy: unpack it first");
  return Error::success();
}

const Phdr *Image::segmentOfType(uint32_t type) const {
  auto it = find_if(segments, [&](const Phdr &p) { return p.p_type == type; });
  return it == segments.end() ? nullptr : &*it;
}

const Phdr *Image::loadAt(uint64_t address) const {
  for (const Phdr &p : segments)
    if (p.p_type == PT_LOAD && address >= p.p_vaddr &&
        address - p.p_vaddr < p.p_memsz)
      return &p;
  return nullptr;
}

ArrayRef<uint8_t> Image::bytesFrom(uint64_t address) const {
  const Phdr *p = loadAt(address);
  if (!p || address - p->p_vaddr >= p->p_filesz)
    return {};
  uint64_t skip = address - p->p_vaddr;
  return bytes().slice(p->p_offset + skip, p->p_filesz - skip);
}

ArrayRef<uint8_t> Image::bytesAt(uint64_t address, uint64_t size) const {
  ArrayRef<uint8_t> all = bytesFrom(address);
  return all.size() < size ? ArrayRef<uint8_t>() : all.take_front(size);
}

std::optional<uint64_t> Image::fileOffset(uint64_t address) const {
  ArrayRef<uint8_t> all = bytesFrom(address);
  if (all.empty())
    return std::nullopt;
  return all.data() - bytes().data();
}

uint64_t threadBlockSize(const Phdr *tls) {
  if (!tls)
    return 0;
  uint64_t align = std::max<uint64_t>(tls->p_align, 1);
  return tls->p_memsz + ((-tls->p_vaddr - tls->p_memsz) & (align - 1));
}

void Image::release() const {
  // MemoryBuffer::dontNeedIfMmap() calls posix_madvise(), which glibc ignores.
  if (buffer->getBufferKind() != MemoryBuffer::MemoryBuffer_MMap)
    return;
  uint64_t page = sys::Process::getPageSizeEstimate();
  auto from = alignTo(reinterpret_cast<uintptr_t>(buffer->getBufferStart()), page);
  auto to = alignDown(reinterpret_cast<uintptr_t>(buffer->getBufferEnd()), page);
  if (from < to)
    ::madvise(reinterpret_cast<void *>(from), to - from, MADV_DONTNEED);
}

const Section *Image::section(StringRef name) const {
  auto it = find_if(sections, [&](const Section &s) { return s.name == name; });
  return it == sections.end() ? nullptr : &*it;
}

const Section *Image::sectionAt(uint64_t address) const {
  for (const Section &s : sections)
    if (s.isAlloc() && !(s.flags & SHF_TLS && s.type == SHT_NOBITS) &&
        s.contains(address))
      return &s;
  return nullptr;
}

uint64_t Image::memoryEnd() const {
  uint64_t end = 0;
  for (const Phdr &p : segments)
    if (p.p_type == PT_LOAD)
      end = std::max<uint64_t>(end, p.p_vaddr + p.p_memsz);
  return end;
}

} // namespace relink
