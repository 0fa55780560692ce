//===- Correlator.cpp - Same code that refers to the same things ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Correlator.h"
#include "Error.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

Correlator::Correlator(const Plan &plan,
                       ArrayRef<std::unique_ptr<Object>> objects,
                       const FrameIndex &frames, const Target &target,
                       Original &original)
    : plan(plan), objects(objects), frames(frames), target(target),
      original(original) {
  for (auto &object : objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.section && s.isFunction()) {
        if (isOutlinedPart(s.name))
          coldParts.insert(s.section);
        auto [it, isNew] = onlyFunctions.try_emplace(s.section, &s);
        if (!isNew && it->second && it->second->value != s.value)
          it->second = nullptr;
      }
}

/// The first difference is the one that is told.
bool Correlator::fail(const Twine &why) {
  if (reason.empty())
    reason = why.str();
  return false;
}

/// Compared by what it holds, not by where it is. Virtual tables and type
/// information have an identity, which catch clauses and dynamic_cast compare.
bool Correlator::isContent(const ObjectSymbol &s) const {
  const ObjectSection &section = *s.section;
  if (section.isMergeable())
    return true;
  if (section.isTls() || !section.isAlloc())
    return false;
  if (section.isCode())
    return coldParts.contains(&section);
  bool constant = !section.isWritable() ||
                  StringRef(section.name).starts_with(".data.rel.ro");
  return constant && !isTypeData(s.name);
}

//===----------------------------------------------------------------------===//
// Identity
//===----------------------------------------------------------------------===//

bool Correlator::failReferent(const ObjectSymbol &s, const OriginalField &f) {
  StringRef name = s.isSection() ? StringRef(s.section->name) : s.name;
  return fail("it refers to " + shown(name) + ", where the original's refers to " +
              original.describe(f));
}

bool Correlator::identify(Key key, const Place &base) {
  auto [it, isNew] = known.try_emplace(key, base);
  if (isNew)
    newlyKnown.push_back(key);
  return it->second == base;
}

bool Correlator::identifySection(const ObjectSection &s, const Place &base) {
  return identify(&s, base) &&
         (!sectionsAreWhole || !s.original ||
          identify(s.original, base + -int64_t(s.originalOffset)));
}

/// A label in code says where its function starts, if all in front of it is as it was.
bool Correlator::mayBeAt(const ObjectSection &code, const Place &base) const {
  auto function = onlyFunctions.find(&code);
  return function == onlyFunctions.end() || !function->second ||
         original.mayStartFunction(base + function->second->value);
}

/// Whether what the region that is being matched refers to there may be another
/// object's.
bool Correlator::mayBeOthers(const ObjectSection &section) const {
  return comdatsMayBeOthers && comdat && section.comdat != comdat;
}

bool Correlator::matchIdentity(const ObjectSymbol &s, const OriginalField &f) {
  bool inside = s.kind == ObjectSymbol::Kind::Defined;
  Key key = inside ? static_cast<Key>(s.section) : &s;
  Place base = f.place + (inside ? -int64_t(s.value) : 0);
  // A name that the loader binds is no place: nothing is learned from it.
  bool isName = f.kind == OriginalField::Kind::Name;
  auto it = known.find(key);
  if (!isName && it != known.end() && it->second == base)
    return true;
  if (isName || !s.isSection()) {
    Original::Answer answer = original.isSame(s, f);
    if (answer == Original::Answer::No)
      return failReferent(s, f);
    if (isName || answer == Original::Answer::Stub)
      return true;
  }
  if (inside && s.isSection() && s.section->isCode() && !mayBeAt(*s.section, base))
    return failReferent(s, f);
  if (inside && (s.isLocal() || s.isSection()) && mayBeOthers(*s.section))
    return true;
  return (inside ? identifySection(*s.section, base) : identify(key, base)) ||
         failReferent(s, f);
}

std::optional<Place> Correlator::constantsAt(const ObjectSection *s) const {
  auto it = constants.find(s);
  return it == constants.end() ? std::nullopt : it->second;
}

std::optional<Place> Correlator::placeOf(const ObjectSymbol &s) const {
  bool inside = s.kind == ObjectSymbol::Kind::Defined;
  auto it = known.find(inside ? static_cast<Key>(s.section) : &s);
  if (it != known.end())
    return inside ? it->second + s.value : it->second;
  if (!inside)
    return std::nullopt;
  if (auto base = constantsAt(s.section))
    return *base + s.value;
  if (!sectionsAreWhole || !s.section->original)
    return std::nullopt;
  it = known.find(s.section->original);
  std::optional<Place> base = it == known.end()
                                  ? constantsAt(s.section->original)
                                  : std::optional(it->second);
  if (!base)
    return std::nullopt;
  return *base + (s.section->originalOffset + s.value);
}

