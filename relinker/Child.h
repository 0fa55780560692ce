//===- Child.h - Work that may crash ---------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CHILD_H
#define RELINK_CHILD_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

namespace relink {

using Bytes = llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>;

/// Does \p work in a process of its own, and returns its result under the name
/// \p name. If the process crashes, or takes more than ten minutes of processor
/// time, that is an error.
Bytes runInChild(llvm::function_ref<Bytes()> work, llvm::StringRef name);

} // namespace relink

#endif
