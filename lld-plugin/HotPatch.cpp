//===- HotPatch.cpp - Hot-patch entries of an object ----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HotPatch.h"
#include "EntryTable.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

using ELFT = object::ELF64LE;
using ELFFile = object::ELFFile<ELFT>;

/// Compilers never use longer prefixes; a bound on what is looked at.
constexpr uint64_t maxNops = 512;

/// Length of the nop \p code starts with, 0 if it is something else. The
/// multi-byte forms are those of Intel's manual (NOP), with any number of 66
/// prefixes and a CS one.
unsigned nopLength(uint16_t machine, ArrayRef<uint8_t> code) {
  if (machine == EM_AARCH64)
    return code.size() >= 4 &&
                   support::endian::read32le(code.data()) == 0xd503201f
               ? 4
               : 0;
  unsigned at = 0;
  while (at < code.size() && at < 8 && (code[at] == 0x66 || code[at] == 0x2e))
    ++at;
  if (at < code.size() && code[at] == 0x90)
    return at + 1;
  if (at + 3 > code.size() || code[at] != 0x0f || code[at + 1] != 0x1f)
    return 0;
  uint8_t modrm = code[at + 2];
  unsigned mode = modrm >> 6, length = at + 3;
  if ((modrm & 0x38) || mode == 3)
    return 0;
  length += (modrm & 7) == 4;                  // SIB
  length += mode == 1 ? 1 : mode == 2 ? 4 : 0; // displacement
  return length <= code.size() ? length : 0;
}

unsigned nopsAt(uint16_t machine, ArrayRef<uint8_t> code) {
  unsigned at = 0;
  while (unsigned n = nopLength(machine, code.drop_front(at))) {
    at += n;
    if (at > maxNops)
      break;
  }
  return at;
}

/// The landing instruction that indirect branches need: endbr64, bti.
unsigned landingLength(uint16_t machine, ArrayRef<uint8_t> code) {
  if (code.size() < 4)
    return 0;
  uint32_t word = support::endian::read32le(code.data());
  if (machine == EM_AARCH64) // bti, bti c, bti j, bti jc
    return (word & 0xffffff3f) == 0xd503241f ? 4 : 0;
  return word == 0xfa1e0ff3 ? 4 : 0;
}

struct Function {
  uint32_t section;
  uint64_t value, size;
  StringRef name;
};

bool before(const Function &a, const Function &b) {
  return std::tie(a.section, a.value) < std::tie(b.section, b.value);
}

class Scanner {
public:
  Scanner(const ELFFile &file, ELFFile::Elf_Shdr_Range headers)
      : file(file), headers(headers), machine(file.getHeader().e_machine) {}
  HotPatchFacts scan();

private:
  void readFunctions();
  void readEntries();
  void readEntries(const ELFT::Shdr &relocations);
  void matchEntry(uint32_t section, uint64_t offset);
  void lookAtBytes();
  void record(const Function &f, unsigned prefix);
  ArrayRef<uint8_t> code(uint32_t section) const;

  const ELFFile &file;
  ELFFile::Elf_Shdr_Range headers;
  uint16_t machine;
  ELFT::SymRange symbols;
  std::vector<Function> functions; ///< by section and value
  DenseSet<std::pair<uint32_t, uint64_t>> recorded;
  HotPatchFacts facts;
};

ArrayRef<uint8_t> Scanner::code(uint32_t section) const {
  const ELFT::Shdr &h = headers[section];
  if (h.sh_offset > file.getBufSize() ||
      h.sh_size > file.getBufSize() - h.sh_offset)
    return {};
  return {file.base() + h.sh_offset, size_t(h.sh_size)};
}

void Scanner::readFunctions() {
  auto table = llvm::find_if(
      headers, [](const ELFT::Shdr &h) { return h.sh_type == SHT_SYMTAB; });
  if (table == headers.end())
    return;
  auto read = file.symbols(&*table);
  auto names = file.getStringTableForSymtab(*table, headers);
  if (!read || !names) {
    consumeError(read.takeError());
    consumeError(names.takeError());
    return;
  }
  symbols = *read;
  for (const ELFT::Sym &s : symbols) {
    if (s.getType() != STT_FUNC || s.st_shndx == SHN_UNDEF ||
        s.st_shndx >= headers.size())
      continue;
    const ELFT::Shdr &h = headers[s.st_shndx];
    if (h.sh_type != SHT_PROGBITS || !(h.sh_flags & SHF_EXECINSTR) ||
        s.st_value >= h.sh_size)
      continue;
    auto name = s.getName(*names);
    if (!name) {
      consumeError(name.takeError());
      continue;
    }
    // gcc's and clang's names of parts that are jumped to, not called.
    if (name->ends_with(".cold") || name->contains(".cold."))
      continue;
    functions.push_back({s.st_shndx, s.st_value, s.st_size, *name});
  }
  llvm::stable_sort(functions, before);
  functions.erase(std::unique(functions.begin(), functions.end(),
                              [](const Function &a, const Function &b) {
                                return !before(a, b) && !before(b, a);
                              }),
                  functions.end()); // aliases
  facts.functions = functions.size();
}

