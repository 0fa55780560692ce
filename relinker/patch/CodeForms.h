//===- CodeForms.h - Code whose functions can't be told apart ---*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Forms of code in which a symbol does not stand for all of its function.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CODEFORMS_H
#define RELINK_CODEFORMS_H

#include "Object.h"

namespace relink {

/// An error for an object of the patch with words in front of its functions (clang's
/// -fsanitize=function) or with functions in parts of their own (clang's
/// -fbasic-block-sections): what changed would not be seen. It names the option.
llvm::Error checkCodeForms(llvm::ArrayRef<std::unique_ptr<Object>> objects);

} // namespace relink

#endif
