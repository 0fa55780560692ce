//===- AppDwarf.h - The DWARF of an app or a patch object -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DWARF 2 to 5, in the file, in its debug file, or split off (.dwo, .dwp).
// Units are listed by their headers; entries are read unit by unit, when they
// are asked for: an app may have hundreds of megabytes of them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_APPDWARF_H
#define RELINK_APPDWARF_H

#include "DebugSections.h"
#include "UnitCheck.h"

namespace relink {

/// One file with DWARF.
struct DwarfFile {
  std::string path;
  std::unique_ptr<llvm::MemoryBuffer> buffer; ///< null: someone else's
  DebugSections sections;
  std::unique_ptr<llvm::DWARFContext> context;

  /// Contents of ".debug_" + \p name, or of its variant for split units.
  llvm::StringRef section(llvm::StringRef name, bool split) const;
};

/// A unit of .debug_info, or of a .dwo file in place of its skeleton.
struct DebugUnit {
  llvm::DWARFUnit *unit = nullptr;
  llvm::DWARFUnit *skeleton = nullptr; ///< null unless split
  DwarfFile *file = nullptr;           ///< that holds `unit`
  UnitCheck *check = nullptr;

  /// DW_AT_name of the unit: the source file. Empty for a partial unit.
  llvm::StringRef name() const;
  llvm::StringRef fileName() const; ///< without directories
  bool hasCodeIn(uint64_t begin, uint64_t end) const;
  /// The bytes of its entries.
  llvm::StringRef bytes() const;
  /// Its entries; none if they can't be read.
  llvm::iterator_range<const llvm::DWARFDebugInfoEntry *> entries() const;
};

class AppDwarf {
public:
  /// That of the app or its debug file. Without DWARF there are no units; an
  /// error when --debug-file does not fit.
  static llvm::Expected<AppDwarf> ofApp(const Image &image,
                                        const Config &config);
  /// That of a patch object.
  static AppDwarf ofPatch(const Plan &plan, const Object &object);

  bool isPresent() const { return !list.empty() || !missing.empty(); }
  llvm::ArrayRef<DebugUnit> units() const { return list; }
  /// In a patch object, the symbol at a made-up address of its DWARF.
  const ObjectSymbol *symbolAt(uint64_t address) const {
    auto it = symbols.find(address);
    return it == symbols.end() ? nullptr : it->second;
  }

  /// The unit compiled from a file of the same name as \p other, and, if there
  /// are several, the one that has code at one of \p addresses. Null if that
  /// does not tell.
  const DebugUnit *counterpart(const DebugUnit &other,
                               llvm::ArrayRef<uint64_t> addresses) const;

  /// What can't be read, each in a few words: split units without their file,
  /// a file that several programs share (dwz -m).
  std::vector<std::string> missing;

private:
  void addFile(std::unique_ptr<DwarfFile> file, llvm::StringRef appPath);
  void addSplitUnit(llvm::DWARFUnit &skeleton, llvm::StringRef dwoName,
                    uint64_t id, llvm::StringRef filePath,
                    llvm::StringRef appPath);
  DwarfFile *openSplit(const llvm::Twine &path);
  llvm::DWARFUnit *findSplit(DwarfFile &file, uint64_t id);

  std::unique_ptr<UnitCheck> check = std::make_unique<UnitCheck>();
  std::vector<std::unique_ptr<DwarfFile>> files;
  llvm::StringMap<DwarfFile *> splitFiles; ///< null: not there
  llvm::DenseMap<std::pair<DwarfFile *, uint64_t>, llvm::DWARFUnit *> splitUnits;
  std::vector<DebugUnit> list;
  std::map<uint64_t, const ObjectSymbol *> symbols;
};

/// The last component of a path.
llvm::StringRef baseName(llvm::StringRef path);

} // namespace relink

#endif
