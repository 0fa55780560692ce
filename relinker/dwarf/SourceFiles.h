//===- SourceFiles.h - File names of a line table ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SOURCEFILES_H
#define RELINK_SOURCEFILES_H

#include "AppDwarf.h"

namespace relink {

/// The file, without directories, that \p index means in DW_AT_call_file of the
/// unit. Empty if unknown. Only the line table's header is read, and not by
/// LLVM, which does not survive all headers.
std::string sourceFileName(const DebugUnit &unit, uint64_t index);

} // namespace relink

#endif