//===----------------------------------------------------------------------===//
// Content
//===----------------------------------------------------------------------===//

/// Named things of a known size in read-only data. Of several that begin at one
/// place the longest; what lies in another is part of it.
void Correlator::indexNamed() {
  for (auto &object : objects)
    for (const ObjectSymbol &s : object->symbols)
      if (s.section && !s.isSection() && s.size && !s.section->isCode() &&
          s.value < s.section->size && s.size <= s.section->size - s.value)
        named[s.section].push_back({s.value, s.value + s.size});
  for (auto &[section, list] : named) {
    llvm::sort(list, [](auto &a, auto &b) {
      return std::pair(a.first, b.second) < std::pair(b.first, a.second);
    });
    uint64_t covered = 0;
    erase_if(list, [&](const auto &thing) {
      bool isPart = thing.second <= covered;
      covered = std::max(covered, thing.second);
      return isPart;
    });
  }
}

/// The named thing that the byte at \p offset is of; at the end of the section, the
/// one that ends there.
std::optional<std::pair<uint64_t, uint64_t>>
Correlator::namedAt(const ObjectSection &section, uint64_t offset) const {
  auto it = named.find(&section);
  if (it == named.end())
    return std::nullopt;
  if (offset && offset == section.size)
    --offset;
  auto next = upper_bound(it->second, offset, [](uint64_t o, const auto &thing) {
    return o < thing.first;
  });
  if (next == it->second.begin() || std::prev(next)->second <= offset)
    return std::nullopt;
  return *std::prev(next);
}

/// Where things start in read-only data: at symbols, and where code and tables
/// point, but not within what a symbol covers: `&table[2]`.
ArrayRef<uint64_t> Correlator::startsIn(const ObjectSection &section) {
  if (!startsKnown) {
    startsKnown = true;
    indexNamed();
    auto add = [&](const ObjectSection *s, uint64_t at) {
      if (!s || !s->isAlloc() || s->isCode() || s->isMergeable() || at >= s->size)
        return;
      if (auto thing = namedAt(*s, at); !thing || thing->first == at)
        starts[s].push_back(at);
    };
    for (auto &object : objects) {
      for (const ObjectSymbol &s : object->symbols)
        if (s.section && !s.isSection())
          add(s.section, s.value);
      for (const ObjectSection &s : object->sections)
        if (s.isAlloc() && !s.dropped && !isEhFrame(s))
          for (const ObjectRelocation &r : s.relocations)
            if (r.symbol && r.symbol->section)
              if (!isPcRelative(r.type) || r.toEnd)
                add(r.symbol->section,
                    r.symbol->value + r.addend +
                        (isPcRelative(r.type) ? r.toEnd : 0));
    }
    for (auto &[s, list] : starts) {
      llvm::sort(list);
      list.erase(llvm::unique(list), list.end());
    }
  }
  auto it = starts.find(&section);
  return it == starts.end() ? ArrayRef<uint64_t>() : ArrayRef<uint64_t>(it->second);
}

/// A string literal, with padding behind it perhaps.
static bool isText(ArrayRef<uint8_t> bytes) {
  size_t length = 0;
  while (length < bytes.size() && bytes[length])
    ++length;
  auto isPrintable = [](uint8_t b) {
    return b >= 0x20 || b == '\n' || b == '\t' || b == '\r' || b == 0x1b;
  };
  return length && length < bytes.size() &&
         all_of(bytes.take_front(length), isPrintable) &&
         all_of(bytes.drop_front(length), [](uint8_t b) { return b == 0; });
}

