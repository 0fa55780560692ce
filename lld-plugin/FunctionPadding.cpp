//===- FunctionPadding.cpp - Room behind each function --------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionPadding.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using llvm::object::ELFFile;

namespace relink {
namespace {

constexpr uint64_t copyAlign = 16;

uint64_t instructionAlign(uint16_t machine) {
  return machine == EM_AARCH64 ? 4 : 1;
}

/// For which lld defines __start_NAME and __stop_NAME.
bool isIdentifier(StringRef name) {
  return !name.empty() && !isDigit(name[0]) &&
         llvm::all_of(name, [](char c) { return isAlnum(c) || c == '_'; });
}

bool mayGrow(StringRef name) {
  return name != ".init" && name != ".fini" && !name.starts_with(".plt") &&
         !isIdentifier(name);
}

/// By section index: whether a function is defined there.
template <class ELFT>
BitVector sectionsWithFunctions(const ELFFile<ELFT> &file,
                                typename ELFT::ShdrRange headers) {
  BitVector found(headers.size());
  for (const typename ELFT::Shdr &h : headers) {
    if (h.sh_type != SHT_SYMTAB)
      continue;
    auto symbols = file.symbols(&h);
    if (!symbols) {
      consumeError(symbols.takeError());
      continue;
    }
    ArrayRef<typename ELFT::Word> extended;
    for (const typename ELFT::Shdr &x : headers)
      if (x.sh_type == SHT_SYMTAB_SHNDX &&
          x.sh_link == unsigned(&h - headers.data())) {
        auto table = file.getSHNDXTable(x, headers);
        if (table)
          extended = *table;
        else
          consumeError(table.takeError());
      }
    for (size_t i = 0; i < symbols->size(); ++i) {
      const typename ELFT::Sym &s = (*symbols)[i];
      if (s.getType() != STT_FUNC && s.getType() != STT_GNU_IFUNC)
        continue;
      uint32_t index = s.st_shndx;
      if (index == SHN_XINDEX)
        index = i < extended.size() ? uint32_t(extended[i]) : 0;
      if (index < headers.size())
        found.set(index);
    }
  }
  return found;
}

} // namespace

bool canPad(uint16_t machine) {
  return machine == EM_X86_64 || machine == EM_386 || machine == EM_AARCH64;
}

static bool isX86(uint16_t machine) {
  return machine == EM_X86_64 || machine == EM_386;
}

void fillWithTraps(uint16_t machine, char *at, uint64_t size) {
  memset(at, isX86(machine) ? x86Trap : 0, size);
}

template <class ELFT> void PaddedObject::planSections(const Padding &padding) {
  auto file = ELFFile<ELFT>::create(bytes);
  if (!file)
    return consumeError(file.takeError());
  machine = file->getHeader().e_machine;
  auto headers = file->sections();
  if (file->getHeader().e_type != ET_REL || !canPad(machine) || !headers) {
    consumeError(headers.takeError());
    return;
  }
  BitVector functions = sectionsWithFunctions(*file, *headers);
  uint64_t copied = 0;
  for (size_t i = 0; i < headers->size(); ++i) {
    const typename ELFT::Shdr &h = (*headers)[i];
    constexpr uint64_t code = SHF_ALLOC | SHF_EXECINSTR;
    if (h.sh_type != SHT_PROGBITS || (h.sh_flags & code) != code ||
        !functions[i] || !h.sh_size || h.sh_offset > bytes.size() ||
        h.sh_size > bytes.size() - h.sh_offset)
      continue;
    auto name = file->getSectionName(h);
    if (!name) {
      consumeError(name.takeError());
      continue;
    }
    if (!mayGrow(*name))
      continue;
    uint64_t room = alignTo(padding.percent ? h.sh_size * padding.percent / 100
                                            : padding.bytes,
                            instructionAlign(machine));
    uint64_t at = alignTo(newSize, copyAlign);
    uint64_t headerOffset = reinterpret_cast<const char *>(&h) - bytes.data();
    if (!room)
      continue;
    copied += h.sh_size;
    if (copied > bytes.size()) // sections overlap: no compiler made this
      return sections.clear();
    sections.push_back(
        {headerOffset, h.sh_offset, h.sh_size, at, h.sh_size + room});
    newSize = at + h.sh_size + room;
  }
}

PaddedObject PaddedObject::plan(StringRef bytes, const ObjectChanges &changes) {
  PaddedObject p;
  p.bytes = bytes;
  p.newSize = bytes.size();
  if (changes.smallEntryTables)
    p.entries = EntryTable::plan(bytes, changes.forLibrary);
  const Padding &padding = changes.padding;
  auto [fileClass, encoding] = object::getElfArchType(bytes);
  p.fileClass = fileClass;
  if (encoding != ELFDATA2LSB) // all that canPad() names
    return p;
  if (padding && fileClass == ELFCLASS64)
    p.planSections<object::ELF64LE>(padding);
  else if (padding && fileClass == ELFCLASS32)
    p.planSections<object::ELF32LE>(padding);
  p.newSize += p.entries.appended();
  return p;
}

bool PaddedObject::canStay() const {
  auto fits = [&](const PaddedSection &s) {
    return s.newSize <= bytes.size() - s.offset;
  };
  return (sections.empty() || isX86(machine)) && entries.canStay() &&
         all_of(sections, fits);
}

template <class ELFT> void PaddedObject::writeSizes(char *out) const {
  for (const PaddedSection &s : sections)
    reinterpret_cast<typename ELFT::Shdr *>(out + s.headerOffset)->sh_size = s.newSize;
}

void PaddedObject::edit(char *copy) const {
  entries.edit(copy);
  if (fileClass == ELFCLASS64)
    writeSizes<object::ELF64LE>(copy);
  else
    writeSizes<object::ELF32LE>(copy);
}

std::vector<GrownSection> PaddedObject::grown() const {
  std::vector<GrownSection> out;
  for (const PaddedSection &s : sections)
    out.push_back({s.offset, s.size, s.newSize});
  llvm::sort(out, [](auto &a, auto &b) { return a.offset < b.offset; });
  return out;
}

template <class ELFT> void PaddedObject::writeHeaders(char *out) const {
  for (const PaddedSection &s : sections) {
    auto *h = reinterpret_cast<typename ELFT::Shdr *>(out + s.headerOffset);
    h->sh_offset = s.newOffset;
    h->sh_size = s.newSize;
  }
}

void PaddedObject::write(char *out) const {
  memcpy(out, bytes.data(), bytes.size());
  uint64_t end = bytes.size();
  if (entries)
    entries.write(out, newSize - entries.appended());
  for (const PaddedSection &s : sections) {
    memset(out + end, 0, s.newOffset - end);
    memcpy(out + s.newOffset, out + s.offset, s.size);
    fillWithTraps(machine, out + s.newOffset + s.size, s.newSize - s.size);
    end = s.newOffset + s.newSize;
  }
  if (fileClass == ELFCLASS64)
    writeHeaders<object::ELF64LE>(out);
  else
    writeHeaders<object::ELF32LE>(out);
}

} // namespace relink
