//===- StubLibrary.h - A library with nothing but names ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_STUBLIBRARY_H
#define RELINK_STUBLIBRARY_H

#include "Plan.h"

namespace relink {

/// An ET_DYN file that defines exactly the imports in \p targets, so that lld
/// gives them PLT entries, GOT slots and COPY relocations. The libraries
/// themselves need not be there, and the link's cost does not depend on them.
/// Versions are the splicer's concern.
llvm::SmallVector<char, 0>
makeStubLibrary(llvm::ArrayRef<const LinkTarget *> targets);

} // namespace relink

#endif
