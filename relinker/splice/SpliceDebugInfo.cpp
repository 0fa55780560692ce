//===- SpliceDebugInfo.cpp - DWARF of old and new bodies ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A debugger that is asked for a function's name looks into DWARF before
// .symtab, and would put its breakpoint behind the old body's prologue, where
// nothing comes by any more. The old entry's extent is made empty: DWARF 5,
// section 2.17.2, lets high_pc be an offset from low_pc, and debuggers pass over
// a function without code. What it says of types and callers stays.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "Splice.h"
#include "UnitCheck.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFCompileUnit.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/DebugInfo/DWARF/DWARFDie.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace llvm::dwarf;

namespace relink {
namespace {

class EntryHider {
public:
  EntryHider(const SpliceContext &c, Output &out) : c(c), out(out) {}
  void run();

private:
  void hide(const DWARFDie &die, const ReplacedFunction &f);
  void overwrite(StringRef section, uint64_t offset, ArrayRef<uint8_t> bytes,
                 const ReplacedFunction &f);

  const SpliceContext &c;
  Output &out;
};

void EntryHider::overwrite(StringRef section, uint64_t offset,
                           ArrayRef<uint8_t> bytes, const ReplacedFunction &f) {
  const Section *s = c.image.section(section);
  if (s && !bytes.empty() && offset <= s->size && bytes.size() <= s->size - offset)
    out.edit(s->offset + offset, bytes, "DWARF of the old " + f.name);
}

void EntryHider::hide(const DWARFDie &die, const ReplacedFunction &f) {
  for (const DWARFAttribute &a : die.attributes()) {
    if (a.Attr == DW_AT_high_pc) {
      std::vector<uint8_t> zero(a.ByteSize, 0);
      // A LEB128 keeps its length: continuation bits, value 0.
      if (a.Value.getForm() == DW_FORM_udata || a.Value.getForm() == DW_FORM_sdata)
        for (size_t i = 0; i + 1 < zero.size(); ++i)
          zero[i] = 0x80;
      overwrite(".debug_info", a.Offset, zero, f);
    } else if (a.Attr == DW_AT_ranges) {
      std::optional<uint64_t> list = a.Value.getAsSectionOffset();
      if (a.Value.getForm() == DW_FORM_rnglistx && list)
        list = die.getDwarfUnit()->getRnglistOffset(*list);
      if (!list)
        continue;
      // An empty list: DW_RLE_end_of_list, or a pair of zeros before DWARF 5.
      if (die.getDwarfUnit()->getVersion() >= 5)
        overwrite(".debug_rnglists", *list, {DW_RLE_end_of_list}, f);
      else
        overwrite(".debug_ranges", *list,
                  std::vector<uint8_t>(
                      2 * die.getDwarfUnit()->getAddressByteSize()), f);
    }
  }
}

using ByAddress = AddressMap<const ReplacedFunction *>;

const ReplacedFunction *startsAtAny(const DWARFDie &die,
                                    const ByAddress &functions) {
  auto ranges = die.getAddressRanges();
  if (!ranges) {
    consumeError(ranges.takeError());
    return nullptr;
  }
  for (const DWARFAddressRange &r : *ranges)
    if (const ReplacedFunction *f = functions.lookup(r.LowPC))
      return f;
  return nullptr;
}

void EntryHider::run() {
  const Section *info = c.image.section(".debug_info");
  if (!info || info->type == SHT_NOBITS || (info->flags & SHF_COMPRESSED))
    return;
  if (all_of(out.replaced, [](const ReplacedFunction &f) {
        return f.method == RedirectMethod::InPlace;
      }))
    return;
  auto file = object::ObjectFile::createELFObjectFile(
      {toStringRef(c.image.bytes()), c.image.path});
  if (!file)
    return consumeError(file.takeError());
  auto ignore = [](Error e) { consumeError(std::move(e)); };
  auto dwarf = DWARFContext::create(
      **file, DWARFContext::ProcessDebugRelocations::Ignore, nullptr, "", ignore,
      ignore);
  for (auto &unit : dwarf->compile_units())
    if (!UnitCheck::isFirstEntrySound(*unit))
      return;
  UnitCheck check;
  MapVector<DWARFCompileUnit *, ByAddress> units;
  for (const ReplacedFunction &f : out.replaced)
    if (f.method != RedirectMethod::InPlace)
      if (auto *unit = dwarf->getCompileUnitForCodeAddress(f.oldAddress))
        units[unit][f.oldAddress] = &f;
  for (auto &[unit, functions] : units) {
    if (!check.isSound(*unit) || !unit->getUnitDIE(false))
      continue;
    for (const DWARFDebugInfoEntry &entry : unit->dies()) {
      DWARFDie die(unit, &entry);
      if (die.getTag() == DW_TAG_subprogram)
        if (const ReplacedFunction *f = startsAtAny(die, functions))
          hide(die, *f);
    }
  }
}

} // namespace

void hideReplacedFunctions(const SpliceContext &c, Output &out) {
  EntryHider(c, out).run();
}

/// The linked DWARF of the patch, behind the app's where it has some.
void addDebugInfo(const SpliceContext &c, Output &out) {
  const DebugPlan &plan = c.inputs.debug;
  if (!plan.note.empty())
    out.notes.push_back(plan.note);
  if (out.sections.empty() || !out.hasTail() || !plan.carry)
    return;
  for (const PatchSection &s : c.patch.sections) {
    if ((s.flags & SHF_ALLOC) || !s.name.starts_with(".debug_") || !s.size)
      continue;
    out.tail.resize(alignTo(out.tailOffset + out.tail.size(), s.align) -
                    out.tailOffset);
    uint64_t offset = out.tailOffset + out.tail.size();
    const DebugPrefix *prefix = plan.prefix(s.name);
    const Section *old = prefix ? c.image.section(s.name) : nullptr;
    if (!old) {
      out.tail.insert(out.tail.end(), s.data.begin(), s.data.end());
      if (unsigned i = out.addSection(s.name, s.type, s.flags, 0, offset, s.size,
                                      s.align))
        out.sections[i].header.sh_entsize = s.entrySize;
      continue;
    }
    std::vector<uint8_t> front =
        out.takeEdited(c.image, old->offset, prefix->size);
    out.tail.insert(out.tail.end(), front.begin(), front.end());
    out.tail.insert(out.tail.end(), s.data.begin() + prefix->size, s.data.end());
    for (OutputSection &o : out.sections)
      if (o.original == int(old->index)) {
        o.header.sh_offset = offset;
        o.header.sh_size = s.size;
      }
  }
  // An index that does not know the new unit would hide it from gdb.
  if (!plan.prefixes.empty())
    for (OutputSection &o : out.sections)
      if (o.original >= 0 && (o.name == ".gdb_index" || o.name == ".debug_names"))
        o.renamed = ".patch.old" + o.name;
}

} // namespace relink
