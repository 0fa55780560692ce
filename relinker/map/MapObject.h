//===- MapObject.h - An object as it was, from the map ----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The code and data of an object that was linked are in the program; its relocations,
// symbols, and what the linker rewrote are in the map.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPOBJECT_H
#define RELINK_MAPOBJECT_H

#include "Object.h"
#include "PatchMap.h"

namespace relink {

/// What `MapDetails::check` is if the program has what was linked.
uint64_t hashContents(const Image &app, const MapDetails &details);

/// Whether \p symbol is the definition of one of \p names, for others.
bool definesOneOf(const MapSymbol &symbol, const llvm::StringSet<> &names);

class MapObjectBuilder {
public:
  MapObjectBuilder(const Image &app, const MapInput &input, const MapDetails &details)
      : app(app), input(input), details(details),
        keepsSection(details.sections.size(), true),
        keepsSymbol(details.symbols.size(), true),
        keepsFrame(details.frames.size(), true) {}
  /// Only what defines \p names, and what is local to it.
  void keepOnly(const llvm::StringSet<> &names);
  llvm::Expected<std::unique_ptr<Object>> build();

private:
  void keep(const MapSymbol &symbol, llvm::SmallVectorImpl<size_t> &open);
  llvm::Error addSections();
  llvm::Error addBytes(const MapSection &from, ObjectSection &to);
  void addSymbols();
  void addRelocations();
  void addFrames();
  llvm::Error error(const llvm::Twine &what) const;

  const Image &app;
  const MapInput &input;
  const MapDetails &details;
  std::unique_ptr<Object> object = std::make_unique<Object>();
  std::vector<ObjectSection *> sections;
  std::vector<ObjectSymbol *> symbols; ///< by number; 0 is null
  uint64_t total = 0; ///< bytes taken from the program
  std::vector<bool> keepsSection, keepsSymbol, keepsFrame;
};

} // namespace relink

#endif
