//===- SymbolIndex.h - The app's symbols, from wherever ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Only symbols whose name the patch mentions are kept, so memory does not grow
// with the app's symbol table; the table itself is read once, in place.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SYMBOLINDEX_H
#define RELINK_SYMBOLINDEX_H

#include "AddressMap.h"
#include "Config.h"
#include "Image.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <deque>
#include <map>

namespace relink {

class EarlierPatches;

struct AppSymbol {
  enum class Source { Symtab, Dynsym, DebugFile, User, Learned, Record };

  std::string name;
  uint64_t address = 0; ///< for STT_TLS: offset in the TLS block
  uint64_t size = 0;
  uint8_t type = 0, binding = 0, visibility = 0;
  std::string file;    ///< the STT_FILE before a local symbol
  unsigned dynamic = 0; ///< index in .dynsym, 0 when it is not there
  Source source = Source::Symtab;

  bool isFunction() const {
    return type == llvm::ELF::STT_FUNC || type == llvm::ELF::STT_GNU_IFUNC;
  }
  bool isLocal() const { return binding == llvm::ELF::STB_LOCAL; }
};

/// A name without what the compiler numbers: "foo.constprop.0" gives
/// "foo.constprop", "calls.0" gives "calls".
std::string canonicalName(llvm::StringRef name);
/// What stands before the first compiler suffix.
llvm::StringRef plainName(llvm::StringRef name);
/// "foo@V" and "foo@@V" give "foo" and "V".
std::pair<llvm::StringRef, llvm::StringRef> splitVersion(llvm::StringRef name);
/// True for the part of a function that the compiler moved out of it.
bool isOutlinedPart(llvm::StringRef name);
/// True for a clone with a changed signature or changed constants.
bool isClone(llvm::StringRef name);

/// Virtual tables and type information (Itanium C++ ABI, 5.1.4.1).
bool isTypeData(llvm::StringRef name);

class SymbolIndex {
public:
  /// \p wanted holds plain names.
  static llvm::Expected<SymbolIndex> read(const Image &image,
                                          const Config &config,
                                          const llvm::StringSet<> &wanted,
                                          const EarlierPatches &earlier);

  /// Symbols of the app with this plain name.
  llvm::ArrayRef<const AppSymbol *> find(llvm::StringRef plain) const;
  /// Whether anything but .dynsym named the app's symbols.
  bool hasFullTable = false;
  std::string sourceFile; ///< the file the full table came from
  llvm::StringSet<> files; ///< names of the app's STT_FILE symbols

  /// Function starts of the full table and .dynsym at \p address.
  const AppSymbol *functionAt(uint64_t address) const;

private:
  void add(AppSymbol symbol);
  /// The only other global function of the name; it is in .symtab.
  AppSymbol *otherOfName(const AppSymbol &symbol);

  std::deque<AppSymbol> symbols;
  /// By address and name: hostile tables have one name a million times.
  std::map<std::pair<uint64_t, llvm::StringRef>, AppSymbol *> known;
  llvm::StringMap<llvm::SmallVector<const AppSymbol *, 1>> byName;
};

/// Calls \p visit with each function symbol of the app's own tables that lies at
/// one of \p addresses.
void forEachFunctionAt(
    const Image &image, const AddressSet &addresses,
    llvm::function_ref<void(uint64_t address, llvm::StringRef name)> visit);

/// Calls \p visit with each symbol of the app's own tables, .symtab first, that
/// names a place in its memory.
void forEachSymbol(
    const Image &image,
    llvm::function_ref<void(const Sym &, llvm::StringRef name)> visit);

/// Names of the app's symbols that resemble \p name, best first. Reads the
/// whole table: for error messages only.
std::vector<std::string> nearNames(const Image &image, llvm::StringRef name);

} // namespace relink

#endif
