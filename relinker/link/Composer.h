//===- Composer.h - How the inputs of the link are made ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The class behind Compose.h, for the files that share the work: Compose.cpp
// (what of the patch goes in), ComposeReferences.cpp (what its references become),
// ComposeDebug.cpp (its DWARF), ComposeStandIn.cpp (the app's part).
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMPOSER_H
#define RELINK_COMPOSER_H

#include "Compose.h"
#include "Preserve.h"
#include <map>

namespace relink {

/// So that the linker drops none of it (--gc-sections).
constexpr uint64_t retain = llvm::ELF::SHF_GNU_RETAIN;

/// The name that the linker's script places a section by.
std::string linkSectionName(const ObjectSection &section);

class Composer {
public:
  Composer(const Config &config, const Image &image, const ImportTable &imports,
           const UnwindTable &unwind, const Target &target, Plan &plan)
      : config(config), image(image), imports(imports), unwind(unwind),
        target(target), plan(plan), clobbers(image, unwind, target) {}
  llvm::Expected<LinkInputs> run();

private:
  void layOutTls();
  llvm::Error chooseRegisters(Replacement &r);
  llvm::Error keepForNewCallers();
  ObjectSymbol *keepingEntry(Object &to, const ObjectSymbol &s,
                             const LinkTarget &t);
  bool canPatchInPlace(const Replacement &r) const;
  std::optional<FdeView> frameOf(const Replacement &r) const;
  llvm::Error composePatch(const Object &from);
  bool carriesDebugInfo(const Object &object) const;
  ObjectSection *keepWhole(const ObjectSection &piece, Object &to);
  bool describesDropped(const ObjectSection &from, const ObjectSection &text,
                        uint64_t offset) const;
  void copyDebugSections(const Object &from, Object &to);
  void addRoom(ObjectSection &code) const;
  void copySections(const Object &from, Object &to);
  ObjectSymbol &addAlias(Object &to, const ObjectSymbol &s, llvm::StringRef name);
  llvm::Error addOriginals(const Object &from, Object &to);
  void copyFrames(const Object &from, Object &to);
  void copyArrays(const Object &from, Object &to);
  void copyRelocation(const ObjectSection &from, ObjectSection &to,
                      ObjectRelocation r, Object &object) {
    copyRelocation(from, to, r, r, object);
  }
  void copyRelocation(const ObjectSection &from, ObjectSection &to,
                      const ObjectRelocation &old, ObjectRelocation r,
                      Object &object);
  ObjectSymbol *symbolIn(Object &to, ObjectSymbol *old);
  ObjectSymbol *outside(Object &to, llvm::StringRef linkName);
  LinkTarget &appPlace(const std::string &name, uint64_t address, uint8_t type);
  /// How a field uses its symbol, as far as it matters for imports.
  enum class Use { Branch, IndirectBranch, GotLoad, Other };
  static Use useOf(const ObjectSection &s, const ObjectRelocation &r);
  bool useExistingSlot(Object &to, const LinkTarget &t, Use use,
                       ObjectRelocation &r);
  void composeStandIn();
  ObjectSection &pinnedSection(Object &standIn, const Phdr &load);
  void addOldArray(Object &standIn, llvm::StringRef name, uint32_t type,
                   uint64_t address, uint64_t size);
  void addSpareSlot(Object &standIn);
  uint64_t dynamicRoom() const;
  const LinkTarget *targetOf(const ObjectSymbol *s) const {
    auto it = plan.references.find(s);
    return it == plan.references.end() ? nullptr : it->second;
  }

  const Config &config;
  const Image &image;
  const ImportTable &imports;
  const UnwindTable &unwind;
  const Target &target;
  Plan &plan;
  ClobberAnalysis clobbers;
  LinkInputs inputs;
  llvm::DenseMap<const LinkTarget *, bool> used;
  std::map<std::string, LinkTarget *> places;
  llvm::DenseMap<const ObjectSymbol *, const Replacement *> replacementOf;
  /// Functions of the app that new code calls through an entry which keeps
  /// these registers.
  llvm::DenseMap<const ObjectSymbol *, RegisterSet> kept;
  // Per patch object:
  llvm::DenseMap<const ObjectSymbol *, ObjectSymbol *> keepingEntries;
  llvm::DenseMap<const ObjectSection *, ObjectSection *> sectionMap;
  llvm::DenseMap<const ObjectSymbol *, ObjectSymbol *> symbolMap;
  llvm::StringMap<ObjectSymbol *> outsiders;
  llvm::DenseMap<const ObjectSection *, uint64_t> placeIn; ///< offset in its section
  llvm::DenseMap<const ObjectSection *, ObjectSection *> wholes; ///< see keepWhole()
};


} // namespace relink

#endif
