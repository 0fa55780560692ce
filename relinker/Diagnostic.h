//===- Diagnostic.h - An error, taken apart ---------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For machines that read `--json`: the lines of an error, whose shape Error.h
// states, as fields.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DIAGNOSTIC_H
#define RELINK_DIAGNOSTIC_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

namespace relink {

/// An object with `message`, `context`, `remedies`, and, for a refusal that
/// --accept takes, `refusal` and `rule`.
llvm::json::Value toJsonError(llvm::StringRef text);

/// The first three, and how many there are more.
std::string listed(llvm::ArrayRef<std::string> names);

} // namespace relink

#endif
