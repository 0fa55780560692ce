//===- DelinkFiles.h - Which source file things are of ----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKFILES_H
#define RELINK_DELINKFILES_H

#include "AddressMap.h"
#include "DelinkProgram.h"

namespace relink {

/// The object that each piece of code is of.
struct FileMap {
  /// Source files, as the program names them; 0 is what is of none.
  std::vector<std::string> sources{""};
  AddressMap<unsigned> file; ///< by the piece's address
  bool isKnown() const { return sources.size() > 1; }
};

/// By DWARF's compile units, by the STT_FILE symbols of local functions, and
/// by what follows from these for others. What is not known for certain is in
/// none.
llvm::Expected<FileMap> findFiles(Program &program, const DelinkConfig &config);

/// An object for each source file in \p files. Pieces have their sections.
SplitPlan planByFile(const Program &program, const FileMap &files);

/// Cuts the exception tables where unwind tables say that one begins, so that
/// each can go with its function.
void cutExceptionTables(Program &program);

/// Exception tables go where the functions are that use them.
void placeExceptionTables(Program &program, SplitPlan &plan);

/// \p name as part of a file's name: short, and without what shells or
/// directories would take for something else.
std::string safeFileName(llvm::StringRef name);

} // namespace relink

#endif
