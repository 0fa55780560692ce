//===- SpliceSegments.cpp - Program headers for the new segments ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GNU strip and objcopy always write the program header table behind the ELF
// header, so that is where it has to stay. It grows in place, over what lies
// right behind it: the interpreter's name and notes, which only program headers
// point to, and dynamic tables, which only .dynamic points to. These move into
// the new segment first.
//
// Where nothing movable lies there, the table itself moves, to a place where
// its offset in the file is its offset in memory: kernels before 5.18 compute
// AT_PHDR so (fs/binfmt_elf.c).
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// A range of the app's file that moves as one.
struct Movable {
  uint64_t offset = 0, address = 0, size = 0, align = 1;
  bool operator==(const Movable &o) const { return offset == o.offset; }
};

constexpr int64_t addressTags[] = {DT_HASH,   DT_STRTAB,  DT_SYMTAB,
                                   DT_RELA,   DT_JMPREL,  DT_GNU_HASH,
                                   DT_VERSYM, DT_VERDEF,  DT_VERNEED,
                                   DT_RELR};

bool isMovable(const Image &image, const Shdr &s, StringRef name) {
  switch (s.sh_type) {
  case SHT_NOTE:
    return true;
  case SHT_PROGBITS:
    return name == ".interp";
  case SHT_GNU_HASH:
  case SHT_HASH:
  case SHT_DYNSYM:
  case SHT_STRTAB:
  case SHT_GNU_versym:
  case SHT_GNU_verdef:
  case SHT_GNU_verneed:
  case SHT_RELA:
  case SHT_RELR: {
    // Found through .dynamic only; without one, code has the address.
    for (auto [tag, value] : image.dynamic.entries)
      if (is_contained(addressTags, tag) && value == s.sh_addr)
        return true;
    return false;
  }
  default:
    return false;
  }
}

/// What has to move so that [from, to) of the file becomes free; nothing when
/// that can't be.
std::optional<std::vector<Movable>>
findMovables(const Image &image, ArrayRef<OutputSection> sections, uint64_t from,
             uint64_t to) {
  std::vector<Movable> out;
  if (sections.empty())
    return std::nullopt;
  uint64_t lastEnd = 0;
  for (const OutputSection &s : sections) {
    const Shdr &h = s.header;
    if (h.sh_type == SHT_NULL || h.sh_type == SHT_NOBITS || !h.sh_size ||
        s.original < 0)
      continue;
    lastEnd = std::max<uint64_t>(lastEnd, h.sh_offset + h.sh_size);
    if (h.sh_offset >= to || h.sh_offset + h.sh_size <= from)
      continue;
    if (!(h.sh_flags & SHF_ALLOC) || !isMovable(image, h, s.name))
      return std::nullopt;
    Movable m = {h.sh_offset, h.sh_addr, h.sh_size,
                 std::max<uint64_t>(h.sh_addralign, 1)};
    // The notes of one PT_NOTE are read as one sequence.
    for (const Phdr &p : image.segments)
      if (p.p_type == PT_NOTE && h.sh_type == SHT_NOTE &&
          h.sh_offset >= p.p_offset && h.sh_offset < p.p_offset + p.p_filesz)
        m = {p.p_offset, p.p_vaddr, p.p_filesz,
             std::max<uint64_t>({p.p_align, h.sh_addralign, 4})};
    if (!is_contained(out, m))
      out.push_back(m);
  }
  // Behind the last section nothing says whose bytes these are.
  if (lastEnd < to)
    return std::nullopt;
  llvm::sort(out, [](const Movable &a, const Movable &b) {
    return a.offset < b.offset;
  });
  return out;
}

/// The PT_LOAD that maps the table, and all of its grown length.
bool isMappedTogether(const Image &image, uint64_t from, uint64_t to) {
  return any_of(image.segments, [&](const Phdr &p) {
    return p.p_type == PT_LOAD && p.p_offset <= from &&
           p.p_offset + p.p_filesz >= to;
  });
}

void moveAway(const Image &image, const Movable &m, Output &out) {
  std::vector<uint8_t> bytes = out.takeEdited(image, m.offset, m.size);
  Output::Place to = out.allocate(bytes, m.align);
  uint64_t offset = out.tailOffset + to.tailAt;
  for (Phdr &p : out.segments)
    if ((p.p_type == PT_INTERP || p.p_type == PT_NOTE ||
         p.p_type == PT_GNU_PROPERTY) &&
        p.p_offset >= m.offset && p.p_offset + p.p_filesz <= m.offset + m.size)
      p = makeSegment(p.p_type, p.p_flags, to.address + (p.p_offset - m.offset),
                      offset + (p.p_offset - m.offset), p.p_filesz, p.p_memsz,
                      p.p_align);
  for (OutputSection &s : out.sections) {
    Shdr &h = s.header;
    if (s.original < 0 || !(h.sh_flags & SHF_ALLOC) || h.sh_offset < m.offset ||
        h.sh_offset + h.sh_size > m.offset + m.size ||
        h.sh_addr - m.address != h.sh_offset - m.offset)
      continue;
    h.sh_addr = to.address + (h.sh_offset - m.offset);
    h.sh_offset = offset + (h.sh_offset - m.offset);
  }
  std::vector<std::pair<int64_t, uint64_t>> changed;
  for (auto [tag, value] : out.dynamic)
    if (is_contained(addressTags, tag) && value >= m.address &&
        value < m.address + m.size)
      changed.push_back({tag, to.address + (value - m.address)});
  for (auto [tag, value] : changed)
    out.setDynamic(tag, value);
}

