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

/// Names the free bytes behind the table.
constexpr StringLiteral spareName = ".patch.spare";

/// What it refers to is at a distance from it.
constexpr StringLiteral reserveNote = ".note.relink";

bool isMovable(const Image &image, const Shdr &s, StringRef name) {
  switch (s.sh_type) {
  case SHT_NOTE:
    return name != reserveNote;
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

/// The notes of one PT_NOTE are read as one sequence; nothing when they have to
/// stay.
std::optional<Movable> asMovable(const Phdr &notes,
                                 ArrayRef<OutputSection> sections) {
  for (const OutputSection &s : sections)
    if (s.name == reserveNote && s.header.sh_offset >= notes.p_offset &&
        s.header.sh_offset - notes.p_offset < notes.p_filesz)
      return std::nullopt;
  return Movable{notes.p_offset, notes.p_vaddr, notes.p_filesz,
                 std::max<uint64_t>(notes.p_align, 4)};
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
    if (h.sh_offset >= to || h.sh_offset + h.sh_size <= from ||
        s.name == spareName)
      continue;
    if (!(h.sh_flags & SHF_ALLOC) || !isMovable(image, h, s.name))
      return std::nullopt;
    Movable m = {h.sh_offset, h.sh_addr, h.sh_size,
                 std::max<uint64_t>(h.sh_addralign, 1)};
    for (const Phdr &p : image.segments)
      if (p.p_type == PT_NOTE && h.sh_type == SHT_NOTE &&
          h.sh_offset >= p.p_offset && h.sh_offset < p.p_offset + p.p_filesz) {
        auto notes = asMovable(p, sections);
        if (!notes)
          return std::nullopt;
        m = *notes;
        m.align = std::max<uint64_t>(m.align, h.sh_addralign);
      }
    if (!isPowerOf2_64(m.align) || m.align > pageSize)
      return std::nullopt;
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

/// Makes the PT_LOAD that maps the table reach \p end: it does already, or it
/// ends in a gap before the next segment.
bool mapUpTo(const Image &image, Output &out, uint64_t end) {
  for (size_t i = 0; i < out.segments.size(); ++i) {
    Phdr &p = out.segments[i];
    uint64_t table = image.header.e_phoff;
    if (p.p_type != PT_LOAD || p.p_offset > table ||
        table - p.p_offset >= p.p_filesz)
      continue;
    if (p.p_offset + p.p_filesz >= end)
      return true;
    uint64_t limit = UINT64_MAX, memoryLimit = UINT64_MAX;
    for (const Phdr &o : image.segments)
      if (o.p_type == PT_LOAD && o.p_vaddr > p.p_vaddr) {
        memoryLimit = std::min<uint64_t>(memoryLimit,
                                         alignDown(uint64_t(o.p_vaddr), pageSize));
        limit = std::min<uint64_t>(limit, o.p_offset);
      }
    if (p.p_memsz != p.p_filesz || end > limit ||
        p.p_vaddr + (end - p.p_offset) > memoryLimit)
      return false;
    p = makeSegment(PT_LOAD, p.p_flags, p.p_vaddr, p.p_offset, end - p.p_offset,
                    end - p.p_offset, p.p_align);
    return true;
  }
  return false;
}

/// Two PT_NOTEs that both move can become one: a property note is a multiple
/// of 8 long, so what follows parses with either alignment.
bool canMergeNotes(const Output &out, ArrayRef<Movable> moved) {
  std::vector<const Phdr *> notes;
  for (const Phdr &p : out.segments)
    if (p.p_type == PT_NOTE && any_of(moved, [&](const Movable &m) {
          return p.p_offset == m.offset;
        }))
      notes.push_back(&p);
  if (notes.size() != 2)
    return false;
  const Phdr *first = notes[0]->p_offset < notes[1]->p_offset ? notes[0]
                                                              : notes[1];
  return first->p_filesz % 8 == 0;
}

/// What has to move so that the table has room for \p wanted entries where it is,
/// after the cheaper ways: entries that nothing needs. \p out.segments loses
/// those.
std::optional<std::vector<Movable>> growInPlace(const Image &image, Output &out,
                                                uint64_t wanted) {
  uint64_t tableAt = image.header.e_phoff;
  uint64_t had = tableAt + image.segments.size() * sizeof(Phdr);
  auto attempt =
      [&](uint64_t entries) -> std::optional<std::vector<Movable>> {
    uint64_t end = tableAt + entries * sizeof(Phdr);
    if (end <= had)
      return std::vector<Movable>();
    auto movables = findMovables(image, out.sections, had, end);
    if (!movables || !mapUpTo(image, out, end))
      return std::nullopt;
    return movables;
  };
  bool dropsPhdr = false;
  if (auto plain = attempt(wanted))
    return plain;
  // A static executable's PT_PHDR tells nobody anything: there is no load bias
  // to compute from it.
  if (image.kind == ImageKind::StaticExecutable &&
      any_of(out.segments, [](auto &p) { return p.p_type == PT_PHDR; })) {
    --wanted;
    dropsPhdr = true;
    if (auto plain = attempt(wanted)) {
      erase_if(out.segments, [](auto &p) { return p.p_type == PT_PHDR; });
      return plain;
    }
  }
  // With one entry less, if both note segments move and are merged.
  auto fewer = attempt(wanted - 1);
  if (!fewer)
    return std::nullopt;
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_NOTE && none_of(*fewer, [&](const Movable &m) {
          return m.offset == p.p_offset;
        })) {
      auto notes = asMovable(p, out.sections);
      if (!notes)
        return std::nullopt;
      notes->align = 8;
      fewer->push_back(*notes);
    }
  llvm::sort(*fewer, [](const Movable &a, const Movable &b) {
    return a.offset < b.offset;
  });
  if (!canMergeNotes(out, *fewer))
    return std::nullopt;
  out.mergeNotes = true;
  if (dropsPhdr)
    erase_if(out.segments, [](auto &p) { return p.p_type == PT_PHDR; });
  return fewer;
}

/// After both have moved, one behind the other.
void mergeNotes(Output &out) {
  if (!out.mergeNotes)
    return;
  auto first = find_if(out.segments,
                       [](const Phdr &p) { return p.p_type == PT_NOTE; });
  auto second = std::find_if(first + 1, out.segments.end(), [](const Phdr &p) {
    return p.p_type == PT_NOTE;
  });
  if (second == out.segments.end())
    return;
  uint64_t start = std::min<uint64_t>(first->p_vaddr, second->p_vaddr);
  uint64_t offset = std::min<uint64_t>(first->p_offset, second->p_offset);
  uint64_t end = std::max<uint64_t>(first->p_vaddr + first->p_memsz,
                                    second->p_vaddr + second->p_memsz);
  *first = makeSegment(PT_NOTE, first->p_flags, start, offset, end - start,
                       end - start, 4);
  out.segments.erase(second);
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

/// The table's address: where the app's is mapped, or in the new segment.
uint64_t tableAddress(const Output &out) {
  for (const Phdr &p : out.segments)
    if (p.p_type == PT_LOAD && p.p_offset <= out.tableOffset &&
        out.tableOffset - p.p_offset < p.p_filesz)
      return p.p_vaddr + (out.tableOffset - p.p_offset);
  return 0;
}

} // namespace

Error writeProgramHeaders(const SpliceContext &c, Output &out) {
  if (!out.hasTail())
    return Error::success();
  uint64_t offset = out.tableOffset, address = tableAddress(out);
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
  if (offset != c.image.header.e_phoff) {
    ELFT::Off at;
    at = offset;
    out.edit(offsetof(Ehdr, e_phoff),
             {reinterpret_cast<const uint8_t *>(&at), sizeof(at)},
             "ELF header (program header table)");
  }
  return Error::success();
}

/// Entries that nothing needs: PT_NULL, and as many of the notes that ld.relink
/// has left for this as are wanted.
static void dropSpareEntries(const Reserve *reserve, unsigned wanted,
                             std::vector<Phdr> &segments) {
  if (reserve) {
    SmallVector<unsigned, 4> spare(reserve->spareHeaders.begin(),
                                   reserve->spareHeaders.end());
    llvm::sort(spare);
    spare.truncate(std::min<size_t>(spare.size(), wanted));
    for (unsigned index : reverse(spare))
      segments.erase(segments.begin() + index);
  }
  erase_if(segments, [](const Phdr &p) { return p.p_type == PT_NULL; });
}

bool canGrowProgramHeaders(const Image &image, const Reserve *reserve,
                           unsigned more) {
  Output trial;
  trial.segments = image.segments;
  dropSpareEntries(reserve, more, trial.segments);
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
    trial.sections.push_back(o);
  }
  uint64_t wanted = trial.segments.size() + more;
  return growInPlace(image, trial, wanted).has_value();
}

/// Room for a few more entries, when little has to move for it: for patchelf,
/// which takes what lies behind the table's end to be where it always was if
/// section headers are not in file order, and for the next patch.
static std::vector<Movable> withSpareEntries(const Image &image,
                                             const Output &out,
                                             std::vector<Movable> needed,
                                             uint64_t entries) {
  constexpr uint64_t spare = 5, mostMoved = 4096;
  uint64_t tableAt = image.header.e_phoff;
  uint64_t had = tableAt + image.segments.size() * sizeof(Phdr);
  uint64_t end = tableAt + (entries + spare) * sizeof(Phdr);
  const Phdr *home = nullptr;
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_LOAD && p.p_offset <= tableAt &&
        p.p_offset + p.p_filesz >= end)
      home = &p;
  auto more = home ? findMovables(image, out.sections, had, end) : std::nullopt;
  uint64_t size = 0;
  if (more)
    for (const Movable &m : *more)
      size += m.size;
  return more && size <= mostMoved ? *more : needed;
}