/// The bytes of \p s that a reference to \p offset can mean.
std::pair<uint64_t, uint64_t> Correlator::extent(const ObjectSection &s,
                                                 const ObjectSymbol &symbol,
                                                 uint64_t offset) {
  if (s.isMergeable()) {
    uint64_t unit = std::max<uint64_t>(s.entrySize, 1), end = offset;
    if (!(s.flags & SHF_STRINGS)) {
      uint64_t start = offset - offset % unit;
      return {start, std::min<uint64_t>(start + unit, s.size)};
    }
    for (; end + unit <= s.data.size(); end += unit)
      if (all_of(ArrayRef(s.data).slice(end, unit),
                 [](uint8_t b) { return b == 0; }))
        return {offset, end + unit};
    return {offset, s.size};
  }
  if (s.original || s.isCode())
    return {s.islandsBefore, s.size - s.islandsBehind}; // a piece of its own
  if (!symbol.isSection() && symbol.size &&
      symbol.value + symbol.size <= s.size)
    return {symbol.value, symbol.value + symbol.size};
  // Anonymous: up to where the next thing starts, and that one too, since
  // `table[i - 1]` is compiled to a reference in front of the table. Jump
  // tables and strings are never meant so.
  ArrayRef<uint64_t> all = startsIn(s);
  auto thing = namedAt(s, offset);
  if (thing)
    offset = thing->first;
  auto next = thing ? lower_bound(all, thing->second) : upper_bound(all, offset);
  uint64_t end = next == all.end() ? s.size : *next;
  ArrayRef<ObjectRelocation> relocations = s.relocations;
  auto pointsIntoCode = [&](uint64_t from, uint64_t to) {
    auto r = partition_point(relocations, [&](const ObjectRelocation &r) {
      return r.offset < from;
    });
    return r != relocations.end() && r->offset < to && r->symbol &&
           r->symbol->section && r->symbol->section->isCode();
  };
  if (next == all.end() || pointsIntoCode(offset, offset + 1) ||
      (end <= s.data.size() &&
       isText(ArrayRef(s.data).slice(offset, end - offset))))
    return {offset, end};
  uint64_t second = std::next(next) == all.end() ? s.size : *std::next(next);
  return {offset, pointsIntoCode(end, second) ? end : second};
}

void Correlator::addRegion(const Region &region) {
  auto &list = compared[{region.section, region.from}];
  for (const Region &r : list)
    if (r.to == region.to && r.at == region.at &&
        (!r.comdat || r.comdat == region.comdat))
      return;
  list.push_back(region);
  regions.push_back(region);
}

bool Correlator::matchContent(const ObjectSymbol &s, int64_t offset,
                              const OriginalField &f) {
  const ObjectSection &section = *s.section;
  // A named constant is what is meant, however far from it the code starts to
  // count: `text[i - 1]`.
  bool isNamed =
      !s.isSection() && (s.size || section.isMergeable() || section.original);
  uint64_t at = std::max<int64_t>(s.value + (isNamed ? 0 : offset), 0);
  if (f.kind == OriginalField::Kind::Name) {
    // An exported constant: what the app has is what its name means here.
    if (s.isSection() || original.isSame(s, f) == Original::Answer::No)
      return failReferent(s, f);
    if (!f.isHere)
      return true;
  }
  if (f.place.tls || f.place.symbol)
    return failReferent(s, f);
  if (at > section.size)
    return fail("it refers to a place outside of " + section.name);
  auto [from, to] = extent(section, s, at);
  Place base = f.place + -int64_t(s.value);
  addRegion({&section, from, to, base + from, comdat});
  if (!section.isMergeable() && !section.isCode() && !mayBeOthers(section)) {
    newConstants.push_back({&section, base});
    if (sectionsAreWhole && section.original)
      newConstants.push_back(
          {section.original, base + -int64_t(section.originalOffset)});
  }
  return true;
}

/// What \p r means, from its symbol. A field that counts from its place has an
/// addend that makes up for it: that of an instruction counts from its end, that
/// of a table (`label - table`) from the table's start.
std::optional<int64_t>
Correlator::offsetFromSymbol(const ObjectSection &from,
                             const ObjectRelocation &r) {
  if (!isPcRelative(r.type))
    return r.addend;
  if (from.isCode())
    return r.toEnd ? std::optional(r.addend + r.toEnd) : std::nullopt;
  ArrayRef<uint64_t> all = startsIn(from);
  auto after = upper_bound(all, r.offset);
  uint64_t start = after == all.begin() ? 0 : *std::prev(after);
  return r.addend - int64_t(r.offset - start);
}

bool Correlator::matchReferent(const ObjectSection &from, const Field &field) {
  const OriginalField &f = field.original;
  const ObjectRelocation &r = *field.relocation;
  if (f.kind == OriginalField::Kind::Nothing)
    return true;
  const ObjectSymbol *s = plan.definitionOf(r.symbol);
  if (!s)
    return f.place == Place{} || fail("it refers to an address");
  if (s->kind != ObjectSymbol::Kind::Defined || !isContent(*s))
    return matchIdentity(*s, f);
  auto offset = offsetFromSymbol(from, r);
  return offset ? matchContent(*s, *offset, f)
                : fail("it has code that can't be decoded");
}

