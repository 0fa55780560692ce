//===- AddedSection.cpp - One section more in a linked file ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AddedSection.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

using ELFT = object::ELF64LE;
using Ehdr = ELFT::Ehdr;
using Shdr = ELFT::Shdr;

/// What follows the names of sections moves by a multiple of this.
constexpr uint64_t step = 16;

bool isMoved(const Shdr &h, uint64_t from) {
  return h.sh_type != SHT_NULL && h.sh_type != SHT_NOBITS &&
         h.sh_offset >= from;
}

bool canMove(ArrayRef<Shdr> headers, uint64_t from) {
  return llvm::none_of(headers, [&](const Shdr &h) {
    return isMoved(h, from) &&
           ((h.sh_flags & SHF_ALLOC) || h.sh_addralign > step);
  });
}

} // namespace

bool canAddSection(ArrayRef<uint8_t> file) {
  auto *e = reinterpret_cast<const Ehdr *>(file.data());
  return file.size() >= sizeof(Ehdr) && !memcmp(file.data(), ElfMagic, 4) &&
         e->getFileClass() == ELFCLASS64 &&
         e->getDataEncoding() == ELFDATA2LSB &&
         (e->e_machine == EM_X86_64 || e->e_machine == EM_AARCH64);
}

std::optional<AddedSection> AddedSection::plan(ArrayRef<uint8_t> file,
                                               StringRef name) {
  if (!canAddSection(file))
    return std::nullopt;
  auto *e = reinterpret_cast<const Ehdr *>(file.data());
  auto elf = object::ELFFile<ELFT>::create(toStringRef(file));
  if (!elf || !e->e_shoff) {
    consumeError(elf.takeError());
    return std::nullopt;
  }
  auto headers = elf->sections();
  if (!headers || headers->empty()) {
    consumeError(headers.takeError());
    return std::nullopt;
  }
  AddedSection out;
  out.names = e->e_shstrndx == SHN_XINDEX ? uint32_t((*headers)[0].sh_link)
                                          : uint32_t(e->e_shstrndx);
  out.oldHeaders = e->e_shoff;
  if (out.names >= headers->size() ||
      out.oldHeaders + headers->size() * sizeof(Shdr) != file.size())
    return std::nullopt;
  const Shdr &names = (*headers)[out.names];
  out.keep = names.sh_offset + names.sh_size;
  if (out.keep > out.oldHeaders || out.keep < sizeof(Ehdr) ||
      !canMove(*headers, out.keep))
    return std::nullopt;
  out.file = file;
  out.headers.assign(headers->begin(), headers->end());
  out.header.assign(file.begin(), file.begin() + sizeof(Ehdr));
  out.inserted.assign(name.begin(), name.end());
  out.inserted.resize(alignTo(name.size() + 1, step));
  out.contentsOffset = alignTo(out.oldHeaders + out.inserted.size(), 8);
  Shdr h;
  memset(&h, 0, sizeof(h));
  h.sh_name = names.sh_size;
  h.sh_type = SHT_PROGBITS;
  h.sh_offset = out.contentsOffset;
  h.sh_addralign = 8;
  for (Shdr &old : out.headers)
    if (isMoved(old, out.keep))
      old.sh_offset += out.inserted.size();
  out.headers[out.names].sh_size += name.size() + 1;
  out.headers.push_back(h);
  return out;
}

std::vector<AddedSection::Part> AddedSection::firstParts() const {
  return {{sizeof(Ehdr), file.slice(sizeof(Ehdr), keep - sizeof(Ehdr))},
          {keep, inserted},
          {keep + inserted.size(), file.slice(keep, oldHeaders - keep)}};
}

std::vector<uint8_t> AddedSection::finish(uint64_t size) {
  headers.back().sh_size = size;
  headersOffset = alignTo(contentsOffset + size, 8);
  auto *e = reinterpret_cast<Ehdr *>(header.data());
  e->e_shoff = headersOffset;
  bool isLarge = headers.size() >= SHN_LORESERVE;
  e->e_shnum = isLarge ? 0 : headers.size();
  headers[0].sh_size = isLarge ? headers.size() : 0;
  auto *bytes = reinterpret_cast<const uint8_t *>(headers.data());
  return {bytes, bytes + headers.size() * sizeof(Shdr)};
}

uint64_t AddedSection::fileSize() const {
  return headersOffset + headers.size() * sizeof(Shdr);
}

} // namespace relink