/// patchelf wipes what lies between the table and the first section that has
/// contents of its own, and puts .dynamic there, read-only (0.14 to 0.18,
/// rewriteSectionsExecutable): it works only if that section follows closely.
/// So in a program at fixed addresses the free bytes are a section.
static void nameSpareBytes(const Image &image, Output &out) {
  auto spare = find_if(out.sections, [](const OutputSection &s) {
    return s.name == spareName;
  });
  if (spare == out.sections.end() &&
      (image.header.e_type != ET_EXEC || image.dynamic.entries.empty() ||
       out.sections.empty()))
    return;
  uint64_t from = alignTo(out.tableOffset + out.segments.size() * sizeof(Phdr), 8);
  uint64_t to = UINT64_MAX, address = 0;
  for (const Phdr &p : out.segments)
    if (p.p_type == PT_LOAD && p.p_offset <= out.tableOffset &&
        p.p_offset + p.p_filesz > from) {
      to = p.p_offset + p.p_filesz;
      address = p.p_vaddr + (from - p.p_offset);
    }
  for (const OutputSection &s : out.sections)
    if (s.header.sh_type != SHT_NULL && s.header.sh_type != SHT_NOBITS &&
        s.name != spareName && s.header.sh_size &&
        s.header.sh_offset + s.header.sh_size > from)
      to = std::min<uint64_t>(to, s.header.sh_offset);
  bool any = to != UINT64_MAX && to > from;
  if (spare != out.sections.end()) {
    spare->header.sh_offset = from;
    spare->header.sh_addr = any ? address : spare->header.sh_addr;
    spare->header.sh_size = any ? to - from : 0;
  } else if (any) {
    out.addSection(spareName, SHT_PROGBITS, SHF_ALLOC, address, from, to - from,
                   8);
  }
}

