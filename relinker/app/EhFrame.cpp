//===- EhFrame.cpp - The app's unwind tables ------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EhFrame.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/Support/DataExtractor.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {
namespace {

/// A value in a DW_EH_PE encoding; only those that compilers for x86-64 emit.
std::optional<uint64_t> readEncoded(const DataExtractor &data,
                                    DataExtractor::Cursor &c, uint8_t encoding,
                                    uint64_t sectionAddress) {
  uint64_t place = sectionAddress + c.tell();
  uint64_t value;
  switch (encoding & 0x0f) {
  case dwarf::DW_EH_PE_absptr:
  case dwarf::DW_EH_PE_udata8:
  case dwarf::DW_EH_PE_sdata8:
    value = data.getU64(c);
    break;
  case dwarf::DW_EH_PE_udata4:
    value = data.getU32(c);
    break;
  case dwarf::DW_EH_PE_sdata4:
    value = int64_t(int32_t(data.getU32(c)));
    break;
  default:
    return std::nullopt;
  }
  switch (encoding & 0x70) {
  case dwarf::DW_EH_PE_absptr:
    return value;
  case dwarf::DW_EH_PE_pcrel:
    return value + place;
  default:
    return std::nullopt;
  }
}

struct Cie {
  uint8_t pointerEncoding = dwarf::DW_EH_PE_absptr;
  uint8_t lsdaEncoding = dwarf::DW_EH_PE_omit;
  bool hasAugmentation = false, hasLsda = false;
  uint64_t personality = 0;
  bool isPersonalityIndirect = false;
  int64_t codeAlign = 0, dataAlign = 0;
  ArrayRef<uint8_t> instructions;
};

std::optional<Cie> decodeCie(ArrayRef<uint8_t> section, uint64_t address,
                             uint64_t offset) {
  if (section.size() < 4 || offset > section.size() - 4)
    return std::nullopt;
  uint64_t length = read32le(&section[offset]);
  uint64_t end = offset + 4 + length;
  if (length < 8 || end > section.size())
    return std::nullopt;
  // What is in front of the instructions is short; many FDEs may have one CIE.
  constexpr uint64_t longest = 512;
  DataExtractor data(section.take_front(std::min(end, offset + longest)), true, 8);
  DataExtractor::Cursor c(offset + 8);
  Cie cie;
  uint8_t version = data.getU8(c);
  StringRef augmentation = data.getCStrRef(c);
  cie.codeAlign = data.getULEB128(c);
  cie.dataAlign = data.getSLEB128(c);
  if (version == 1)
    data.getU8(c);
  else
    data.getULEB128(c);
  uint64_t instructions = c.tell();
  if (augmentation.consume_front("z")) {
    cie.hasAugmentation = true;
    uint64_t size = data.getULEB128(c);
    instructions = c.tell() + size;
    for (char a : augmentation) {
      if (a == 'R')
        cie.pointerEncoding = data.getU8(c);
      else if (a == 'L') {
        cie.hasLsda = true;
        cie.lsdaEncoding = data.getU8(c);
      } else if (a == 'P') {
        uint8_t encoding = data.getU8(c);
        auto routine = readEncoded(data, c, encoding & 0x7f, address);
        if (!routine) {
          consumeError(c.takeError());
          return std::nullopt;
        }
        cie.personality = *routine;
        cie.isPersonalityIndirect = encoding & dwarf::DW_EH_PE_indirect;
      }
    }
  }
  if (!c || instructions > end) {
    consumeError(c.takeError());
    return std::nullopt;
  }
  consumeError(c.takeError());
  cie.instructions = section.slice(instructions, end - instructions);
  return cie;
}

} // namespace

