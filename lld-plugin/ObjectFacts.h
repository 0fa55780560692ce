//===- ObjectFacts.h - What the map says of one object ----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of an object the map keeps what is in the program: sections that were placed,
// with what tells their bytes in the object from those in the program; mergeable
// sections; .bss; symbols there, and those that relocations refer to.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_OBJECTFACTS_H
#define RELINK_LLD_OBJECTFACTS_H

#include "CopyLog.h"
#include "InlinedCopies.h"
#include "MapEncoder.h"
#include "ZeroedMemory.h"
#include "llvm/Object/ELF.h"

namespace relink {

/// The linked file, as far as placed sections are concerned.
class LinkedFile {
public:
  explicit LinkedFile(llvm::ArrayRef<uint8_t> bytes);
  /// The address of the bytes that lie \p at in `bytes`.
  std::optional<uint64_t> address(const uint8_t *at) const;
  /// What .rodata holds; empty if there is none.
  llvm::ArrayRef<uint8_t> constants;
  llvm::ArrayRef<uint8_t> bytes;

private:
  struct Load {
    uint64_t offset, size, address;
  };
  std::vector<Load> loads; ///< by offset
};

class ObjectFacts {
public:
  using ELFT = llvm::object::ELF64LE;

  /// \p original is the object on disk, \p seen what lld has: the same but for
  /// the places and sizes of padded sections. False if it can't be read.
  bool read(llvm::StringRef original, llvm::StringRef seen, ZeroedMemory &memory);

  /// What lld has of it, where copies come from.
  llvm::ArrayRef<uint8_t> seenBytes() const { return seen; }
  /// Takes \p copy, from its bytes, for the place of the section that it is of.
  /// \p hint is what was returned for the copy before, or 0. Called by several
  /// threads.
  uint32_t place(const Copy &copy, const LinkedFile &file, uint32_t hint);
  /// Of the same code as one of another object, and not in the output.
  void fold(uint32_t section, const uint8_t *at) { places[section] = at; }

  /// Decides which symbols are kept, and lists the names that are needed.
  void choose(ZeroedMemory &memory);
  struct Name {
    llvm::StringRef text;
    uint32_t hash = 0;
    uint32_t number = 0;  ///< in the map; filled in between
    bool defines = false; ///< this object defines it for others
  };
  llvm::MutableArrayRef<Name> names;

  /// Functions in a section that is kept, by offset and number of the name.
  std::vector<std::pair<uint64_t, uint32_t>> functionsIn(uint32_t section) const;

  /// In parts, each in front of a cut.
  static constexpr unsigned parts = 11;
  /// The one with the bytes of mergeable sections, which the program's constants
  /// mostly have too.
  static constexpr unsigned contentsPart = 1;
  void encode(MapEncoder &out, const LinkedFile &file);
  /// What is known of inlined copies in the code that is kept. Called behind
  /// encode().
  void encodeInlined(MapEncoder &out, const LinkedFile &file) const;
  /// Of an object that can't be read.
  static void encodeUnknown(MapEncoder &out) {
    out.number(uint64_t(map::Inlining::Unknown));
  }
  bool hasInlining() const { return inlined.known != map::Inlining::Unknown; }

  llvm::StringRef source; ///< the first STT_FILE
  uint64_t functions = 0, relocations = 0;

  uint32_t sectionCount() const { return headers.size(); }
  llvm::StringRef sectionName(uint32_t i) const;
  llvm::ArrayRef<uint8_t> contents(uint32_t i) const;
  const uint8_t *placeOf(uint32_t i) const { return places[i]; }

private:
  enum class Keep : uint8_t { No, Placed, Contents, NoBits };
  struct Frame { ///< an FDE that has an LSDA
    const ELFT::Rela *function, *table;
  };
  bool readSymbols(const llvm::object::ELFFile<ELFT> &file);
  void listCopied(ZeroedMemory &memory);
  void readFrames();
  uint32_t sectionOf(uint32_t symbol) const;
  Keep keepOf(uint32_t section) const;
  bool isFrame(uint32_t section) const;
  void orderSymbols(ZeroedMemory &memory);
  llvm::ArrayRef<ELFT::Rela> relasOf(uint32_t section) const;
  /// Those of `order`, in `names` behind those of sections.
  llvm::MutableArrayRef<Name> symbolNames() const {
    return names.slice(keptSections, order.size());
  }
  /// Those of `inlined`: of each function name and file, of each caller.
  llvm::ArrayRef<Name> inlinedNames() const {
    return names.drop_front(keptSections + order.size());
  }
  void chooseInlined();
  bool isPlaced(const InlinedCopies::Place &place) const;
  void numberSymbols();
  void use(uint32_t symbol) { used[symbol] = true; }
  static void encodeNames(MapEncoder &out, llvm::ArrayRef<Name> list);
  void encodeSections(MapEncoder &out, const LinkedFile &file) const;
  void encodeSymbols(MapEncoder &out) const;
  void encodeRelocations(MapEncoder &out, const LinkedFile &file) const;
  int64_t addendInOutput(const ELFT::Rela &r, uint32_t section,
                         llvm::ArrayRef<uint64_t> addresses) const;
  void encodeDifferences(MapEncoder &out, uint32_t section) const;
  void encodeFrames(MapEncoder &out) const;

  llvm::StringRef bytes;
  llvm::ArrayRef<uint8_t> seen;
  llvm::ArrayRef<ELFT::Shdr> headers, seenHeaders;
  bool isX86_64 = false;
  llvm::ArrayRef<uint8_t> sectionNames; ///< .shstrtab
  llvm::ArrayRef<ELFT::Sym> symbols;
  llvm::ArrayRef<ELFT::Word> extended; ///< SHT_SYMTAB_SHNDX
  llvm::StringRef strings;
  /// By section: index of the section with its relocations.
  llvm::MutableArrayRef<uint32_t> relocationsOf;
  /// Sections that may be copied to the output, by offset in `seen`.
  llvm::MutableArrayRef<uint32_t> copied;
  llvm::MutableArrayRef<const uint8_t *> places; ///< in the output, by section
  std::vector<Frame> frames;

  InlinedCopies inlined;

  // Of what is kept.
  llvm::MutableArrayRef<Keep> keeps;              ///< by section
  llvm::MutableArrayRef<uint32_t> sectionNumbers; ///< by section, from 1
  size_t keptSections = 0;
  llvm::MutableArrayRef<bool> used;               ///< by symbol
  llvm::MutableArrayRef<uint32_t> order; ///< of the symbols that are used
  size_t firstOther = 0;                 ///< in `order`: not defined here
  llvm::MutableArrayRef<uint32_t> symbolNumbers; ///< by symbol, from 1
};

} // namespace relink

#endif
