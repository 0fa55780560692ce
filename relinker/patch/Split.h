//===- Split.h - One section for each function and variable -----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A patch object is mostly a whole translation unit of which one function is
// wanted. Compiled without -ffunction-sections its functions share .text, and
// the assembler has already resolved the calls among them. This pass gives the
// object that -ffunction-sections -fdata-sections would have given: it cuts the
// sections at their symbols and recovers the references that have no
// relocation any more.
//
// Limitation: code that no sized function symbol covers (hand-written
// assembly) is not cut; its section stays one piece.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SPLIT_H
#define RELINK_SPLIT_H

#include "Object.h"
#include "Target.h"

namespace relink {

llvm::Error splitSections(Object &object, const Target &target);

} // namespace relink

#endif