void addLoads(const SpliceContext &c, Output &out) {
  const PatchImage &p = c.patch;
  std::vector<Phdr> loads;
  uint64_t rwSize = p.rwEnd - p.start;
  if (p.hasWritable())
    loads.push_back(makeSegment(PT_LOAD, PF_R | PF_W, p.start, out.tailOffset,
                                out.rwFileSize, rwSize, pageSize));
  if (out.rxFileSize)
    loads.push_back(makeSegment(PT_LOAD, PF_R | PF_X, out.rxStart,
                                out.tailOffset + out.rxOffset, out.rxFileSize,
                                out.rxFileSize, pageSize));
  auto last = find_if(reverse(out.segments),
                      [](const Phdr &s) { return s.p_type == PT_LOAD; });
  out.segments.insert(last.base(), loads.begin(), loads.end());
}

Error writeTable(const SpliceContext &c, Output &out, uint64_t offset,
                 uint64_t address) {
  uint64_t size = out.segments.size() * sizeof(Phdr);
  for (Phdr &p : out.segments)
    if (p.p_type == PT_PHDR)
      p = makeSegment(PT_PHDR, p.p_flags, address, offset, size, size, p.p_align);
  ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(out.segments.data()),
                          size);
  if (offset < out.tailOffset)
    out.edit(offset, bytes, "program headers");
  else
    std::copy(bytes.begin(), bytes.end(),
              out.tail.begin() + (offset - out.tailOffset));
  if (out.segments.size() >= PN_XNUM)
    return makeError(c.image.path + ": has too many program headers");
  return Error::success();
}

} // namespace

bool canGrowProgramHeaders(const Image &image, unsigned more) {
  uint64_t from = image.header.e_phoff + image.segments.size() * sizeof(Phdr);
  uint64_t to = from + more * sizeof(Phdr);
  std::vector<OutputSection> sections;
  for (const Section &s : image.sections) {
    OutputSection o;
    o.name = s.name.str();
    o.original = s.index;
    o.header.sh_type = s.type;
    o.header.sh_flags = s.flags;
    o.header.sh_addr = s.address;
    o.header.sh_offset = s.offset;
    o.header.sh_size = s.size;
    o.header.sh_addralign = s.align;
    sections.push_back(o);
  }
  return isMappedTogether(image, image.header.e_phoff, to) &&
         findMovables(image, sections, from, to).has_value();
}

Error makeRoomForSegments(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  bool needsRw = c.patch.hasWritable();
  bool needsRx = out.tail.size() > out.rxOffset;
  if (!needsRw && !needsRx) {
    out.tail.clear();
    // Merged tables would have made an RX segment; only edits are left.
    return Error::success();
  }
  erase_if(out.segments, [](const Phdr &p) { return p.p_type == PT_NULL; });
  uint64_t tableAt = image.header.e_phoff;
  uint64_t had = image.segments.size() * sizeof(Phdr);
  auto wanted = [&](bool rx) {
    return (out.segments.size() + needsRw + rx) * sizeof(Phdr);
  };
  uint64_t address = 0;
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_LOAD && p.p_offset <= tableAt &&
        tableAt < p.p_offset + p.p_filesz)
      address = p.p_vaddr + (tableAt - p.p_offset);

  uint64_t newTable = 0;
  if (wanted(needsRx) > had) {
    uint64_t end = tableAt + wanted(true);
    auto movables = isMappedTogether(image, tableAt, end)
                        ? findMovables(image, out.sections, tableAt + had, end)
                        : std::nullopt;
    if (movables) {
      for (const Movable &m : *movables)
        moveAway(image, m, out);
    } else {
      std::vector<uint8_t> room(wanted(true));
      Output::Place place = out.allocate(room, 8);
      newTable = out.tailOffset + place.tailAt;
      address = place.address;
      out.notes.push_back("the program header table was moved to the end of the "
                          "file: GNU strip can't process the output");
    }
  }
  out.rxFileSize = out.tail.size() - out.rxOffset;
  addLoads(c, out);
  if (newTable) {
    Ehdr header = image.header;
    header.e_phoff = newTable;
    out.edit(offsetof(Ehdr, e_phoff),
             {reinterpret_cast<const uint8_t *>(&header.e_phoff), 8},
             "ELF header (program header table)");
    tableAt = newTable;
  }
  return writeTable(c, out, tableAt, address);
}

} // namespace relink
