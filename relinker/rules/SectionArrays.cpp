//===- SectionArrays.cpp - Entries that only a section's bounds find ------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SectionArrays.h"
#include "Error.h"
#include "Selections.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace relink {

/// As linkers have it: lld's isValidCIdentifier().
static bool isIdentifier(StringRef name) {
  return !name.empty() && !isDigit(name[0]) &&
         all_of(name, [](char c) { return c == '_' || isAlnum(c); });
}

Error checkSectionArrays(const Config &config, const Image &image,
                         const SymbolIndex &index, const Plan &plan) {
  if (!config.replace.empty() || plan.replacements.empty())
    return Error::success();
  auto isKept = [&](const ObjectSymbol &s) {
    return any_of(config.keep, [&](const std::string &pattern) {
      return Selections::matches(s, pattern);
    });
  };
  std::string names, section;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols) {
      if (!s.isDefined() || !s.section || s.isSection() || s.section->isCode() ||
          !s.section->isAlloc() || plan.live.count(s.section))
        continue;
      StringRef home = s.section->original ? s.section->original->name : s.section->name;
      auto decision = plan.decisions.find(&s);
      bool isNew = decision != plan.decisions.end() && !decision->second.app &&
                   (index.hasFullTable || plan.fresh.count(&s));
      if (!isIdentifier(home) || !isNew || isKept(s) || !image.section(home))
        continue;
      names += "\n>>> new: " + shown(s.name) + " of " + object->name;
      section = home.str();
    }
  if (names.empty())
    return Error::success();
  return makeError(image.path + ": its section " + section +
                   ", which programs go through from __start_" + section + " to __stop_" +
                   section + ", can't take new entries" + names +
                   "\n>>> remedy: --keep NAME to leave it out, or link the program anew");
}

} // namespace relink
