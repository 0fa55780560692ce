//===- Splice.cpp - Joining the patch image to the app --------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Splice.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

Output::Place Output::allocate(ArrayRef<uint8_t> bytes, uint64_t align) {
  if (space) {
    auto address = space->allocate(bytes.size(), align);
    if (!address) {
      if (reserveLacks.empty())
        reserveLacks = "its pools have no room for a table of " +
                       std::to_string(bytes.size()) + " bytes that has to grow";
      return {};
    }
    uint64_t offset = *space->image.fileOffset(*address);
    edit(offset, bytes, "table in the reserve");
    return {*address, offset - tailOffset};
  }
  uint64_t address = alignTo(rxStart + (tail.size() - rxOffset), align);
  uint64_t at = rxOffset + (address - rxStart);
  tail.resize(at, 0);
  tail.insert(tail.end(), bytes.begin(), bytes.end());
  return {address, at};
}

void Output::fill(Place place, ArrayRef<uint8_t> bytes) {
  if (!space) {
    llvm::copy(bytes, tail.begin() + place.tailAt);
    return;
  }
  for (Edit &e : edits)
    if (e.offset == tailOffset + place.tailAt && e.bytes.size() == bytes.size())
      e.bytes.assign(bytes.begin(), bytes.end());
}

std::vector<uint8_t> Output::takeEdited(const Image &image, uint64_t offset,
                                        uint64_t size) {
  std::vector<uint8_t> bytes(image.bytes().slice(offset, size));
  erase_if(edits, [&](const Edit &e) {
    if (e.offset < offset || e.offset + e.bytes.size() > offset + size)
      return false;
    std::copy(e.bytes.begin(), e.bytes.end(), bytes.begin() + e.offset - offset);
    return true;
  });
  return bytes;
}

void Output::edit(uint64_t offset, ArrayRef<uint8_t> bytes, Twine what) {
  edits.push_back({offset, {bytes.begin(), bytes.end()}, what.str()});
}

std::optional<uint16_t> Output::newSectionAt(uint64_t address) const {
  for (size_t i = 0; i < sections.size(); ++i) {
    const Shdr &h = sections[i].header;
    if ((sections[i].original < 0) == !space && (h.sh_flags & SHF_ALLOC) &&
        !(space && (h.sh_flags & SHF_TLS)) && address >= h.sh_addr &&
        address - h.sh_addr < h.sh_size)
      return i;
  }
  return std::nullopt;
}

OutputSection *Output::sectionAt(uint64_t address, uint32_t type) {
  auto it = find_if(sections, [&](const OutputSection &s) {
    return s.header.sh_addr == address && s.header.sh_type == type &&
           (s.header.sh_flags & SHF_ALLOC);
  });
  return it == sections.end() ? nullptr : &*it;
}

unsigned Output::addSection(StringRef name, uint32_t type, uint64_t flags,
                            uint64_t address, uint64_t offset, uint64_t size,
                            uint64_t align) {
  if (sections.empty())
    return 0;
  OutputSection &s = sections.emplace_back();
  s.name = name.str();
  memset(&s.header, 0, sizeof(Shdr));
  s.header.sh_type = type;
  s.header.sh_flags = flags;
  s.header.sh_addr = address;
  s.header.sh_offset = offset;
  s.header.sh_size = size;
  s.header.sh_addralign = align;
  return sections.size() - 1;
}

void Output::setDynamic(int64_t tag, uint64_t value) {
  dynamicChanged = true;
  // DT_NEEDED may stand several times; a new one joins the others in front.
  if (tag == DT_NEEDED) {
    auto it = find_if(dynamic, [](auto &e) { return e.first != DT_NEEDED; });
    dynamic.insert(it, {tag, value});
    return;
  }
  for (auto &entry : dynamic)
    if (entry.first == tag) {
      entry.second = value;
      return;
    }
  dynamic.push_back({tag, value});
}

std::optional<uint64_t> tailOffsetOf(const Output &out, const PatchImage &patch,
                                     uint64_t address) {
  if (address >= patch.start && address < patch.fileEnd)
    return address - patch.start;
  if (address >= patch.rxStart && address < patch.rxEnd)
    return out.rxOffset + (address - patch.rxStart);
  return std::nullopt;
}

