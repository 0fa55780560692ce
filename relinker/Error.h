//===- Error.h - How relink states what went wrong --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every refusal is one llvm::Error whose text has the shape
//
//   FILE: symbol and what was found, and what was expected
//   >>> context, one fact a line
//   >>> remedy: the option or action that resolves it
//
// `main` prefixes it with "error: ".
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_ERROR_H
#define RELINK_ERROR_H

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"
#include <string>

namespace relink {

inline llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// 0x-prefixed lower-case hexadecimal, as every message prints addresses.
inline std::string hex(uint64_t value) {
  return llvm::formatv("{0:x}", value).str();
}

} // namespace relink

#endif
