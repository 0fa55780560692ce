//===- GrownData.cpp - Variables of another size --------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GrownData.h"
#include "Counterparts.h"
#include "DeadClones.h"
#include "Error.h"
#include "Refusals.h"
#include "Selections.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Not what is compared by its contents, nor what other modules look up.
static bool mayBeOwn(const ObjectSymbol &s, const AppSymbol &a) {
  const ObjectSection &home = *s.section;
  bool isState = home.isWritable() && !StringRef(home.name).starts_with(".data.rel.ro");
  return isState && !home.isTls() && !isTypeData(s.name) && !a.dynamic && a.size &&
         a.size != s.size && a.type != STT_TLS && a.source != AppSymbol::Source::User;
}

void findGrownData(const Config &config, const SymbolIndex &index, Plan &plan) {
  if (!config.replace.empty())
    return;
  Counterparts counterparts(index, plan);
  auto isNamed = [&](const ObjectSymbol &s) {
    auto matches = [&](const std::string &pattern) {
      return Selections::matches(s, pattern);
    };
    return any_of(config.keep, matches) || any_of(config.newData, matches);
  };
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols) {
      if (s.kind != ObjectSymbol::Kind::Defined || !s.section || s.isSection() ||
          !s.size || s.section->isCode() || !s.section->isAlloc() ||
          s.section->isMergeable() || plan.fresh.count(&s) || isNamed(s) ||
          plan.definitionOf(const_cast<ObjectSymbol *>(&s)) != &s)
        continue;
      auto found = counterparts.best(s);
      if (found.size() == 1 && !counterparts.isContested(s) && mayBeOwn(s, *found[0]))
        plan.grown[&s] = found[0];
    }
  if (plan.grown.empty())
    return;
  for (auto &object : plan.objects)
    for (const ObjectSymbol &f : object->symbols) {
      if (!f.isFunction() || !f.section)
        continue;
      for (const ObjectRelocation &r : f.section->relocations)
        if (const ObjectSymbol *s = plan.definitionOf(r.symbol); plan.grown.count(s)) {
          auto verdict = plan.verdicts.find(&f);
          if (verdict != plan.verdicts.end() &&
              verdict->second.kind != Verdict::Kind::Changed)
            verdict->second = {Verdict::Kind::Changed,
                               "it uses " + shown(s->name) + ", which has another size"};
        }
    }
}

Error checkGrownData(const Config &config, const Image &image, const SymbolIndex &index,
                     const UnwindTable &unwind, const Target &target, Plan &plan) {
  for (auto &object : plan.objects)
    for (const ObjectSymbol &s : object->symbols) {
      auto grown = plan.grown.find(&s);
      if (grown == plan.grown.end())
        continue;
      const AppSymbol &a = *grown->second;
      bool stays = hasUsersThatStay(image, index, unwind, target, plan, a);
      std::string what = object->name + ": variable " + shown(s.name) + " has " +
                         std::to_string(s.size) + " bytes here and " +
                         std::to_string(a.size) + " in the app";
      if (stays && !isAccepted(config, Refusal::DataSize))
        return refuse(Refusal::DataSize,
                      what + ", and code that stays uses the app's\n>>> " + image.path +
                          ": " + describe(a),
                      "keep its type, or give the objects of all functions that use "
                      "it; or --new-data " + s.name + " for a variable of the patch's own");
      if (plan.live.count(s.section))
        plan.notes.push_back(what + ": it is the patch's own, and all that uses it is "
                                    "replaced");
    }
  return Error::success();
}

} // namespace relink
