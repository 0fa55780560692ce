//===- SpliceReserve.cpp - A patch in what ld.relink reserved -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything is an edit here: code and data of pools, entries of tables of spare
// ones, the record of a section that was kept for it. Headers change only where
// a table has no room after all and moves into a pool.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;
using support::endian::write32le;
using support::endian::write64le;

namespace relink {
namespace {

constexpr uint64_t leastFrame = 24;

/// The link's sections, each at its address. Unwind records lie in a pool where
/// no spare one is left for them.
Error copyIntoPools(const SpliceContext &c, Output &out) {
  for (const PatchSection &s : c.patch.sections) {
    if (!isKept(s) || s.type == SHT_NOBITS || s.name == ".relink.dynamic" ||
        (s.name == ".relink.eh_frame" && out.space->spareRows) ||
        s.name == ".relink.init_array")
      continue;
    auto offset = c.image.fileOffset(s.address);
    if (!offset || c.image.bytesAt(s.address, s.size).empty())
      return makeError(c.image.path + ": the reserve at " + hex(s.address) +
                       " is not in the file");
    std::string name = ".patch" + s.name.drop_front(strlen(".relink")).str();
    out.edit(*offset, s.data, name + " in the reserve");
  }
  return Error::success();
}

/// Where programs have fixed addresses the words are complete; otherwise each
/// has a relocation, and mergeDynamicTables() writes both.
void copyConstructors(const SpliceContext &c, Output &out) {
  const PatchSection *s = c.patch.section(".relink.init_array");
  if (!s || !s->size)
    return;
  if (s->address + s->size > out.space->constructorsEnd) {
    uint64_t room = out.space->constructorsEnd - out.space->constructorsStart;
    out.reserveLacks = ("it has room for " + Twine(room / 8) +
                        " constructors, and the patch has " + Twine(s->size / 8))
                           .str();
    return;
  }
  if (!c.image.isPositionIndependent())
    out.edit(*c.image.fileOffset(s->address), s->data, "constructors");
}

/// Headers that changed, where they are.
void writeChangedHeaders(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  auto bytesOf = [](const auto &v) {
    return ArrayRef(reinterpret_cast<const uint8_t *>(&v), sizeof(v));
  };
  for (size_t i = 0; i < out.segments.size(); ++i)
    if (memcmp(&out.segments[i], &image.segments[i], sizeof(Phdr)) != 0)
      out.edit(image.header.e_phoff + i * sizeof(Phdr), bytesOf(out.segments[i]),
               "program header");
  auto *old = reinterpret_cast<const Shdr *>(image.bytes().data() +
                                             image.header.e_shoff);
  for (OutputSection &s : out.sections) {
    if (s.original < 0)
      continue;
    s.header.sh_name = old[s.original].sh_name;
    if (memcmp(&s.header, &old[s.original], sizeof(Shdr)) != 0)
      out.edit(image.header.e_shoff + s.original * sizeof(Shdr),
               bytesOf(s.header), "section header");
  }
}

/// The note says how much of each pool is taken; what a table has taken of one is
/// none of it any more.
void writeUse(Output &out) {
  auto write = [&](uint64_t offset, uint64_t value) {
    uint8_t field[8];
    write64le(field, value);
    out.edit(offset, field, "use of the reserve");
  };
  for (const ReservePool &p : out.space->reserve.pools) {
    const PoolSpan &left = out.space->pool(p.kind);
    uint64_t used = left.start - p.address, size = left.end - p.address;
    if (p.kind == PoolKind::Text && !p.used &&
        used == alignTo(uint64_t(out.space->reserve.frameRows), 16))
      used = 0; // these were never free
    uint64_t taken = std::max(used, p.used) - p.used + (p.size - size);
    if (!taken)
      continue;
    out.reserveTaken.push_back({p.kind, taken});
    if (used > p.used)
      write(p.usedField, used);
    if (size == p.size)
      continue;
    write(p.sizeField, size);
    for (OutputSection &s : out.sections)
      if (s.header.sh_addr == p.address && s.header.sh_size == p.size)
        s.header.sh_size = size;
  }
}

/// The search table with \p fresh rows in place of those of spare records; only
/// what differs is written, which is the rows of the pool.
void writeRows(const SpliceContext &c, ArrayRef<UnwindRow> fresh, Output &out) {
  const UnwindTable &old = c.unwind;
  std::vector<UnwindRow> all;
  for (uint64_t i = 0; i < old.rows; ++i)
    if (UnwindRow row = old.row(c.image, i);
        !out.space->isSpareFunction(row.function))
      all.push_back(row);
  append_range(all, fresh);
  llvm::stable_sort(all, [](const UnwindRow &a, const UnwindRow &b) {
    return a.function < b.function;
  });
  if (!old.readable || all.size() > old.rows) {
    out.reserveLacks = "the program's .eh_frame_hdr has no room for the patch's rows";
    return;
  }
  constexpr uint64_t countAt = 8, rowsAt = 12; // LSB, ".eh_frame_hdr"
  uint64_t offset = *c.image.fileOffset(old.address);
  if (all.size() < old.rows) {
    uint8_t count[4];
    write32le(count, all.size());
    out.edit(offset + countAt, count, "number of rows of .eh_frame_hdr");
  }
  std::vector<uint8_t> table(all.size() * 8);
  for (size_t i = 0; i < all.size(); ++i) {
    write32le(&table[i * 8], all[i].function - old.address);
    write32le(&table[i * 8 + 4], all[i].fde - old.address);
  }
  ArrayRef<uint8_t> was = c.image.bytesAt(old.address + rowsAt, table.size());
  size_t from = 0, to = table.size();
  while (from < to && table[from] == was[from])
    ++from;
  while (to > from && table[to - 1] == was[to - 1])
    --to;
  if (to > from)
    out.edit(offset + rowsAt + from, ArrayRef(table).slice(from, to - from),
             "rows of .eh_frame_hdr");
}

} // namespace

/// The patch's records take the place of spare ones, which are made anew in what
/// is left; the search table keeps its size.
void fillSpareFrames(const SpliceContext &c, Output &out) {
  const ReserveSpace &space = *out.space;
  const PatchSection *s = c.patch.section(".relink.eh_frame");
  const std::vector<UnwindRow> &fresh = c.patch.unwindRows;
  if (!s || !s->size)
    return;
  uint64_t left = space.framesEnd - s->address;
  unsigned spare = space.spareRows - std::min<uint64_t>(space.spareRows, fresh.size());
  // Up to a terminator, if lld has made one.
  uint64_t size = 0, last = 0;
  while (size + 4 <= s->size) {
    uint32_t length = support::endian::read32le(&s->data[size]);
    if (!length || length > s->size - size - 4)
      break;
    last = size;
    size += 4 + length;
  }
  if (fresh.size() > space.spareRows || size > left || size % 4) {
    out.reserveLacks =
        ("it has " + Twine(space.spareRows) + " unwind records of " + Twine(left) +
         " bytes left, and the patch has " + Twine(fresh.size()) + " of " +
         Twine(size))
            .str();
    return;
  }
  left -= size;
  spare = std::min<uint64_t>(spare, left / leastFrame);
  std::vector<uint8_t> bytes(s->data.begin(), s->data.begin() + size);
  bytes.resize(size + left);
  if (left < leastFrame) // DW_CFA_nop
    write32le(&bytes[last], size + left - last - 4);
  // One more record without a row, if none is spare: there are no gaps.
  uint64_t records = left < leastFrame ? 0 : std::max(spare, 1u);
  std::vector<UnwindRow> rows = fresh;
  uint64_t text = space.reserve.pool(PoolKind::Text)->address;
  for (uint64_t i = 0, at = size; i < records; ++i) {
    uint64_t end = i + 1 == records ? bytes.size()
                                    : at + alignDown(left / records, 4);
    uint64_t address = s->address + at, function = text + i;
    write32le(&bytes[at], end - at - 4);
    write32le(&bytes[at + 4], address + 4 - space.frameCie);
    write32le(&bytes[at + 8], function - (address + 8));
    write32le(&bytes[at + 12], 1);
    if (i < spare)
      rows.push_back({function, address});
    at = end;
  }
  out.edit(*c.image.fileOffset(s->address), bytes, "unwind records");
  if (c.unwind.address)
    writeRows(c, rows, out);
}

Expected<Output> spliceIntoReserve(const SpliceContext &c, ReserveSpace &space) {
  Output out = startOutput(c);
  out.space = &space;
  out.tailOffset = c.image.elfEnd;
  out.tableOffset = c.image.header.e_phoff;
  space.take(c.patch.poolEnds);

  if (Error e = copyIntoPools(c, out))
    return e;
  if (Error e = redirectEntries(c, out))
    return e;
  redirectCalls(c, out);
  copyConstructors(c, out);
  if (Error e = mergeDynamicTables(c, out))
    return e;
  if (space.spareRows)
    fillSpareFrames(c, out);
  else if (Error e = mergeUnwindTable(c, out))
    return e;
  if (!out.reserveLacks.empty())
    return out;
  if (Error e = writeDynamicSection(c, out))
    return e;
  writeUse(out);
  writeChangedHeaders(c, out);
  if (Error e = mergeSymbolTable(c, out))
    return e;
  hideReplacedFunctions(c, out);
  if (c.inputs.debug.carry && any_of(c.patch.sections, [](auto &s) {
        return s.name.starts_with(".debug_");
      }))
    out.notes.push_back("the patch's debug information is left out: a reserve "
                        "has no room for it (--no-reserve)");
  placeRecord(c, out);
  if (Error e = writeRecord(c, out))
    return e;
  out.space = nullptr;
  return out;
}

} // namespace relink
