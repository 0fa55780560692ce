//===- Refusals.h - What makes relink refuse --------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules 4 and 13 to 17: patches that would apply, but not mean what their author
// thinks. Each can be accepted knowingly (`--accept NAME`), and each is
// explained by `relink --explain`.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_REFUSALS_H
#define RELINK_REFUSALS_H

#include "Config.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>

namespace relink {

enum class Refusal {
  Clones,       ///< 13: clones of the old body
  Inlined,      ///< 13: inlined copies of it
  SharedCode,   ///< 14: another function has the same address
  OtherBuild,   ///< 16: made for another binary
  LostCet,      ///< 16: without the IBT or SHSTK the app has
  VirtualTable, ///< a virtual table of another shape
  Layout,       ///< 16: a type of another layout
  VariableType, ///< 4: a shared variable of another type
  DataSize,     ///< 4: unchanged code uses data that grew or shrank
  Constructors, ///< what runs at start or end differs
};

/// The name that --accept takes ("clones").
llvm::StringRef toString(Refusal refusal);
/// The rule's number in docs/rules.md.
unsigned ruleNumber(Refusal refusal);

bool isAccepted(const Config &config, Refusal refusal);
/// An error that names its rule, \p remedy, and the option that accepts it.
llvm::Error refuse(Refusal refusal, const llvm::Twine &message,
                   const llvm::Twine &remedy);

/// The refusal of that name, if there is one.
std::optional<Refusal> refusalNamed(llvm::StringRef name);

/// Explains the rule \p topic, a number or a refusal's name, or lists all if it
/// is "all". False if there is no such rule.
bool explainRule(llvm::StringRef topic, llvm::raw_ostream &os);

} // namespace relink

#endif
