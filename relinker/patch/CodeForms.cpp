//===- CodeForms.cpp - Code whose functions can't be told apart -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeForms.h"
#include "Error.h"
#include "Selections.h"
#include "llvm/Support/Endian.h"

using namespace llvm;

namespace relink {

/// LLVM's X86AsmPrinter: a signature, and a hash of the function's type.
static bool hasTypeHash(const ObjectSymbol &function) {
  constexpr uint32_t signature = 0xc105cafe;
  constexpr uint64_t size = 8;
  const ObjectSection &piece = *function.section;
  const ObjectSection &section = piece.original ? *piece.original : piece;
  uint64_t at = function.value + (piece.original ? piece.originalOffset : 0);
  ArrayRef<uint8_t> code = section.data;
  return at >= size && at <= code.size() &&
         support::endian::read32le(&code[at - size]) == signature;
}

static Error refuse(const Object &object, const ObjectSymbol &s, const Twine &form,
                    const Twine &remedy) {
  return makeError(object.name + ": " + shown(s.name) + " " + form +
                   ", which is not supported yet\n>>> remedy: compile the patch with " +
                   remedy);
}

Error checkCodeForms(ArrayRef<std::unique_ptr<Object>> objects) {
  for (auto &object : objects)
    for (const ObjectSymbol &s : object->symbols) {
      if (!s.section || !s.section->isCode())
        continue;
      if (s.isFunction() && hasTypeHash(s))
        return refuse(*object, s, "has a word in front of its code (-fsanitize=function)",
                      "-fno-sanitize=function");
      if (StringRef(s.name).contains(".__part."))
        return refuse(*object, s,
                      "is a part of a function in a section of its own "
                      "(-fbasic-block-sections)",
                      "-fbasic-block-sections=none");
    }
  return Error::success();
}

} // namespace relink
