//===- DebugSections.h - Sections of DWARF, ready to be read ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DEBUGSECTIONS_H
#define RELINK_DEBUGSECTIONS_H

#include "Plan.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include <map>

namespace relink {

/// DWARF sections by name without the dot ("debug_info"), uncompressed. Those
/// that the file has uncompressed are in place, in the file's mapping.
using DebugSections =
    llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>>;

/// Those of the ELF file \p elf. An error when one can't be read.
llvm::Expected<DebugSections> readDebugSections(llvm::StringRef elf,
                                                const llvm::Twine &path);

bool hasSection(llvm::StringRef elf, llvm::StringRef name);

/// Those of a patch object, relocated. Addresses in them are made up, different
/// for each section; \p symbols tells which variable each one is.
struct ObjectDebugSections {
  DebugSections sections;
  std::map<uint64_t, const ObjectSymbol *> symbols;
};
ObjectDebugSections relocateDebugSections(const Plan &plan,
                                          const Object &object);

/// LLVM's reader for \p sections, which have to outlive it. What it can't read
/// it leaves out, in silence.
std::unique_ptr<llvm::DWARFContext> readDwarf(const DebugSections &sections);

} // namespace relink

#endif
