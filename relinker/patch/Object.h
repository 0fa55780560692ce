//===- Object.h - The model of a relocatable object -------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Patch objects are read into this model, changed, and written again for lld;
// the stand-in for the app is made in it. Links are pointers; indices exist
// only in the reader and the writer.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_OBJECT_H
#define RELINK_OBJECT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace relink {

struct ObjectSection;

struct ObjectSymbol {
  enum class Kind { Undefined, Defined, Absolute, Common };

  std::string name;
  Kind kind = Kind::Undefined;
  uint8_t type = llvm::ELF::STT_NOTYPE;
  uint8_t binding = llvm::ELF::STB_GLOBAL;
  uint8_t visibility = llvm::ELF::STV_DEFAULT;
  ObjectSection *section = nullptr; ///< for Kind::Defined
  uint64_t value = 0;               ///< offset in `section`; alignment if Common
  uint64_t size = 0;
  std::string file; ///< the STT_FILE before a local symbol
  /// In the file's table, while it is written.
  mutable uint32_t writtenIndex = 0;

  bool isDefined() const { return kind != Kind::Undefined; }
  bool isLocal() const { return binding == llvm::ELF::STB_LOCAL; }
  bool isWeak() const { return binding == llvm::ELF::STB_WEAK; }
  bool isFunction() const {
    return type == llvm::ELF::STT_FUNC || type == llvm::ELF::STT_GNU_IFUNC;
  }
  bool isSection() const { return type == llvm::ELF::STT_SECTION; }
};

/// A native relocation record, with pointers for indices.
struct ObjectRelocation {
  ObjectRelocation(uint64_t offset = 0, uint32_t type = 0,
                   ObjectSymbol *symbol = nullptr, int64_t addend = 0,
                   uint8_t toEnd = 0)
      : offset(offset), symbol(symbol), addend(addend), type(type), toEnd(toEnd) {}

  // Programs have millions of them: the order leaves no holes.
  uint64_t offset;      ///< of the place, in the section
  ObjectSymbol *symbol; ///< null: relative to nothing (index 0)
  int64_t addend;
  uint32_t type;
  /// In decoded code: bytes from the place to the end of its instruction.
  uint8_t toEnd;
  /// Refers to a place in front of `symbol` or behind it, and may mean another
  /// variable that was in the same section.
  bool isBiased = false;
};

struct ObjectSection {
  std::string name;
  uint32_t type = llvm::ELF::SHT_PROGBITS;
  uint64_t flags = 0, align = 1, entrySize = 0;
  uint64_t size = 0;         ///< data.size() unless NOBITS
  std::vector<uint8_t> data; ///< empty for NOBITS
  std::vector<ObjectRelocation> relocations; ///< ascending by offset
  /// Short jumps to other functions, which lead to near jumps behind the code
  /// now, as relocations (R_X86_64_PC8) of the code as it was; by offset.
  std::vector<ObjectRelocation> shortJumps;
  ObjectSymbol *symbol = nullptr; ///< its section symbol
  bool dropped = false; ///< split up
  /// Number in the object, from 1, of its COMDAT group; 0: it is in none.
  uint32_t comdat = 0;
  /// Bytes of near jumps in front of a piece's own code, and behind it.
  uint64_t islandsBefore = 0, islandsBehind = 0;
  /// A piece of a split section: where it was.
  ObjectSection *original = nullptr;
  uint64_t originalOffset = 0;
  /// Where the app has it; of an object that was made of the app's map.
  std::optional<uint64_t> address;

  bool isAlloc() const { return flags & llvm::ELF::SHF_ALLOC; }
  bool isCode() const { return flags & llvm::ELF::SHF_EXECINSTR; }
  bool isTls() const { return flags & llvm::ELF::SHF_TLS; }
  bool isWritable() const { return flags & llvm::ELF::SHF_WRITE; }
  bool isMergeable() const { return flags & llvm::ELF::SHF_MERGE; }
  bool isDebug() const {
    return !isAlloc() && llvm::StringRef(name).starts_with(".debug_");
  }
  bool isNoBits() const { return type == llvm::ELF::SHT_NOBITS; }
};

struct Object {
  std::string name; ///< as diagnostics call it
  std::deque<ObjectSection> sections;
  std::deque<ObjectSymbol> symbols;
  bool ibt = false, shstk = false; ///< its .note.gnu.property
  std::string buildId; ///< of the program it is for, in hexadecimal

  ObjectSection &addSection(llvm::StringRef name, uint32_t type, uint64_t flags);
  ObjectSymbol &addSymbol(llvm::StringRef name);
  /// The STT_SECTION symbol of \p section, made when it is first asked for.
  ObjectSymbol &sectionSymbol(ObjectSection &section);
};

/// \p name without the '@' that means a version to linkers.
std::string linkableName(llvm::StringRef name);

/// Reads an x86-64 ET_REL file. Members of section groups that an earlier
/// object won (\p takenGroups) are turned into undefined symbols; the
/// signatures of the groups that this one wins are added. Of more than
/// \p mostDebugInfo bytes of DWARF only the sections' sizes are read.
llvm::Expected<std::unique_ptr<Object>>
readObject(llvm::MemoryBufferRef buffer, std::vector<std::string> &takenGroups,
           uint64_t mostDebugInfo);

/// Adds the note that says the object has these (x86-64 psABI, "Program
/// Property"), or none: one object without it clears the bits for all.
void addPropertyNote(Object &object, bool ibt, bool shstk);

/// Writes \p object as an ET_REL file, from the start of \p out on.
void writeObject(const Object &object, llvm::raw_pwrite_stream &out);
/// The same, in memory.
llvm::SmallVector<char, 0> writeObject(const Object &object);

} // namespace relink

#endif
