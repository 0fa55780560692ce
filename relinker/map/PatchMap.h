//===- PatchMap.h - What ld.relink says a program was made of ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHMAP_H
#define RELINK_PATCHMAP_H

#include "AddressMap.h"
#include "Hash.h"
#include "Image.h"
#include "MapInlining.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace relink {

/// An object that was linked into the program.
struct MapInput {
  map::InputKind kind = map::InputKind::Object;
  std::string path;   ///< as the linker got it
  std::string member; ///< of the archive at `path`; empty if it is none
  std::string source; ///< its STT_FILE, if any
  Digest hash{};      ///< BLAKE3 of the object's bytes, before function padding
  uint64_t size = 0;  ///< of the object
  uint64_t functions = 0;   ///< it defines
  uint64_t relocations = 0; ///< in sections that are loaded

  /// "path" or "path(member)".
  std::string name() const {
    return member.empty() ? path : path + "(" + member + ")";
  }
};

/// A section of an input that is in the program, or that is referred to.
struct MapSection {
  llvm::StringRef name;
  uint32_t type = 0;
  uint64_t flags = 0, align = 1, entrySize = 0;
  uint64_t size = 0; ///< in the object, before function padding
  map::SectionKind kind = map::SectionKind::NoBits;
  uint64_t address = 0;              ///< of Placed, in the program
  llvm::ArrayRef<uint8_t> contents;  ///< of Contents
  /// Of Placed: where its bytes outside of relocated fields are not those at
  /// its address; ascending and inside of it.
  struct Difference {
    uint64_t offset;
    llvm::ArrayRef<uint8_t> bytes;
  };
  std::vector<Difference> differences;
  struct Relocation {
    uint64_t offset = 0;
    uint32_t type = 0;
    uint32_t symbol = 0; ///< its number, from 1; 0: none
    int64_t addend = 0;
  };
  std::vector<Relocation> relocations; ///< as the object has them
};

struct MapSymbol {
  llvm::StringRef name;
  uint8_t info = 0, other = 0; ///< as in Elf64_Sym
  enum class Home { Undefined, Absolute, Common, Section } home = Home::Undefined;
  uint32_t section = 0; ///< of Home::Section: index
  uint64_t value = 0, size = 0;
};

/// A function's exception table, each a symbol's number and what to add.
struct MapFrame {
  uint32_t function = 0, table = 0;
  int64_t functionAddend = 0, tableAddend = 0;
};

/// What the map says of an input; refers to memory of its own and of the map.
struct MapDetails {
  llvm::SmallVector<uint8_t, 0> bytes;
  std::vector<MapSection> sections;
  std::vector<MapSymbol> symbols; ///< number 1 is the first
  std::vector<MapFrame> frames;
  uint64_t check = 0; ///< map::hashOfHashes of the sections
};

class PatchMap {
public:
  /// None if \p image has no map; an error if it has one that can't be read.
  static llvm::Expected<std::optional<PatchMap>> read(const Image &image);

  uint32_t version() const { return formatVersion; }
  uint64_t size() const { return bytes.size(); } ///< of the section
  /// In the order in which the linker took them.
  llvm::ArrayRef<MapInput> inputs() const { return allInputs; }
  /// None of bitcode, nor of an object that the linker could not read; of none where
  /// the program's constants, which it takes, are not what was linked.
  llvm::Expected<std::optional<MapDetails>> details(size_t input);
  /// Whether the program has the constants that details are packed with.
  bool hasPrefix() const;
  /// Whether there are details of each input.
  llvm::Expected<bool> tellsOfAll();
  /// Functions that the linker has folded, and those they were folded into, by
  /// address.
  llvm::Expected<std::multimap<uint64_t, llvm::StringRef>> folds();
  /// Whether it tells of inlined copies, of any input.
  bool hasInlining() const;
  /// Calls \p visit for each input with what is known of copies in its code.
  llvm::Error
  readInlining(llvm::function_ref<llvm::Error(size_t input, const MapInlining &)>
                   visit);
  /// Names that \p isWanted, by their numbers.
  llvm::Expected<AddressMap<llvm::StringRef>>
  namesThat(llvm::function_ref<bool(llvm::StringRef)> isWanted);
  llvm::Expected<llvm::StringRef> nameOf(uint64_t number);
  /// For each of \p names that an input defines for the others: which.
  llvm::Expected<llvm::StringMap<size_t>>
  definersOf(const llvm::StringSet<> &names);

private:
  struct Block {
    map::BlockKind kind;
    bool isPrefixed;
    llvm::ArrayRef<uint8_t> packed;
    uint64_t unpacked, count;
    bool isOpen = false;
    llvm::SmallVector<uint8_t, 0> bytes; ///< if it is open
    std::vector<uint32_t> starts;        ///< of names: of each
  };
  /// The details of some inputs: of each its parts, one behind the other.
  struct DetailGroup {
    Block *lengths;
    std::vector<Block *> parts;
    /// Input by input: where in each part its bytes end.
    std::vector<uint64_t> ends;
  };
  llvm::Error readLengths(DetailGroup &group);
  llvm::Error openParts(DetailGroup &group);
  llvm::Expected<llvm::SmallVector<uint8_t, 0>> detailBytes(size_t input);
  llvm::Error open(Block &block);
  llvm::Error readBlocks();
  llvm::Error readPrefix(const Block &block);
  bool isReadable(const DetailGroup &group) const;
  llvm::Error readInputs(const Block &block);
  llvm::Expected<llvm::SmallVector<uint8_t, 0>> unpack(const Block &b) const;
  llvm::Error error(const llvm::Twine &what) const;

  const Image *image = nullptr; ///< the program, which outlives this
  std::string path;             ///< of the program
  llvm::ArrayRef<uint8_t> bytes;
  uint32_t formatVersion = 0;
  llvm::ArrayRef<uint8_t> prefix; ///< of the program; empty if it is not as it was
  std::deque<Block> blocks; ///< what is open stays where it is
  std::vector<std::pair<uint64_t, Block *>> names; ///< by their first number
  std::vector<Block *> definers;                   ///< of the same names
  std::vector<DetailGroup> groups; ///< in the order of the inputs
  std::vector<MapInput> allInputs;
};

/// `relink --map`; with \p verbose, inlined copies are listed.
llvm::Error printMap(PatchMap &map, llvm::StringRef path, bool verbose,
                     llvm::raw_ostream &os);
llvm::Expected<llvm::json::Value> toJson(PatchMap &map, llvm::StringRef path);

} // namespace relink

#endif
