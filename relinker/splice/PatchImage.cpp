//===- PatchImage.cpp - What lld made of the patch ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchImage.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

const PatchSection *PatchImage::section(StringRef name) const {
  auto it = find_if(sections, [&](auto &s) { return s.name == name; });
  return it == sections.end() ? nullptr : &*it;
}

const PatchSymbol *PatchImage::symbol(StringRef name) const {
  auto it = find_if(symbols, [&](auto &s) { return s.name == name; });
  return it == symbols.end() ? nullptr : &*it;
}

namespace {

Error readSymbols(const object::ELFFile<ELFT> &file, const Shdr &table,
                  const std::vector<PatchSection> &sections,
                  std::vector<PatchSymbol> &out) {
  auto entries = file.symbols(&table);
  if (!entries)
    return entries.takeError();
  auto strings = file.getStringTableForSymtab(table);
  if (!strings)
    return strings.takeError();
  for (const Sym &s : *entries) {
    auto name = s.getName(*strings);
    if (!name)
      return name.takeError();
    PatchSymbol p;
    p.name = *name;
    p.value = s.st_value;
    p.size = s.st_size;
    p.type = s.getType();
    p.binding = s.getBinding();
    p.visibility = s.getVisibility();
    if (s.st_shndx > 0 && s.st_shndx < sections.size())
      p.section = &sections[s.st_shndx];
    out.push_back(p);
  }
  return Error::success();
}

Error readUnwindRows(PatchImage &p) {
  using support::endian::read32le;
  const PatchSection *hdr = p.section(".eh_frame_hdr");
  if (!hdr || hdr->data.size() < 12)
    return Error::success();
  uint32_t count = read32le(&hdr->data[8]);
  if (count > (hdr->data.size() - 12) / 8)
    return makeError("lld's .eh_frame_hdr is shorter than it says");
  for (uint32_t i = 0; i < count; ++i)
    p.unwindRows.push_back(
        {hdr->address + int32_t(read32le(&hdr->data[12 + i * 8])),
         hdr->address + int32_t(read32le(&hdr->data[16 + i * 8]))});
  return Error::success();
}

} // namespace

Expected<PatchImage> PatchImage::read(std::unique_ptr<MemoryBuffer> buffer) {
  PatchImage p;
  p.buffer = std::move(buffer);
  auto file = object::ELFFile<ELFT>::create(p.buffer->getBuffer());
  if (!file)
    return file.takeError();
  auto headers = file->sections();
  if (!headers)
    return headers.takeError();
  for (const Shdr &h : *headers) {
    PatchSection s;
    auto name = file->getSectionName(h);
    if (!name)
      return name.takeError();
    s.name = *name;
    s.type = h.sh_type;
    s.flags = h.sh_flags;
    s.address = h.sh_addr;
    s.size = h.sh_size;
    s.align = std::max<uint64_t>(h.sh_addralign, 1);
    s.entrySize = h.sh_entsize;
    if (h.sh_type != SHT_NOBITS) {
      auto data = file->getSectionContents(h);
      if (!data)
        return data.takeError();
      s.data = *data;
    }
    p.sections.push_back(s);
  }
  for (const Shdr &h : *headers) {
    if (h.sh_type == SHT_SYMTAB || h.sh_type == SHT_DYNSYM)
      if (Error e = readSymbols(*file, h, p.sections,
                                h.sh_type == SHT_SYMTAB ? p.symbols
                                                        : p.dynamicSymbols))
        return e;
  }
  for (const Shdr &h : *headers) {
    if (h.sh_type != SHT_RELA || !(h.sh_flags & SHF_ALLOC))
      continue;
    auto relas = file->relas(h);
    if (!relas)
      return relas.takeError();
    for (const Rela &r : *relas) {
      uint32_t index = r.getSymbol(false);
      if (index && index >= p.dynamicSymbols.size())
        return makeError("lld's relocation names no symbol");
      p.relocations.push_back({r.r_offset, r.getType(false),
                               index ? &p.dynamicSymbols[index] : nullptr,
                               r.r_addend});
    }
  }
  if (Error e = readUnwindRows(p))
    return e;
  auto mark = [&](StringRef name, uint64_t &out) {
    if (const PatchSymbol *s = p.symbol(name))
      out = s->value;
  };
  mark("relink.start", p.start);
  mark("relink.file_end", p.fileEnd);
  mark("relink.rw_end", p.rwEnd);
  mark("relink.rx_start", p.rxStart);
  mark("relink.rx_end", p.rxEnd);
  for (unsigned i = 0; i < reserve::poolKinds; ++i)
    mark(("relink.pool" + Twine(i + 1)).str(), p.poolEnds[i]);
  // The first pool may be missing, and with it lie at 0; not all can.
  p.isInReserve = any_of(p.poolEnds, [](uint64_t end) { return end; });
  if (p.isInReserve)
    return p;
  if (!p.start || p.fileEnd < p.start || p.rwEnd < p.fileEnd ||
      p.rxStart < p.rwEnd || p.rxEnd < p.rxStart)
    return makeError("the link's result is not laid out as its script says");
  return p;
}

} // namespace relink
