//===- InputObject.h - What an input's headers say --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_INPUTOBJECT_H
#define RELINK_LLD_INPUTOBJECT_H

#include "ReserveNote.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <string>

namespace relink {

struct MachineOf {
  uint16_t machine = 0; ///< e_machine; 0: neither ELF nor bitcode
  unsigned char fileClass = 0, encoding = 0; ///< EI_CLASS, EI_DATA
};

/// Of an ELF file or an LLVM module.
MachineOf machineOf(llvm::StringRef bytes);

/// Bytes of an object's allocated sections by the pool they would draw on.
/// Unwind tables, notes and thread-local data draw on none.
std::array<uint64_t, reserve::poolKinds> sectionTotals(llvm::StringRef bytes);

/// Whether \p path is the compiler's or the system's: start-up files, and
/// everything in the directories where distributions install libraries.
bool isToolchainFile(llvm::StringRef path);

/// \p path with a '*' for what a driver that compiles and links made up: the
/// same command gives the same name.
std::string lastingName(llvm::StringRef path);

} // namespace relink

#endif
