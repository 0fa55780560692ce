//===- Imports.h - How the app reaches other libraries ----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call to a function the app already imports can use the app's own PLT entry,
// and a load of its address the app's own GOT slot: then the patch needs no
// dynamic relocation at all.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_IMPORTS_H
#define RELINK_IMPORTS_H

#include "AddressMap.h"
#include "Image.h"
#include "Target.h"
#include "llvm/ADT/StringMap.h"

namespace relink {

/// Sections of PLT entries: the linkers', and that of an earlier patch.
bool isPltName(llvm::StringRef sectionName);

/// What the app has for one dynamic symbol. Addresses are 0 when absent.
struct DynamicReference {
  unsigned index = 0;        ///< in .dynsym
  uint64_t pltEntry = 0;     ///< callable stub
  uint64_t gotSlot = 0;      ///< holds the address once loaded (GLOB_DAT)
  uint64_t jumpSlot = 0;     ///< the PLT entry's slot; lazy unless BIND_NOW
  uint64_t canonicalPlt = 0; ///< st_value of an undefined symbol (non-PIE)
};

class ImportTable {
public:
  ImportTable(const Image &image, const Target &target);

  /// For any dynamic symbol, imported or exported; null if the app has none.
  const DynamicReference *find(llvm::StringRef name) const;
  const DynamicReference *undefined(llvm::StringRef name) const;
  /// The stub that calls the IFUNC whose resolver is at \p resolver, or 0. GNU ld makes
  /// one for each of its names; this is the last.
  uint64_t ifuncStub(uint64_t resolver) const;

  /// The resolver that the stub at \p stub was made for, or 0.
  uint64_t ifuncResolver(uint64_t stub) const;

  /// Whether a loader's word asks the function at \p address for another's.
  bool isResolver(uint64_t address) const { return resolvers.contains(address); }

private:
  AddressSet resolvers;
  void scanPlt(const Target &target);
  /// What jumps through the slot that \p relocation fills, or 0.
  uint64_t stubOf(const Rela &relocation) const;

  const Image &image;
  AddressMap<uint64_t> stubBySlot, reservedStubBySlot;
  AddressMap<uint64_t> stubByResolver, resolverByStub;
  llvm::StringMap<DynamicReference> references;
};

/// The link-time values of the pointer-sized words in [from, to): what the
/// loader makes of them when nothing is interposed.
std::map<uint64_t, uint64_t> readPointers(const Image &image, uint64_t from,
                                          uint64_t to);

/// A definition found in one of the libraries the app needs.
struct LibrarySymbol {
  std::string library; ///< its DT_SONAME
  std::string version; ///< default version, or empty
  uint8_t type = 0, binding = 0;
  uint64_t size = 0, align = 1;
  bool readOnly = false;
  bool needsNewDependency = false; ///< found through -l: add a DT_NEEDED
  std::vector<std::string> aliases; ///< other names of the same data
};

struct Config;

/// Searches the app's DT_NEEDED (and `-l`) libraries, in order, then what they
/// need themselves. Libraries are opened when first asked.
class LibrarySearch {
public:
  LibrarySearch(const Image &image, const Config &config);
  ~LibrarySearch();
  /// \p version is empty for the default one.
  llvm::Expected<std::optional<LibrarySymbol>>
  find(llvm::StringRef name, llvm::StringRef version = "");
  /// Needed libraries that were not found, for error messages.
  llvm::ArrayRef<std::string> missing() const { return notFound; }

private:
  struct Library;
  llvm::Error load();
  std::string locate(llvm::StringRef soname,
                     llvm::ArrayRef<std::string> extra) const;

  const Image &image;
  const Config &config;
  bool loaded = false;
  std::vector<std::unique_ptr<Library>> libraries;
  std::vector<std::string> notFound;
};

} // namespace relink

#endif
