//===- Verify.h - Every byte of a patched file accounted for ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `relink --verify`: each byte is the original's, on the list of changes, or
// appended, and is what it was when the file was written. That says nothing of
// who wrote it: give the original and the patch objects for that.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_VERIFY_H
#define RELINK_VERIFY_H

#include "Target.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace relink {

struct VerifyOptions {
  std::string file;
  std::string original;             ///< --original, or empty
  std::vector<std::string> patches; ///< --patch
  bool quiet = false, json = false;
};

/// True if all is as it should be. Prints what was found; errors are for files
/// that can't be read at all.
llvm::Expected<bool> verifyFile(const VerifyOptions &options,
                                const Target &target, llvm::raw_ostream &os);

} // namespace relink

#endif
