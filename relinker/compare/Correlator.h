//===- Correlator.h - Same code that refers to the same things --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two functions are the same when their bytes are, relocated fields left out,
// and each field refers to the same thing. Functions and variables are the same
// by name and place; strings, constants, jump tables, exception tables and cold
// parts have no identity and are compared by content. What a matching function
// refers to becomes known: that tells numbered statics (`count.0`) and, in
// stripped programs, everything apart.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CORRELATOR_H
#define RELINK_CORRELATOR_H

#include "Original.h"

namespace relink {

class Correlator {
public:
  Correlator(const Plan &plan, llvm::ArrayRef<std::unique_ptr<Object>> objects,
             const FrameIndex &frames, const Target &target,
             Original &original);

  /// Whether \p function is what the original has at \p at, where it has \p size
  /// bytes (0: unknown). What it refers to is learned if so; difference() tells
  /// what is not the same otherwise.
  bool match(const ObjectSymbol &function, const Place &at, uint64_t size);
  /// The same without what its fields refer to.
  bool matchesBytes(const ObjectSymbol &function, const Place &at);
  const std::string &difference() const { return reason; }
  /// Whether the last match() held but for the line numbers that failed
  /// assertions report.
  bool differsInLinesOnly() const { return !tolerated.empty(); }
  /// Whether \p constant, a read-only object, holds what is at \p at.
  bool matchConstant(const ObjectSymbol &constant, const Place &at,
                     uint64_t size);
  bool isConstant(const ObjectSymbol &symbol) const;
  /// Compares all of \p data, a section of it, with what is where it is known to be,
  /// to learn what it refers to: tables of functions, virtual tables. False if that
  /// place is not known, or has something else.
  bool learnFrom(const ObjectSection &data);
  bool isKnown(const ObjectSection &section) const { return known.contains(&section); }

  /// Where \p symbol is, if matching code has shown it. A constant is where code has
  /// it that is the same, and what it holds is the same too.
  std::optional<Place> placeOf(const ObjectSymbol &symbol) const;

  /// In a linked original sections are placed as a whole, so that one place in
  /// a section tells all others. Holds when the objects are those that were
  /// linked.
  bool sectionsAreWhole = false;
  /// The original's COMDATs may be those of another object, which refer to local
  /// symbols of that one: nothing is learned from it then.
  bool comdatsMayBeOthers = false;

private:
  using Key = const void *;
  struct Field {
    const ObjectRelocation *relocation;
    OriginalField original;
  };
  /// Bytes of the patch, of which the original should have a copy.
  struct Region {
    const ObjectSection *section;
    uint64_t from, to;
    Place at;
    uint32_t comdat = 0; ///< whose it is, or what it is used by; 0: none
  };
  bool attempt(llvm::function_ref<bool()> comparison);
  void findLineNumbers(const ObjectSymbol &function, const Place &at);
  bool compareRegions();
  bool compare(const ObjectSymbol &function, const Place &at, uint64_t size);
  llvm::ArrayRef<ObjectRelocation> relocationsOf(const ObjectSection &section);
  bool matchBytes(const Region &region, llvm::SmallVectorImpl<Field> &fields);
  bool matchRegion(const Region &region);
  void addRegion(const Region &region);
  std::optional<int64_t> offsetFromSymbol(const ObjectSection &from,
                                          const ObjectRelocation &r);
  bool matchReferent(const ObjectSection &from, const Field &field);
  bool matchContent(const ObjectSymbol &symbol, int64_t offset,
                    const OriginalField &field);
  bool mayBeOthers(const ObjectSection &section) const;
  bool mayBeAt(const ObjectSection &code, const Place &base) const;
  bool matchIdentity(const ObjectSymbol &symbol, const OriginalField &field);
  bool matchExceptionTable(const ObjectSection &code, const Place &at);
  void learnPersonality(const ObjectSection &code, const Place &at);
  bool isContent(const ObjectSymbol &symbol) const;
  bool identify(Key key, const Place &base);
  bool identifySection(const ObjectSection &section, const Place &base);
  std::optional<Place> constantsAt(const ObjectSection *section) const;
  bool fail(const llvm::Twine &why);
  bool failReferent(const ObjectSymbol &symbol, const OriginalField &field);
  std::pair<uint64_t, uint64_t> extent(const ObjectSection &section,
                                       const ObjectSymbol &symbol,
                                       uint64_t offset);
  llvm::ArrayRef<uint64_t> startsIn(const ObjectSection &section);
  void indexNamed();
  std::optional<std::pair<uint64_t, uint64_t>>
  namedAt(const ObjectSection &section, uint64_t offset) const;

  const Plan &plan;
  llvm::ArrayRef<std::unique_ptr<Object>> objects;
  const FrameIndex &frames;
  const Target &target;
  Original &original;
  std::string reason;
  /// Offsets in the code of the function that is being matched, of line numbers
  /// that may differ.
  llvm::SmallVector<uint64_t, 4> tolerated;
  /// Offsets of read-only sections that something refers to.
  llvm::DenseMap<const ObjectSection *, std::vector<uint64_t>> starts;
  bool startsKnown = false; ///< and `named`
  /// Their starts and ends, disjoint but for what overlaps in part.
  llvm::DenseMap<const ObjectSection *, std::vector<std::pair<uint64_t, uint64_t>>>
      named;

  llvm::DenseSet<const ObjectSection *> coldParts;
  /// By section of code: its only function; null if there are several.
  llvm::DenseMap<const ObjectSection *, const ObjectSymbol *> onlyFunctions;
  llvm::DenseMap<const ObjectSection *, std::vector<ObjectRelocation>> merged;

  /// What is known: of a defined symbol its section's place.
  llvm::DenseMap<Key, Place> known;
  using RegionKey = std::pair<const ObjectSection *, uint64_t>;
  /// Regions that were compared.
  llvm::DenseMap<RegionKey, llvm::SmallVector<Region, 1>> compared;
  /// What the function that is being matched has added to the two, taken back
  /// if it doesn't match. A region counts as equal while it is compared.
  llvm::SmallVector<Key, 16> newlyKnown;
  uint32_t comdat = 0; ///< of the region that is being matched
  std::vector<Region> regions;
  /// Where constants lie that were compared by what they hold: of each section of
  /// them, and none where code has them at two places.
  llvm::DenseMap<const ObjectSection *, std::optional<Place>> constants;
  std::vector<std::pair<const ObjectSection *, Place>> newConstants;
};

} // namespace relink

#endif
