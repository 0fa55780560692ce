//===- SameProgram.h - Whether two files are of one link --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SAMEPROGRAM_H
#define RELINK_SAMEPROGRAM_H

#include "Image.h"

namespace relink {

/// Whether \p app is a copy of the program \p path, stripped or not: they have the
/// same build-id, or else load the same bytes, the headers apart.
llvm::Expected<bool> isSameProgram(const Image &app, llvm::StringRef path);

} // namespace relink

#endif
