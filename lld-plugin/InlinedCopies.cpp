//===- InlinedCopies.cpp - Which functions hold copies of others ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What can't be read is left out, and the list is marked as incomplete.
//
//===----------------------------------------------------------------------===//

#include "InlinedCopies.h"
#include "EntryScan.h"
#include "UnitCheck.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/DebugInfo/DWARF/DWARFDebugAbbrev.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {
namespace {

/// Longer chains are no compiler's.
constexpr unsigned mostHops = 8;

using Entry = EntryScan::Entry;

struct Unit {
  DWARFUnit *unit;
  StringRef file; ///< its source, without directories
  EntryScan scan;
};

/// A DW_TAG_subprogram.
struct Subprogram {
  const Unit *unit = nullptr; ///< null: none
  Entry entry;
  std::optional<DWARFFormValue> find(Attribute a) const {
    return entry.abbreviation->getAttributeValue(entry.offset, a, *unit->unit);
  }
};

class Reader {
public:
  Reader(InlinedCopies &out, StringRef object, uint64_t size, ZeroedMemory &memory)
      : out(out), object(object), memory(memory), left(4 * size) {}
  void read(DWARFContext &context);

private:
  void scan(DWARFUnit &unit, bool isAlone);
  void readCopies(const Unit &unit);
  Subprogram subprogramAt(uint64_t offset) const;
  Subprogram referred(const Unit &unit, Entry entry, Attribute a) const;
  Subprogram next(const Subprogram &s) const;
  Subprogram rootOf(Subprogram s) const;
  std::optional<DWARFFormValue> findAlong(Subprogram s,
                                          ArrayRef<Attribute> any) const;
  StringRef linkageName(const Subprogram &s) const {
    return toStringRef(
        findAlong(s, {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}));
  }
  uint32_t functionOf(const Subprogram &origin, const Unit &user);
  uint32_t callerOf(const Subprogram &s);
  SmallVector<InlinedCopies::Place, 1> placesOf(const Subprogram &s);
  StringRef keep(StringRef text);
  bool take(uint64_t amount);

