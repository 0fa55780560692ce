//===- DebugInfo.cpp - Does the patch's DWARF come along? -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DebugInfo.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Beyond this many bytes, DWARF is more than most patches are worth: the
/// patch's own, the app's in front of it, and the text sections that keep their
/// shape for it.
constexpr uint64_t mostAdded = 64 << 10;

uint64_t mostDebugInfo(const Config &config, const Image &app) {
  bool isAdded = config.debugInfo && config.fullDebugInfo;
  // Types are compared also where it is not added to the output.
  bool isCompared = app.section(".debug_info") || !config.debugFile.empty();
  return isAdded || isCompared ? UINT64_MAX : mostAdded;
}

const DebugPrefix *DebugPlan::prefix(StringRef section) const {
  auto it = find_if(prefixes, [&](auto &p) { return p.name == section; });
  return it == prefixes.end() ? nullptr : &*it;
}

DebugPlan planDebugInfo(const Config &config, const Image &image,
                        const Plan &plan) {
  DebugPlan out;
  StringSet<> names;
  uint64_t added = 0;
  for (const auto &object : plan.objects)
    for (const ObjectSection &s : object->sections) {
      if (s.isDebug() && !s.dropped && s.size)
        names.insert(s.name);
      if ((s.isDebug() || s.isCode()) && !s.dropped)
        added += s.size;
    }
  if (!names.contains(".debug_info") || !config.debugInfo ||
      image.sections.empty())
    return out;
  for (const Section &s : image.sections) {
    if (!names.contains(s.name) || s.isAlloc() || s.type == SHT_NOBITS || !s.size)
      continue;
    if (s.flags & SHF_COMPRESSED) {
      out.prefixes.clear();
      out.note = "the patch's DWARF is left out: the app's own is compressed";
      return out;
    }
    if (s.name == ".debug_frame")
      continue; // see SpliceDebugFrame.cpp
    out.prefixes.push_back({s.name.str(), s.size});
    added += s.size;
  }
  if (added > mostAdded && !config.fullDebugInfo) {
    out.prefixes.clear();
    out.note = "the patch's DWARF is left out: with what goes with it, it would "
               "take " + std::to_string(added) + " bytes (--full-debug adds it)";
    return out;
  }
  out.carry = true;
  return out;
}

} // namespace relink
