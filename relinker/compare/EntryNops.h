//===- EntryNops.h - Nops at functions' entries as the app has them -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// gcc fills the two bytes behind a hot-patch entry with two nops, and ld.relink
// made one of them in the app. The same is done to the objects that are compared
// with it, and to what the patch adds.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_ENTRYNOPS_H
#define RELINK_ENTRYNOPS_H

#include "Object.h"
#include "Reserve.h"
#include "Target.h"

namespace relink {

/// In \p objects, if \p reserve says that the app has such entries.
void joinEntryNops(const Reserve *reserve, const Target &target,
                   llvm::ArrayRef<std::unique_ptr<Object>> objects);

} // namespace relink

#endif