std::optional<FdeView> decodeFde(ArrayRef<uint8_t> section, uint64_t address,
                                 uint64_t offset) {
  if (section.size() < 8 || offset > section.size() - 8)
    return std::nullopt;
  uint64_t length = read32le(&section[offset]);
  uint64_t end = offset + 4 + length;
  uint64_t back = read32le(&section[offset + 4]);
  if (length < 12 || end > section.size() || back == 0 || back > offset + 4)
    return std::nullopt;
  auto cie = decodeCie(section, address, offset + 4 - back);
  if (!cie)
    return std::nullopt;
  DataExtractor data(section.take_front(end), true, 8);
  DataExtractor::Cursor c(offset + 8);
  FdeView out;
  auto start = readEncoded(data, c, cie->pointerEncoding, address);
  auto size = readEncoded(data, c, cie->pointerEncoding & 0x0f, address);
  uint64_t instructions = c.tell();
  if (cie->hasAugmentation) {
    uint64_t augmentation = data.getULEB128(c);
    instructions = c.tell() + augmentation;
    if (cie->hasLsda && augmentation >= 4) {
      out.hasLsda = true;
      uint64_t place = address + c.tell();
      auto lsda = readEncoded(data, c, cie->lsdaEncoding, address);
      // A null pointer stays null whatever it is relative to (LSB).
      if (c && lsda && *lsda != place)
        out.lsda = *lsda;
    }
  }
  bool ok = bool(c) && start && size && instructions <= end;
  consumeError(c.takeError());
  if (!ok)
    return std::nullopt;
  out.start = *start;
  out.size = *size;
  out.personality = cie->personality;
  out.isPersonalityIndirect = cie->isPersonalityIndirect;
  out.codeAlign = cie->codeAlign;
  out.dataAlign = cie->dataAlign;
  out.cieInstructions = cie->instructions;
  out.instructions = section.slice(instructions, end - instructions);
  return out;
}

/// Goes through the records, up to their end (LSB: a length of 0).
static UnwindTable readRecords(const Image &image) {
  UnwindTable t;
  const Section *s = image.section(".eh_frame");
  if (!s || !s->isAlloc())
    return t;
  ArrayRef<uint8_t> bytes = image.bytesAt(s->address, s->size);
  for (uint64_t at = 0; at + 8 <= bytes.size();) {
    uint64_t length = read32le(&bytes[at]);
    if (!length || length > bytes.size() - at - 4)
      break;
    if (auto fde = decodeFde(bytes, s->address, at))
      t.found.push_back({fde->start, s->address + at});
    at += 4 + length;
  }
  llvm::stable_sort(t.found, [](const UnwindRow &a, const UnwindRow &b) {
    return a.function < b.function;
  });
  t.frameAddress = s->address;
  t.rows = t.found.size();
  t.readable = t.rows;
  return t;
}

UnwindTable UnwindTable::read(const Image &image) {
  UnwindTable t;
  const Phdr *p = image.segmentOfType(PT_GNU_EH_FRAME);
  if (!p)
    return readRecords(image);
  ArrayRef<uint8_t> hdr = image.bytesFrom(p->p_vaddr);
  if (hdr.size() < 12 || hdr[0] != 1)
    return t;
  t.address = p->p_vaddr;
  using namespace dwarf;
  if (hdr[1] != (DW_EH_PE_pcrel | DW_EH_PE_sdata4) || hdr[2] != DW_EH_PE_udata4 ||
      hdr[3] != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
    return t;
  t.frameAddress = t.address + 4 + int32_t(read32le(&hdr[4]));
  t.rows = read32le(&hdr[8]);
  t.readable = t.rows <= (hdr.size() - 12) / 8;
  return t;
}

UnwindRow UnwindTable::row(const Image &image, uint64_t i) const {
  if (!address)
    return found[i];
  ArrayRef<uint8_t> raw = image.bytesAt(address + 12 + i * 8, 8);
  if (raw.empty())
    return {};
  return {address + int32_t(read32le(&raw[0])),
          address + int32_t(read32le(&raw[4]))};
}

uint64_t UnwindTable::rowsUpTo(const Image &image, uint64_t address) const {
  uint64_t low = 0, high = readable ? rows : 0;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (row(image, middle).function <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

std::optional<FdeView> UnwindTable::fdeOf(const Image &image, uint64_t i) const {
  UnwindRow r = row(image, i);
  // The records of a patched program lie in several sections and segments.
  const Phdr *load = image.loadAt(r.fde);
  if (!load)
    return std::nullopt;
  return decodeFde(image.bytesFrom(load->p_vaddr), load->p_vaddr,
                   r.fde - load->p_vaddr);
}

std::optional<FdeView> UnwindTable::find(const Image &image,
                                         uint64_t wanted) const {
  uint64_t i = rowsUpTo(image, wanted);
  auto fde = i ? fdeOf(image, i - 1) : std::nullopt;
  if (!fde || wanted - fde->start >= fde->size)
    return std::nullopt;
  return fde;
}

} // namespace relink
