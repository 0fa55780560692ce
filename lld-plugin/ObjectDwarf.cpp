//===- ObjectDwarf.cpp - An object's DWARF, ready to be read --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ObjectDwarf.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Object/Decompressor.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

using ELFT = ObjectDwarf::ELFT;

/// A few bytes can claim to unpack to anything: zlib reaches 1032 to 1.
constexpr uint64_t mostRatio = 1100, mostUnpacked = uint64_t(2) << 30;

/// Those with what is asked for here: not line tables, places of variables, nor
/// types.
static bool isWanted(StringRef name) {
  return name.consume_front(".debug_") &&
         StringSwitch<bool>(name)
             .Cases({"info", "abbrev", "str", "line_str", "str_offsets", "addr",
                     "ranges", "rnglists"},
                    true)
             .Default(false);
}

Error ObjectDwarf::unpack(Part &part) {
  if (!(part.header->sh_flags & SHF_COMPRESSED))
    return Error::success();
  auto packed = object::Decompressor::create(part.name, toStringRef(part.bytes),
                                             true, true);
  if (!packed)
    return packed.takeError();
  uint64_t to = packed->getDecompressedSize();
  if (to > mostUnpacked || to / mostRatio > part.bytes.size())
    return createStringError("it claims to unpack to too much");
  part.unpacked.resize_for_overwrite(to);
  if (Error e = packed->decompress(part.unpacked))
    return e;
  part.bytes = part.unpacked;
  return Error::success();
}

Error ObjectDwarf::list(ArrayRef<ELFT::Shdr> headers) {
  for (const ELFT::Shdr &h : headers) {
    if ((h.sh_flags & SHF_ALLOC) || h.sh_type != SHT_PROGBITS)
      continue;
    auto name = file.getSectionName(h);
    if (!name)
      return name.takeError();
    if (isWanted(*name))
      parts.push_back({&h, *name, 0, {}, {}});
  }
  return Error::success();
}

Error ObjectDwarf::readSymbols(ArrayRef<ELFT::Shdr> headers) {
  for (const ELFT::Shdr &h : headers) {
    if (h.sh_type == SHT_SYMTAB) {
      auto table = file.symbols(&h);
      if (!table)
        return table.takeError();
      symbols = *table;
    } else if (h.sh_type == SHT_SYMTAB_SHNDX) {
      auto table = file.getSHNDXTable(h, headers);
      if (!table)
        return table.takeError();
      extended = *table;
    }
  }
  return Error::success();
}

uint64_t ObjectDwarf::valueOf(const ELFT::Sym &s, uint32_t index) const {
  uint32_t section = s.st_shndx;
  if (section == SHN_XINDEX)
    section = index < extended.size() ? uint32_t(extended[index]) : 0;
  else if (section >= SHN_LORESERVE)
    return s.st_value;
  if (!section || section >= partOf.size())
    return 0;
  if (uint32_t part = partOf[section])
    return parts[part - 1].start + s.st_value;
  return addressOf(section, s.st_value);
}

/// Widths of the relocations that these sections have (psABI, table 4.9; AAELF64,
/// 5.7.4).
static unsigned widthOf(uint16_t machine, uint32_t type) {
  if (machine == EM_X86_64)
    return type == R_X86_64_64                              ? 8
           : type == R_X86_64_32 || type == R_X86_64_32S ? 4
                                                            : 0;
  return type == R_AARCH64_ABS64 ? 8 : type == R_AARCH64_ABS32 ? 4 : 0;
}

Error ObjectDwarf::relocate(const Part &part, char *to) const {
  if (!part.relocations)
    return Error::success();
  auto list = file.relas(*part.relocations);
  if (!list)
    return list.takeError();
  uint16_t machine = file.getHeader().e_machine;
  for (const ELFT::Rela &r : *list) {
    unsigned width = widthOf(machine, r.getType(false));
    uint32_t symbol = r.getSymbol(false);
    if (!width || symbol >= symbols.size() || r.r_offset > part.bytes.size() ||
        width > part.bytes.size() - r.r_offset)
      continue;
    uint64_t value = valueOf(symbols[symbol], symbol) + r.r_addend;
    if (width == 8)
      support::endian::write64le(to + r.r_offset, value);
    else
      support::endian::write32le(to + r.r_offset, uint32_t(value));
  }
  return Error::success();
}

Expected<bool> ObjectDwarf::read() {
  auto headers = file.sections();
  if (!headers)
    return headers.takeError();
  if (Error e = list(*headers))
    return e;
  if (none_of(parts, [](const Part &p) { return p.name == ".debug_info"; }))
    return false;
  partOf.resize(headers->size());
  StringMap<uint64_t> sizes;
  for (auto [i, part] : enumerate(parts)) {
    auto bytes = file.getSectionContents(*part.header);
    if (!bytes)
      return bytes.takeError();
    part.bytes = *bytes;
    if (Error e = unpack(part))
      return e;
    part.start = sizes[part.name];
    sizes[part.name] += part.bytes.size();
    size += part.bytes.size();
    partOf[part.header - headers->data()] = i + 1;
  }
  if (size > mostUnpacked)
    return createStringError("it has too much");
  if (Error e = readSymbols(*headers))
    return e;
  for (const ELFT::Shdr &h : *headers) {
    bool isCrel = h.sh_type == SHT_CREL;
    if ((h.sh_type != SHT_RELA && !isCrel) || h.sh_info >= partOf.size() ||
        !partOf[h.sh_info])
      continue;
    if (isCrel)
      return createStringError("it has compact relocations");
    parts[partOf[h.sh_info] - 1].relocations = &h;
  }
  for (const Part &part : parts) {
    auto &whole = sections[part.name.drop_front()];
    bool isInPlace = !part.relocations && part.unpacked.empty() &&
                     sizes[part.name] == part.bytes.size();
    if (isInPlace) {
      whole = MemoryBuffer::getMemBuffer(toStringRef(part.bytes), part.name,
                                         /*RequiresNullTerminator=*/false);
      continue;
    }
    if (!whole)
      whole = WritableMemoryBuffer::getNewUninitMemBuffer(sizes[part.name]);
    if (!whole)
      return createStringError("there is no memory for it");
    char *to = const_cast<char *>(whole->getBufferStart()) + part.start;
    copy(part.bytes, to);
    if (Error e = relocate(part, to))
      return e;
  }
  return true;
}

} // namespace relink