void Scanner::record(const Function &f, unsigned prefix) {
  if (!recorded.insert({f.section, f.value}).second)
    return;
  ArrayRef<uint8_t> body = code(f.section);
  if (f.value >= body.size())
    return;
  body = body.drop_front(f.value);
  unsigned behind =
      nopsAt(machine, body.drop_front(landingLength(machine, body)));
  bool first = facts.ready++ == 0;
  facts.entryNops = first ? behind : std::min(facts.entryNops, behind);
  facts.prefixNops = first ? prefix : std::min(facts.prefixNops, prefix);
  facts.greatestPrefix = std::max(facts.greatestPrefix, prefix);
  if (prefix % 2 && facts.oddFunction.empty())
    facts.oddFunction = f.name.str();
}

/// The record is the first nop's place: in front of the entry, at it, or
/// behind the entry's landing instruction.
void Scanner::matchEntry(uint32_t section, uint64_t offset) {
  Function place{section, offset, 0, ""};
  auto next = llvm::lower_bound(functions, place, before);
  if (next != functions.end() && next->section == section &&
      next->value - offset <= maxNops) {
    ArrayRef<uint8_t> all = code(section);
    if (next->value <= all.size()) {
      uint64_t length = next->value - offset;
      if (nopsAt(machine, all.slice(offset, length)) == length)
        return record(*next, length);
    }
  }
  if (next == functions.begin())
    return;
  const Function &f = *std::prev(next);
  ArrayRef<uint8_t> all = code(section);
  if (f.section == section && f.value < all.size() &&
      offset - f.value <= landingLength(machine, all.drop_front(f.value)))
    record(f, 0);
}

void Scanner::readEntries(const ELFT::Shdr &relocations) {
  auto list = file.relas(relocations);
  if (!list)
    return consumeError(list.takeError());
  for (const ELFT::Rela &r : *list) {
    uint32_t index = r.getSymbol(false);
    if (index >= symbols.size())
      continue;
    const ELFT::Sym &s = symbols[index];
    if (s.st_shndx != SHN_UNDEF && s.st_shndx < headers.size())
      matchEntry(s.st_shndx, s.st_value + r.r_addend);
  }
}

void Scanner::readEntries() {
  for (const ELFT::Shdr &h : headers) {
    if (h.sh_type != SHT_RELA || h.sh_info >= headers.size())
      continue;
    auto name = file.getSectionName(headers[h.sh_info]);
    if (!name)
      consumeError(name.takeError());
    else if (*name == compilersTableName || *name == entryTableName)
      readEntries(h);
  }
}

/// Two bytes at the entry take a short jump; on AArch64 one nop is a jump.
void Scanner::lookAtBytes() {
  for (const Function &f : functions) {
    if (recorded.contains({f.section, f.value}))
      continue;
    ArrayRef<uint8_t> body = code(f.section);
    if (f.value >= body.size())
      continue;
    body = body.drop_front(f.value);
    body = body.take_front(std::min<uint64_t>(body.size(), f.size));
    body = body.drop_front(landingLength(machine, body));
    if (nopsAt(machine, body) >= 2)
      record(f, 0);
  }
}

HotPatchFacts Scanner::scan() {
  facts.understood = true;
  readFunctions();
  readEntries();
  facts.listed = facts.ready;
  lookAtBytes();
  return facts;
}

} // namespace

HotPatchFacts findHotPatchEntries(StringRef bytes) {
  if (object::getElfArchType(bytes) !=
      std::make_pair<unsigned char, unsigned char>(ELFCLASS64, ELFDATA2LSB))
    return {};
  auto file = ELFFile::create(bytes);
  if (!file) {
    consumeError(file.takeError());
    return {};
  }
  uint16_t machine = file->getHeader().e_machine;
  auto headers = file->sections();
  if (file->getHeader().e_type != ET_REL || !headers ||
      (machine != EM_X86_64 && machine != EM_AARCH64)) {
    consumeError(headers.takeError());
    return {};
  }
  return Scanner(*file, *headers).scan();
}

} // namespace relink
