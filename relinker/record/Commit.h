//===- Commit.h - The output appears whole or not at all --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMMIT_H
#define RELINK_COMMIT_H

#include "Config.h"
#include "OutputFile.h"
#include "Splice.h"
#include <thread>

namespace relink {

/// The output. The copy of the app's bytes starts at once, in a thread, while the
/// patch is still being linked.
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
  llvm::Error checkWritten(const Output &output) const;

  const Config &config;
  const Image &image;
  OutputFile file;
  int copyError = 0;
  std::thread copier;
};

} // namespace relink

#endif