Phdr makeSegment(uint32_t type, uint32_t flags, uint64_t address,
                 uint64_t offset, uint64_t fileSize, uint64_t memorySize,
                 uint64_t align) {
  Phdr p;
  p.p_type = type;
  p.p_flags = flags;
  p.p_offset = offset;
  p.p_vaddr = address;
  p.p_paddr = address;
  p.p_filesz = fileSize;
  p.p_memsz = memorySize;
  p.p_align = align;
  return p;
}

/// Sections that exist for the splicer only.
bool isKept(const PatchSection &s) {
  return s.name.starts_with(".relink.") && !s.name.starts_with(".relink.app") &&
         !s.name.starts_with(".relink.inplace") && (s.flags & SHF_ALLOC) &&
         s.size;
}

void copyPatchSegments(const SpliceContext &c, const Placement &placement,
                       Output &out) {
  const PatchImage &p = c.patch;
  out.rwFileSize = p.hasWritable() ? p.fileEnd - p.start : 0;
  out.rwEnd = p.rwEnd;
  out.rxOffset = placement.identity ? p.rxStart - p.start : out.rwFileSize;
  out.rxStart = p.rxStart;
  out.tail.assign(out.rxOffset + (p.rxEnd - p.rxStart), 0);
  for (const PatchSection &s : p.sections) {
    if (!isKept(s) || s.name == ".relink.dynamic")
      continue; // room; .dynamic's own header will describe it
    auto at = tailOffsetOf(out, p, s.address);
    if (at && s.type != SHT_NOBITS)
      std::copy(s.data.begin(), s.data.end(), out.tail.begin() + *at);
    uint64_t flags = s.flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR | SHF_TLS);
    uint32_t type = s.type == SHT_X86_64_UNWIND ? uint32_t(SHT_PROGBITS) : s.type;
    // eu-elflint takes any name that starts with .rel for relocations.
    std::string name = ".patch" + s.name.drop_front(strlen(".relink")).str();
    out.addSection(name, type, flags, s.address,
                   out.tailOffset + (at ? *at : out.rwFileSize), s.size,
                   s.align);
  }
}

Output startOutput(const SpliceContext &c) {
  Output out;
  out.segments = c.image.segments;
  out.dynamic = c.image.dynamic.entries;
  for (const Section &s : c.image.sections) {
    OutputSection o;
    o.name = s.name.str();
    memset(&o.header, 0, sizeof(Shdr));
    o.header.sh_type = s.type;
    o.header.sh_flags = s.flags;
    o.header.sh_addr = s.address;
    o.header.sh_offset = s.offset;
    o.header.sh_size = s.size;
    o.header.sh_link = s.link;
    o.header.sh_info = s.info;
    o.header.sh_addralign = s.align;
    o.header.sh_entsize = s.entrySize;
    o.original = s.index;
    out.sections.push_back(std::move(o));
  }
  return out;
}

Expected<Output> splice(const SpliceContext &c, const Placement &placement) {
  // Where offsets follow addresses, the patch's own .bss takes room in the file.
  constexpr uint64_t mostRoom = uint64_t(1) << 28;
  if (placement.identity && c.patch.rxEnd - c.patch.start > mostRoom)
    return makeError(c.image.path + ": its program headers can't grow where they "
                     "are, and with them the patch's variables would take " +
                     Twine(c.patch.rxEnd - c.patch.start) + " bytes of the file");
  Output out = startOutput(c);
  out.tailOffset = placement.offset;
  copyPatchSegments(c, placement, out);
  if (Error e = redirectEntries(c, out))
    return e;
  redirectCalls(c, out);
  if (Error e = mergeTls(c, out))
    return e;
  if (Error e = mergeConstructors(c, out))
    return e;
  if (Error e = mergeDynamicTables(c, out))
    return e;
  if (Error e = mergeUnwindTable(c, out))
    return e;
  // From here on it is known whether there is anything to load: the program
  // headers can be counted. What has to make way for them joins the RX segment,
  // its last members.
  addPatchNote(c, out);
  if (Error e = makeRoomForSegments(c, out))
    return e;
  if (Error e = writeDynamicSection(c, out))
    return e;
  if (Error e = writeProgramHeaders(c, out))
    return e;
  // Beyond this point the loaded part is complete.
  if (Error e = mergeSymbolTable(c, out))
    return e;
  hideReplacedFunctions(c, out);
  addDebugInfo(c, out);
  addDebugFrame(c, out);
  placeRecord(c, out);
  if (Error e = writeHeaders(c, out))
    return e;
  if (Error e = writeRecord(c, out))
    return e;
  return out;
}

} // namespace relink
