//===- Liveness.cpp - What of the patch is needed -------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Liveness.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

bool isTableEntry(const ObjectSection &from, const ObjectRelocation &r) {
  return !from.isCode() && !from.isWritable() && r.symbol->isSection() &&
         r.symbol->section && r.symbol->section->isCode();
}

namespace {

class LivenessAnalysis {
public:
  LivenessAnalysis(const Config &config, const Image &image, Plan &plan)
      : config(config), image(image), plan(plan) {}
  Error run();

private:
  void markSection(const ObjectSection *section);
  void visit(const ObjectSection &section, const ObjectRelocation &r);

  const Config &config;
  const Image &image;
  Plan &plan;
  std::vector<const ObjectSection *> worklist;
};

void LivenessAnalysis::markSection(const ObjectSection *s) {
  if (s && !s->dropped && plan.live.insert(s).second)
    worklist.push_back(s);
}

void LivenessAnalysis::visit(const ObjectSection &from,
                             const ObjectRelocation &r) {
  ObjectSymbol *s = plan.definitionOf(r.symbol);
  if (!s || isTableEntry(from, r))
    return;
  if (s->isSection()) {
    markSection(s->section);
    return;
  }
  const Decision &d = plan.decisions[s];
  if (d.action == Decision::Action::Own &&
      s->kind == ObjectSymbol::Kind::Defined)
    markSection(s->section);
}

Error LivenessAnalysis::run() {
  for (const Replacement &r : plan.replacements)
    markSection(r.body->section);
  for (const Interposition &i : plan.interpositions)
    markSection(i.definition->section);
  auto keepNew = [&](auto &slots) {
    erase_if(slots, [&](auto &slot) {
      ObjectSymbol *s = plan.definitionOf(slot.second->symbol);
      if (s->isSection()) {
        markSection(s->section);
        return false;
      }
      const Decision &d = plan.decisions[s];
      if (d.action != Decision::Action::Own)
        return true;
      markSection(s->section);
      return false;
    });
  };
  keepNew(plan.constructors);
  keepNew(plan.destructors);
  // Rule 12: a library's new global symbols are exported, as a link would.
  bool exportAll = image.kind == ImageKind::Shared &&
                   !image.dynamic.verdefnum && config.replace.empty();
  for (auto &[name, symbol] : plan.definitions) {
    const Interposition *interposed = plan.interpositionOf(*symbol);
    bool asked = is_contained(config.exports, symbol->name) ||
                 (interposed && !interposed->appOnly);
    if (symbol->visibility == STV_HIDDEN || symbol->visibility == STV_INTERNAL)
      continue;
    if (plan.decisions[symbol].action != Decision::Action::Own ||
        symbol->kind != ObjectSymbol::Kind::Defined)
      continue;
    if (!asked && (!exportAll || symbol->isWeak() || interposed))
      continue;
    plan.exports.push_back(symbol);
    markSection(symbol->section);
  }
  llvm::sort(plan.exports, [](auto *a, auto *b) { return a->name < b->name; });

  while (!worklist.empty()) {
    const ObjectSection &s = *worklist.back();
    worklist.pop_back();
    for (const ObjectRelocation &r : s.relocations)
      visit(s, r);
    auto frame = plan.frames.recordOf.find(&s);
    if (frame == plan.frames.recordOf.end())
      continue;
    // Its LSDA, and through the CIE its personality routine.
    const auto &[f, at] = frame->second;
    const FrameRecord &fde = f->records[at], &cie = f->records[fde.cie];
    for (const ObjectRelocation &r : f->ehFrame->relocations)
      if ((r.offset > fde.offset + 8 && r.offset < fde.offset + fde.size) ||
          (r.offset >= cie.offset && r.offset < cie.offset + cie.size))
        visit(s, r);
  }
  return Error::success();
}

} // namespace

Error markLive(const Config &config, const Image &image, Plan &plan) {
  return LivenessAnalysis(config, image, plan).run();
}

} // namespace relink