Error makeRoomForSegments(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  bool needsRw = c.patch.hasWritable();
  bool needsRx = out.tail.size() > out.rxOffset;
  out.tableOffset = image.header.e_phoff;
  if (!needsRw && !needsRx) {
    out.tail.clear(); // everything was patched in place
    return Error::success();
  }
  unsigned added = out.segments.size() - image.segments.size();
  dropSpareEntries(c.reserve, needsRw + 1 + added, out.segments);
  uint64_t wanted = out.segments.size() + needsRw + 1;
  // What makes way for the table goes into the RX segment.
  if (auto movables = growInPlace(image, out, wanted)) {
    if (!out.mergeNotes)
      movables = withSpareEntries(image, out, *movables, wanted);
    for (const Movable &m : *movables)
      moveAway(image, m, out);
    mergeNotes(out);
  } else {
    std::vector<uint8_t> room(wanted * sizeof(Phdr));
    Output::Place place = out.allocate(room, 8);
    out.tableOffset = out.tailOffset + place.tailAt;
    out.notes.push_back("the program header table was moved to the end of the "
                        "file: GNU strip can't process the output");
  }
  out.rxFileSize = out.tail.size() - out.rxOffset;
  addLoads(c, out);
  nameSpareBytes(image, out);
  return Error::success();
}

} // namespace relink
