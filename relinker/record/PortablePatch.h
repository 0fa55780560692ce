//===- PortablePatch.h - A patch as a small file ----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `relink --export APP APP.FIXED -o FIX.rlp` and `relink --import APP FIX.rlp -o
// APP.FIXED`: what one file needs to become the other, for machines that have
// neither compiler nor objects. docs/format.md describes the file.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PORTABLEPATCH_H
#define RELINK_PORTABLEPATCH_H

#include "Config.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace relink {

struct PortableOptions {
  std::string app;
  std::string other; ///< the patched file, or the portable patch
  std::string output;
  bool dropPrivileges = false, quiet = false, json = false;
};

llvm::Error exportPatch(const PortableOptions &options, llvm::raw_ostream &os);
llvm::Error importPatch(const PortableOptions &options, llvm::raw_ostream &os);

} // namespace relink

#endif
