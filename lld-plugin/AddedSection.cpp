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

class Tail {
public:
  Tail(MutableArrayRef<uint8_t> file, ArrayRef<Shdr> old, uint32_t names)
      : file(file), headers(old.begin(), old.end()), names(names) {}
  bool canMove() const;
  NewTail make(StringRef name, ArrayRef<uint8_t> contents);

private:
  void addHeader(uint64_t offset, uint64_t size);
  MutableArrayRef<uint8_t> file;
  std::vector<Shdr> headers;
  uint32_t names; ///< index of .shstrtab
};

bool Tail::canMove() const {
  uint64_t end = headers[names].sh_offset + headers[names].sh_size;
  for (const Shdr &h : headers)
    if (isMoved(h, end) &&
        ((h.sh_flags & SHF_ALLOC) || h.sh_addralign > step))
      return false;
  return true;
}

void Tail::addHeader(uint64_t offset, uint64_t size) {
  Shdr h;
  memset(&h, 0, sizeof(h));
  h.sh_name = headers[names].sh_size;
  h.sh_type = SHT_PROGBITS;
  h.sh_offset = offset;
  h.sh_size = size;
  h.sh_addralign = 8;
  headers.push_back(h);
}

NewTail Tail::make(StringRef name, ArrayRef<uint8_t> contents) {
  auto *e = reinterpret_cast<Ehdr *>(file.data());
  NewTail tail;
  tail.keep = headers[names].sh_offset + headers[names].sh_size;
  std::vector<uint8_t> &out = tail.bytes;
  auto add = [&](ArrayRef<uint8_t> b) { out.insert(out.end(), b.begin(), b.end()); };
  auto alignOut = [&](uint64_t to) {
    out.resize(alignTo(tail.keep + out.size(), to) - tail.keep);
    return tail.keep + out.size();
  };
  add(arrayRefFromStringRef(name));
  uint64_t moved = alignTo(name.size() + 1, step);
  out.resize(moved);
  add(file.slice(tail.keep, e->e_shoff - tail.keep));
  for (Shdr &h : headers)
    if (isMoved(h, tail.keep))
      h.sh_offset += moved;
  addHeader(alignOut(8), contents.size());
  headers[names].sh_size += name.size() + 1;
  add(contents);
  e->e_shoff = alignOut(8);
  bool isLarge = headers.size() >= SHN_LORESERVE;
  e->e_shnum = isLarge ? 0 : headers.size();
  headers[0].sh_size = isLarge ? headers.size() : 0;
  add({reinterpret_cast<const uint8_t *>(headers.data()),
       headers.size() * sizeof(Shdr)});
  return tail;
}

} // namespace

bool canAddSection(ArrayRef<uint8_t> file) {
  auto *e = reinterpret_cast<const Ehdr *>(file.data());
  return file.size() >= sizeof(Ehdr) && !memcmp(file.data(), ElfMagic, 4) &&
         e->getFileClass() == ELFCLASS64 &&
         e->getDataEncoding() == ELFDATA2LSB &&
         (e->e_machine == EM_X86_64 || e->e_machine == EM_AARCH64);
}

std::optional<NewTail> addSection(MutableArrayRef<uint8_t> file, StringRef name,
                                  ArrayRef<uint8_t> contents) {
  if (!canAddSection(file))
    return std::nullopt;
  auto *e = reinterpret_cast<Ehdr *>(file.data());
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
  uint32_t names = e->e_shstrndx == SHN_XINDEX
                       ? uint32_t((*headers)[0].sh_link)
                       : uint32_t(e->e_shstrndx);
  if (names >= headers->size() ||
      e->e_shoff + headers->size() * sizeof(Shdr) != file.size() ||
      (*headers)[names].sh_offset + (*headers)[names].sh_size > e->e_shoff)
    return std::nullopt;
  Tail tail(file, *headers, names);
  if (!tail.canMove())
    return std::nullopt;
  return tail.make(name, contents);
}

} // namespace relink
