//===- MapDetailsReader.h - Reads what a map says of an object --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPDETAILSREADER_H
#define RELINK_MAPDETAILSREADER_H

#include "MapCursor.h"
#include "PatchMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace relink {

/// Fills in the details from their bytes. Every count takes bytes for what it
/// counts, so that a lie ends with them.
class MapDetailsReader {
public:
  using NameOf = llvm::function_ref<llvm::Expected<llvm::StringRef>(uint64_t)>;
  using MakeError = llvm::function_ref<llvm::Error(const llvm::Twine &)>;
  /// Of the program; fewer bytes where it has no more.
  using BytesAt =
      llvm::function_ref<llvm::ArrayRef<uint8_t>(uint64_t address, uint64_t size)>;
  MapDetailsReader(MapDetails &out, NameOf nameOf, BytesAt bytesAt,
                   MakeError error)
      : out(out), nameOf(nameOf), bytesAt(bytesAt), error(error), in(out.bytes) {}
  llvm::Error read();

private:
  llvm::Error readName(uint64_t &next, llvm::StringRef &out);
  llvm::Error readSections();
  llvm::Error checkSection(const MapSection &section) const;
  llvm::Error readDifferences(MapSection &section);
  llvm::Error readSizes();
  llvm::Error readSymbols();
  llvm::Error readRelocations();
  llvm::Error readFrames();
  llvm::Error truncated() const { return error("has a truncated object"); }
  llvm::Error checkSymbol(const MapSymbol &s) const;

  MapDetails &out;
  int64_t addendInProgram(const MapSection &section,
                          const MapSection::Relocation &r) const;
  NameOf nameOf;
  BytesAt bytesAt;
  MakeError error;
  MapCursor in;
};

} // namespace relink

#endif
