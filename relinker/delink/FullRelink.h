//===- FullRelink.h - The whole program linked again ------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --relink: the app is delinked in memory, without the replaced functions, and
// linked with the patch. All that the rules decided holds; only how it is carried
// out differs.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_FULLRELINK_H
#define RELINK_FULLRELINK_H

#include "Join.h"

namespace relink {

/// The output: the linked program, and a record that holds all of the original.
llvm::Expected<Output> relinkWhole(const JoinContext &context);

} // namespace relink

#endif
