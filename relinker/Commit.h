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

namespace relink {

/// Refuses, before any work, an output that can't be written or is the input.
llvm::Error checkOutputPath(const Config &config);

/// Writes \p output beside its final name, holds it against the loader's rules,
/// and renames it. Mode, owner and extended attributes are the input's.
llvm::Error commit(const Config &config, const Image &image,
                   const Output &output);

} // namespace relink

#endif