//===----------------------------------------------------------------------===//
// Bytes and functions
//===----------------------------------------------------------------------===//

/// With short jumps as they were.
ArrayRef<ObjectRelocation>
Correlator::relocationsOf(const ObjectSection &s) {
  if (s.shortJumps.empty())
    return s.relocations;
  auto &all = merged[&s];
  if (all.empty())
    std::merge(s.relocations.begin(), s.relocations.end(), s.shortJumps.begin(),
               s.shortJumps.end(), std::back_inserter(all),
               [](auto &a, auto &b) { return a.offset < b.offset; });
  return all;
}

bool Correlator::matchBytes(const Region &region,
                            SmallVectorImpl<Field> &fields) {
  const auto &[section, from, to, at, group] = region;
  const ObjectSection &ours = *section;
  auto differs = [&, start = from](uint64_t offset) {
    return fail(ours.isCode() ? "its code differs at +" + hex(offset - start)
                              : "a constant it uses differs (" + ours.name +
                                    "+" + hex(offset) + ")");
  };
  if (ours.isNoBits() || to > ours.data.size())
    return from == to || differs(from);
  ArrayRef<uint8_t> theirs = original.bytes(at, to - from);
  if (theirs.size() != to - from)
    return differs(from);
  uint64_t done = from;
  auto sameUpTo = [&, start = from](uint64_t end) {
    if (done < end && memcmp(&ours.data[done], &theirs[done - start],
                             end - done) == 0)
      done = end;
    for (; done < end; ++done)
      if (ours.data[done] != theirs[done - start] &&
          !(ours.isCode() && any_of(tolerated, [&](uint64_t line) {
              return done >= line && done - line < 4;
            })))
        return differs(done);
    return true;
  };
  ArrayRef<ObjectRelocation> all = relocationsOf(ours);
  auto next = partition_point(all,
                              [&, start = from](const ObjectRelocation &r) {
                                return r.offset < start;
                              });
  while (next != all.end() && next->offset < to) {
    const ObjectRelocation *r = next++;
    if (r->type == R_X86_64_NONE)
      continue;
    OriginalField f;
    if (!original.readField(ours, from, to, ArrayRef(r, all.end()), at, f) ||
        f.begin < done || f.end > to) {
      sameUpTo(r->offset); // a difference in front is the better reason
      return differs(r->offset);
    }
    if (!sameUpTo(f.begin))
      return false;
    done = f.end;
    fields.push_back({r, f});
    next = r + f.consumed;
  }
  return sameUpTo(to);
}

bool Correlator::matchRegion(const Region &region) {
  SmallVector<Field, 32> fields;
  if (!matchBytes(region, fields))
    return false;
  comdat = region.section->comdat ? region.section->comdat : region.comdat;
  for (const Field &f : fields)
    if (!matchReferent(*region.section, f))
      return false;
  return !region.section->isCode() ||
         matchExceptionTable(*region.section, region.at);
}

bool Correlator::matchExceptionTable(const ObjectSection &code,
                                     const Place &at) {
  const ObjectRelocation *ours = frames.lsda(code);
  std::optional<Place> theirs = original.exceptionTable(at);
  if (!ours && !theirs)
    return true;
  if (!ours || !theirs || !ours->symbol || !ours->symbol->section)
    return fail("its exception table differs");
  const ObjectSection &table = *ours->symbol->section;
  uint64_t from = ours->symbol->value + ours->addend;
  if (from > table.size)
    return fail("its exception table differs");
  addRegion({&table, from, table.size, *theirs, comdat});
  learnPersonality(code, at);
  return true;
}

/// Objects name it through a word of their own (DW.ref.NAME), or at once.
void Correlator::learnPersonality(const ObjectSection &code, const Place &at) {
  const ObjectRelocation *r = frames.personality(code);
  const ObjectSymbol *s = r ? plan.definitionOf(r->symbol) : nullptr;
  if (s && s->section && !s->section->isCode() &&
      s->section->relocations.size() == 1)
    s = plan.definitionOf(s->section->relocations.front().symbol);
  if (!s || s->isDefined())
    return;
  if (auto place = original.personality(at))
    identify(s, *place);
}

