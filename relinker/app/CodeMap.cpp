//===- CodeMap.cpp - Where the app's functions are ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeMap.h"
#include "SymbolIndex.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

std::vector<Extent> merge(std::vector<Extent> windows) {
  llvm::sort(windows);
  std::vector<Extent> out;
  for (const Extent &w : windows)
    if (!out.empty() && w.start <= out.back().end)
      out.back().end = std::max(out.back().end, w.end);
    else
      out.push_back(w);
  return out;
}

/// Whether \p e touches one of \p windows, which are sorted and disjoint.
bool touches(ArrayRef<Extent> windows, const Extent &e) {
  auto w = partition_point(windows,
                           [&](const Extent &x) { return x.end < e.start; });
  return w != windows.end() && w->start <= e.end;
}

/// What lies outside of the windows is not known.
bool isWithin(ArrayRef<Extent> windows, const Gap &g) {
  auto w = partition_point(windows,
                           [&](const Extent &x) { return x.end < g.slackEnd; });
  return w != windows.end() && w->start <= g.start;
}

/// Drops what lies in, or overlaps, what comes before.
void makeDisjoint(std::vector<Extent> &list) {
  llvm::sort(list);
  uint64_t end = 0;
  erase_if(list, [&](const Extent &e) {
    if (e.start < end || e.start == e.end)
      return true;
    end = e.end;
    return false;
  });
}

const Extent *find(ArrayRef<Extent> list, uint64_t address) {
  auto after = partition_point(
      list, [&](const Extent &e) { return e.start <= address; });
  return after != list.begin() && (after - 1)->contains(address) ? after - 1
                                                                 : nullptr;
}

} // namespace

CodeMap CodeMap::read(const Image &image, const UnwindTable &unwind,
                      std::vector<Extent> windows, ArrayRef<Extent> more) {
  CodeMap map;
  map.windows = merge(std::move(windows));
  map.all.assign(more.begin(), more.end());
  auto add = [&](std::vector<Extent> *to, uint64_t start, uint64_t size) {
    if (start + size < start || !image.loadAt(start))
      return;
    Extent e = {start, start + size};
    if (!touches(map.windows, e))
      return;
    map.all.push_back(e);
    if (to)
      to->push_back(e);
  };
  forEachSymbol(image, [&](const Sym &s, StringRef) {
    uint8_t type = s.getType();
    bool isFunction = type == STT_FUNC || type == STT_GNU_IFUNC;
    add(isFunction ? &map.functions : nullptr, s.st_value, s.st_size);
  });
  for (const Extent &w : map.windows) {
    uint64_t first = unwind.rowsUpTo(image, w.start);
    for (uint64_t i = first ? first - 1 : 0, n = unwind.rowsUpTo(image, w.end);
         i < n; ++i)
      if (auto fde = unwind.fdeOf(image, i))
        add(&map.frames, fde->start, fde->size);
  }
  llvm::sort(map.all);
  makeDisjoint(map.frames);
  makeDisjoint(map.functions);
  return map;
}

const Extent *CodeMap::containing(uint64_t address) const {
  const Extent *e = find(frames, address);
  return e ? e : find(functions, address);
}

/// Limits \p g to the section that its function lies in; false when there is
/// none that holds code.
static bool limitToSection(const Image &image, ArrayRef<const Section *> code,
                           bool bounded, Gap &g) {
  auto after = partition_point(
      code, [&](const Section *s) { return s->address < g.start; });
  if (after == code.begin())
    return bounded && image.sections.empty();
  const Section &home = **(after - 1);
  uint64_t end = home.address + home.size;
  if (!(home.flags & SHF_EXECINSTR) || g.start > end)
    return false;
  if (g.end < end)
    return bounded;
  // Behind the section lies nothing, up to what is next.
  uint64_t next = after == code.end() ? UINT64_MAX : (*after)->address;
  g.slackEnd = std::max(end, std::min(g.end, next));
  g.end = end;
  return true;
}

std::vector<Gap> CodeMap::gaps(const Image &image) const {
  std::vector<const Section *> sections;
  for (const Section &s : image.sections)
    if (s.isAlloc() && s.size)
      sections.push_back(&s);
  llvm::sort(sections, [](auto *a, auto *b) { return a->address < b->address; });

  std::vector<Gap> out;
  Extent owner; // ends last so far; a label: what follows is not known
  auto note = [&](uint64_t end, bool bounded) {
    Gap g;
    g.start = owner.end;
    g.end = g.slackEnd = end;
    g.owner = owner;
    const Phdr *load = owner.start < owner.end ? image.loadAt(owner.end - 1)
                                               : nullptr;
    if (load && (load->p_flags & PF_X) &&
        limitToSection(image, sections, bounded, g) && g.start < g.slackEnd &&
        isWithin(windows, g))
      out.push_back(g);
  };
  for (const Extent &e : all) {
    if (e.start > owner.end)
      note(e.start, true);
    if (e.end > owner.end || e.start == owner.end)
      owner = e;
  }
  note(UINT64_MAX, false);
  return out;
}

} // namespace relink