  InlinedCopies &out;
  StringRef object;
  ZeroedMemory &memory;
  /// Names and ranges may be shared by any number of entries. No compiler's take
  /// more, all of them together, than a few times what they are in.
  uint64_t left;
  std::vector<Unit> units; ///< by offset
  DenseMap<uint64_t, uint32_t> functions; ///< by offset of the root
};

bool Reader::take(uint64_t amount) {
  if (amount <= left) {
    left -= amount;
    return true;
  }
  left = 0;
  out.known = map::Inlining::Part;
  return false;
}

/// What is not in the object goes when it was read.
StringRef Reader::keep(StringRef text) {
  if (!take(text.size()))
    return {};
  if (text.begin() >= object.begin() && text.end() <= object.end())
    return text;
  ArrayRef<char> copied = memory.copy(ArrayRef<char>(text.begin(), text.size()));
  return {copied.data(), copied.size()};
}

Subprogram Reader::subprogramAt(uint64_t offset) const {
  auto unit = upper_bound(units, offset, [](uint64_t o, const Unit &u) {
    return o < u.unit->getOffset();
  });
  if (unit == units.begin())
    return {};
  const std::vector<Entry> &all = (--unit)->scan.subprograms;
  auto it = lower_bound(all, offset,
                        [](const Entry &e, uint64_t o) { return e.offset < o; });
  if (it == all.end() || it->offset != offset)
    return {};
  return {&*unit, *it};
}

Subprogram Reader::referred(const Unit &unit, Entry entry, Attribute a) const {
  auto value =
      entry.abbreviation->getAttributeValue(entry.offset, a, *unit.unit);
  if (!value)
    return {};
  if (auto offset = value->getAsRelativeReference())
    return subprogramAt(unit.unit->getOffset() + *offset);
  if (auto offset = value->getAsDebugInfoReference())
    return subprogramAt(*offset);
  return {};
}

Subprogram Reader::next(const Subprogram &s) const {
  Subprogram to = referred(*s.unit, s.entry, DW_AT_abstract_origin);
  return to.unit ? to : referred(*s.unit, s.entry, DW_AT_specification);
}

/// All entries of one function lead to it.
Subprogram Reader::rootOf(Subprogram s) const {
  for (unsigned i = 0; i < mostHops; ++i) {
    Subprogram to = next(s);
    if (!to.unit)
      break;
    s = to;
  }
  return s;
}

std::optional<DWARFFormValue>
Reader::findAlong(Subprogram s, ArrayRef<Attribute> any) const {
  for (unsigned i = 0; s.unit && i < mostHops; ++i, s = next(s))
    for (Attribute a : any)
      if (auto value = s.find(a))
        return value;
  return std::nullopt;
}

/// Where its parts start.
SmallVector<InlinedCopies::Place, 1> Reader::placesOf(const Subprogram &s) {
  SmallVector<InlinedCopies::Place, 1> places;
  auto add = [&](uint64_t start) {
    if (start > UINT32_MAX) // in a section
      places.push_back(ObjectDwarf::placeAt(start));
  };
  if (auto low = toAddress(s.find(DW_AT_low_pc)); low && s.find(DW_AT_high_pc)) {
    add(*low);
    return places;
  }
  auto list = s.find(DW_AT_ranges);
  auto number = toSectionOffset(list);
  if (!number || !left)
    return places;
  auto ranges = list->getForm() == DW_FORM_rnglistx
                    ? s.unit->unit->findRnglistFromIndex(*number)
                    : s.unit->unit->findRnglistFromOffset(*number);
  if (!ranges) {
    consumeError(ranges.takeError());
    out.known = map::Inlining::Part;
    return places;
  }
  take(ranges->size() * sizeof(uint64_t));
  for (const DWARFAddressRange &r : *ranges)
    if (r.LowPC < r.HighPC)
      add(r.LowPC);
  return places;
}

StringRef sourceFile(DWARFUnit &unit) {
  StringRef path = toStringRef(unit.getUnitDIE().find(DW_AT_name));
  return path.drop_front(path.rfind('/') + 1);
}

bool isCxx(DWARFUnit &unit) {
  uint64_t language = toUnsigned(unit.getUnitDIE().find(DW_AT_language), 0);
  return isCPlusPlus(SourceLanguage(language));
}

/// The function that \p origin is of.
uint32_t Reader::functionOf(const Subprogram &origin, const Unit &user) {
  Subprogram root = rootOf(origin);
  auto [it, isNew] =
      functions.try_emplace(root.entry.offset, out.functions.size());
  if (!isNew)
    return it->second;
  InlinedCopies::Function f;
  StringRef linkage = linkageName(origin);
  f.name = keep(linkage.empty() ? toStringRef(findAlong(origin, DW_AT_name))
                                : linkage);
  f.file = root.unit->file.empty() ? user.file : root.unit->file;
  if (!linkage.empty())
    f.flags |= map::inlinedHasLinkageName;
  // clang -gline-tables-only says neither where a function is declared nor
  // whether others see it, and of C++ only a part of the name.
  bool isDeclared = findAlong(origin, DW_AT_decl_line).has_value();
  if (!isDeclared && linkage.empty() && isCxx(*root.unit->unit))
    out.known = map::Inlining::Part;
  if (toUnsigned(findAlong(origin, DW_AT_external), 0) || !isDeclared)
    f.flags |= map::inlinedMayBeExternal;
  out.functions.push_back(std::move(f));
  return it->second;
}

/// Index of \p s among the callers.
uint32_t Reader::callerOf(const Subprogram &s) {
  InlinedCopies::Caller c;
  c.starts = placesOf(s);
  // Else it is what others were copied from.
  if (!c.starts.empty()) {
    StringRef linkage = linkageName(s);
    c.name = keep(linkage.empty() ? toStringRef(findAlong(s, DW_AT_name))
                                  : linkage);
  }
  out.callers.push_back(std::move(c));
  return out.callers.size() - 1;
}

void Reader::readCopies(const Unit &unit) {
  std::vector<uint32_t> callers(unit.scan.subprograms.size()); // numbers, from 1
  std::vector<uint32_t> copied; // by copy: number of the function, from 1
  for (const EntryScan::Copy &c : unit.scan.copies) {
    uint32_t outer = c.outer ? copied[c.outer - 1] : 0;
    copied.push_back(outer);
    uint32_t &caller = callers[c.subprogram];
    if (!caller)
      caller = callerOf({&unit, unit.scan.subprograms[c.subprogram]}) + 1;
    if (out.callers[caller - 1].starts.empty())
      continue;
    Subprogram origin = referred(unit, c.entry, DW_AT_abstract_origin);
    if (!origin.unit)
      continue;
    uint32_t function = functionOf(origin, unit);
    copied.back() = function + 1;
    // gcc splits a function to inline a part of it (.part), and may join the two.
    if (outer != function + 1)
      out.callers[caller - 1].copies.push_back({function, 1});
  }
}

bool hasInlined(DWARFUnit &unit) {
  const DWARFAbbreviationDeclarationSet *set = unit.getAbbreviations();
  return set && std::any_of(set->begin(), set->end(), [](const auto &d) {
           return d.getTag() == DW_TAG_inlined_subroutine;
         });
}

/// Units may refer to entries of each other.
void Reader::scan(DWARFUnit &unit, bool isAlone) {
  bool isRead = UnitCheck::isFirstEntrySound(unit);
  // Of a split unit the linker has the skeleton only.
  if (!isRead ||
      unit.getUnitDIE().find({DW_AT_dwo_name, DW_AT_GNU_dwo_name})) {
    out.known = map::Inlining::Part;
    return;
  }
  if (isAlone && !hasInlined(unit))
    return;
  Unit u = {&unit, keep(sourceFile(unit)), {}};
  if (u.scan.run(unit))
    units.push_back(std::move(u));
  else
    out.known = map::Inlining::Part;
}

void Reader::read(DWARFContext &context) {
  bool isAlone = context.getNumCompileUnits() == 1;
  for (auto &unit : context.normal_units())
    if (!unit->isTypeUnit())
      scan(*unit, isAlone);
  for (const Unit &unit : units)
    readCopies(unit);
}

/// Copies of one function become one record.
void joinCopies(InlinedCopies::Caller &caller) {
  auto &all = caller.copies;
  llvm::sort(all);
  size_t count = 0;
  for (auto [function, times] : all) {
    if (count && all[count - 1].first == function)
      all[count - 1].second += times;
    else
      all[count++] = {function, times};
  }
  all.resize(count);
  all.shrink_to_fit();
}

} // namespace

InlinedCopies InlinedCopies::read(StringRef object, ZeroedMemory &memory) {
  InlinedCopies out;
  auto file = object::ELFFile<ObjectDwarf::ELFT>::create(object);
  if (!file) {
    consumeError(file.takeError());
    return out;
  }
  ObjectDwarf info(*file);
  auto any = info.read();
  if (!any) {
    consumeError(any.takeError());
    return out;
  }
  if (!*any)
    return out;
  out.known = map::Inlining::All;
  auto ignore = [](Error e) { consumeError(std::move(e)); };
  auto cannotRead = [&](Error e) {
    consumeError(std::move(e));
    out.known = map::Inlining::Part;
  };
  auto context = DWARFContext::create(info.sections, /*AddrSize=*/8,
                                      /*isLittleEndian=*/true, cannotRead, ignore);
  Reader(out, object, info.size, memory).read(*context);
  erase_if(out.callers, [](const Caller &c) { return c.copies.empty(); });
  for (Caller &c : out.callers)
    joinCopies(c);
  return out;
}

} // namespace relink