bool Correlator::compare(const ObjectSymbol &function, const Place &at,
                         uint64_t size) {
  if (size && size != function.size)
    return fail("it has " + Twine(function.size) + " bytes, the original's " +
                Twine(size));
  uint64_t from = function.value;
  if (!identifySection(*function.section, at + -int64_t(from)))
    return fail("other code refers to it at another place");
  addRegion({function.section, from, from + function.size, at});
  return compareRegions();
}

/// Regions are found while others are compared.
bool Correlator::compareRegions() {
  for (size_t i = 0; i < regions.size(); ++i)
    if (!matchRegion(Region(regions[i])))
      return false;
  return true;
}

/// What \p comparison adds to what is known goes again if it fails.
bool Correlator::attempt(function_ref<bool()> comparison) {
  reason.clear();
  newlyKnown.clear();
  regions.clear();
  newConstants.clear();
  if (comparison()) {
    for (const auto &[section, base] : newConstants)
      if (auto [it, isNew] = constants.try_emplace(section, base);
          !isNew && it->second != base)
        it->second.reset();
    return true;
  }
  for (Key key : newlyKnown)
    known.erase(key);
  for (const Region &r : regions)
    erase_if(compared[{r.section, r.from}],
             [&](const Region &o) { return o.to == r.to && o.at == r.at; });
  return false;
}

/// A failed assertion reports __LINE__, its third argument (glibc assert.h:
/// __assert_fail, __assert_perror_fail; musl the same). A line inserted above
/// changes it in each assertion below.
void Correlator::findLineNumbers(const ObjectSymbol &function,
                                 const Place &at) {
  const ObjectSection &s = *function.section;
  ArrayRef<uint8_t> ours =
      ArrayRef(s.data).slice(function.value, function.size);
  ArrayRef<uint8_t> theirs = original.bytes(at, function.size);
  if (theirs.size() != ours.size())
    return;
  std::optional<uint64_t> line;
  for (uint64_t o = 0; o < ours.size();) {
    Instruction mine, other;
    if (!target.decode(ours.drop_front(o), o, mine) ||
        !target.decode(theirs.drop_front(o), o, other) ||
        mine.size != other.size)
      return;
    if (target.setsThirdArgument(ours.slice(o, mine.size)) &&
        target.setsThirdArgument(theirs.slice(o, mine.size)))
      line = function.value + o + mine.size - 4;
    else if (mine.isBranch)
      line.reset();
    if (mine.isCall) {
      uint64_t end = function.value + o + mine.size;
      for (const ObjectRelocation &r : s.relocations)
        if (line && r.symbol && r.offset < end && end - r.offset <= 4 &&
            (r.symbol->name == "__assert_fail" ||
             r.symbol->name == "__assert_perror_fail" ||
             r.symbol->name == "__assert"))
          tolerated.push_back(*line);
      line.reset();
    }
    o += mine.size;
  }
}

bool Correlator::match(const ObjectSymbol &function, const Place &at,
                       uint64_t size) {
  tolerated.clear();
  auto comparison = [&] { return compare(function, at, size); };
  if (attempt(comparison))
    return true;
  std::string first = reason;
  findLineNumbers(function, at);
  if (tolerated.empty())
    return false;
  if (attempt(comparison)) {
    reason = "but for line numbers of assertions the same";
    return false;
  }
  tolerated.clear();
  reason = first;
  return false;
}

bool Correlator::isConstant(const ObjectSymbol &s) const {
  return s.kind == ObjectSymbol::Kind::Defined && !s.isSection() && s.size &&
         !s.section->isCode() && s.section->isAlloc() &&
         (isTypeData(s.name) || isContent(s)) && !s.section->isMergeable();
}

bool Correlator::matchConstant(const ObjectSymbol &s, const Place &at,
                               uint64_t size) {
  tolerated.clear();
  return attempt([&] {
    if (size && size != s.size)
      return fail("it has " + Twine(s.size) + " bytes, the original's " +
                  Twine(size));
    addRegion({s.section, s.value, s.value + s.size, at});
    return compareRegions();
  });
}

bool Correlator::learnFrom(const ObjectSection &data) {
  auto it = known.find(&data);
  if (it == known.end() || it->second.tls)
    return false;
  tolerated.clear();
  return attempt([&] {
    addRegion({&data, 0, data.size, it->second});
    return compareRegions();
  });
}

bool Correlator::matchesBytes(const ObjectSymbol &function, const Place &at) {
  SmallVector<Field, 32> fields;
  return matchBytes({function.section, function.value,
                     function.value + function.size, at},
                    fields);
}

} // namespace relink
