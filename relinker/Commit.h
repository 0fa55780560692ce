//===- Commit.h - The output appears whole or not at all --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMMIT_H
#define RELINK_COMMIT_H

#include "Config.h"
#include "Splice.h"
#include <thread>

namespace relink {

/// Refuses, before any work, an output that can't be written or is the input.
llvm::Error checkOutputPath(const Config &config);

/// The output under its temporary name, beside its final one. The copy of the
/// app's bytes starts at once, in a thread, while the patch is still being
/// linked. Unless it is committed, the file is removed again.
class PendingOutput {
public:
  PendingOutput(const Config &config, const Image &image);
  ~PendingOutput();
  PendingOutput(const PendingOutput &) = delete;

  /// Writes edits and tail, gives the file the input's mode, owner and extended
  /// attributes, holds it against the loaders' rules, and renames it.
  llvm::Error commit(const Output &output);

private:
  void copyOriginal();
  llvm::Error copyAttributes();
  llvm::Error checkLoadable(const Output &output) const;
  llvm::Error write(llvm::ArrayRef<uint8_t> bytes, uint64_t offset);

  const Config &config;
  const Image &image;
  std::string temporary;
  int fd = -1, createError = 0, copyError = 0;
  bool committed = false;
  std::thread copier;
};

} // namespace relink

#endif
