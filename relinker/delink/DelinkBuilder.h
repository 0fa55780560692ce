//===- DelinkBuilder.h - What makes the object ------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DelinkObject.cpp makes sections and symbols, DelinkRelocations.cpp what
// refers to them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKBUILDER_H
#define RELINK_DELINKBUILDER_H

#include "AddressMap.h"
#include "Config.h"
#include "DelinkProgram.h"
#include "Imports.h"
#include "llvm/ADT/StringSet.h"
#include <map>

namespace relink {

class ObjectBuilder {
public:
  ObjectBuilder(Program &program, const DelinkConfig &config,
                PinnedLayout *pinned, std::vector<PlacedRelocation> *placed)
      : program(program), image(program.image), config(config), pinned(pinned),
        placed(placed), object(std::make_unique<Object>()), libraries(image, libraryConfig) {}
  llvm::Expected<std::unique_ptr<Object>> build();

private:
  struct Meaning {
    ObjectSymbol *symbol = nullptr;
    uint64_t address = 0; ///< the symbol's value, as the target counts
    bool skip = false;
  };
  void addSections();
  void addSection(Piece &piece);
  static std::string pinnedName(const Piece &piece);
  static void closeGaps(llvm::ArrayRef<Piece *> order);
  void addFrames();
  void addPinnedFrames();
  void addArray(Piece &piece);
  void addSymbols();
  void addSymbol(const ProgramSymbol &s);
  void findWanted();
  void addPlace(const ProgramSymbol &s);
  llvm::Error addImports();
  llvm::Error addRelocations();
  class Cursor;
  llvm::Error addRelocation(const Reference &r, Cursor &cursor);
  void countRelocations();
  llvm::Error checkField(const Reference &r, llvm::ArrayRef<uint8_t> bytes);
  void addNotes();
  bool isDropped(uint64_t address);

  llvm::Expected<Meaning> find(const Reference &r);
  llvm::Expected<Meaning> findAddress(const Reference &r);
  llvm::StringRef boundAt(uint64_t address) const;
  Piece *nearestData(uint64_t address);
  Meaning inPiece(Piece &piece, uint64_t target, bool named);
  Meaning inThread(uint64_t offset, bool exact);
  ObjectSymbol &undefined(llvm::StringRef name);
  Meaning pinnedTo(uint64_t address);
  Meaning exactly(const Meaning &near, uint64_t address);

  Program &program;
  const Image &image;
  const DelinkConfig &config;
  PinnedLayout *pinned;
  std::vector<PlacedRelocation> *placed;
  Config libraryConfig;
  std::unique_ptr<Object> object;
  LibrarySearch libraries;
  /// Bytes of the app that lie elsewhere in their section now, by address.
  struct Move {
    uint64_t size = 0;
    ObjectSection *section = nullptr;
    uint64_t offset = 0;
  };
  std::vector<std::pair<uint64_t, Move>> moves; ///< ascending once all are known
  /// Places that are asked for in their order.
  class Cursor {
  public:
    explicit Cursor(ObjectBuilder &builder) : builder(builder) {}
    Piece *pieceAt(uint64_t address);
    const std::pair<uint64_t, Move> *movedAt(uint64_t address);

  private:
    ObjectBuilder &builder;
    size_t piece = 0, move = 0; ///< how many start at the last address or before
  };
  Piece *pieceAt(uint64_t address); ///< as Program's, quicker
  std::vector<uint64_t> pieceStarts;
  AddressMap<ObjectSymbol *> functions; ///< by address
  AddressMap<ObjectSymbol *> exactSymbols; ///< made for the GOT
  AddressMap<ObjectSymbol *> ifuncs;    ///< by resolver
  llvm::StringMap<ObjectSymbol *> globals, undefinedSymbols;
  llvm::StringMap<uint64_t> wantedByStartUp; ///< addresses
  llvm::StringSet<> known;                   ///< global ones, with versions
  llvm::DenseMap<unsigned, ObjectSymbol *> imports; ///< by index in .dynsym
  AddressMap<ObjectSymbol *> threadSymbols; ///< local, by offset
  const Section *frames = nullptr;
};

} // namespace relink

#endif
