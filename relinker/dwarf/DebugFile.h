//===- DebugFile.h - Symbols kept apart from the program --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DEBUGFILE_H
#define RELINK_DEBUGFILE_H

#include "Config.h"
#include "Image.h"

namespace relink {

/// The file with the app's symbols, looked for as gdb does: --debug-file, then
/// the build-id directory, .gnu_debuglink (CRC checked), and .gnu_debugdata (an
/// xz-compressed ELF inside the program). Null when there is none; an error
/// when --debug-file names one that does not fit.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
findDebugFile(const Image &image, const Config &config);

/// Lower-case hexadecimal build-id of an ELF file's bytes, empty without one.
std::string buildId(llvm::StringRef elf);

} // namespace relink

#endif
