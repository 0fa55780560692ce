//===- OutputFile.h - A file that appears whole or not at all ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_OUTPUTFILE_H
#define RELINK_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <string>

namespace relink {

/// Refuses, before any work, an output that can't be written or is one of
/// \p inputs.
llvm::Error checkOutputPath(const std::string &path,
                            llvm::ArrayRef<std::string> inputs);

/// Writes all of \p bytes at \p offset; returns 0 or an errno.
int writeAll(int fd, llvm::ArrayRef<uint8_t> bytes, uint64_t offset);

/// An output that has no name, or a temporary one beside its final one, until it
/// is committed. If it never is, nothing is left of it.
class OutputFile {
public:
  explicit OutputFile(llvm::StringRef path);
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;

  bool isOpen() const { return fd >= 0; }
  int descriptor() const { return fd; }
  /// An error if the temporary file could not be made.
  llvm::Error checkCreated() const;
  llvm::Error write(llvm::ArrayRef<uint8_t> bytes, uint64_t offset);
  llvm::Error truncate(uint64_t size);
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> readBack() const;
  /// Gives the file the mode, owner and extended attributes of \p from.
  llvm::Error copyAttributes(const std::string &from, bool dropPrivileges);
  /// Renames it.
  llvm::Error commit();
  /// The same for a file that is made anew: with the mode such files get.
  llvm::Error publish();

private:
  std::string temporaryName() const;
  llvm::Error giveName();

  std::string path;
  std::string temporary; ///< empty while the file has no name
  int fd = -1, createError = 0;
  bool goesToStream = false; ///< a device, a pipe: what is written goes there at last
  bool committed = false;
};

} // namespace relink

#endif
