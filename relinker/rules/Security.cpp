//===- Security.cpp - What the app has must not be lost -------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Security.h"
#include "DebugFile.h"
#include "Error.h"
#include "Refusals.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

Error checkSecurityProperties(const Config &config, const Image &image,
                              const Plan &plan) {
  if (isAccepted(config, Refusal::LostCet))
    return Error::success();
  for (const auto &object : plan.objects) {
    bool hasCode = any_of(object->sections, [](const ObjectSection &s) {
      return s.isCode() && s.size && !s.dropped;
    });
    bool ibt = image.ibt && !object->ibt, shstk = image.shstk && !object->shstk;
    if (hasCode && (ibt || shstk))
      return refuse(Refusal::LostCet,
                    object->name + ": was compiled without " +
                        (ibt ? "IBT" : "SHSTK") + ", which " + image.path +
                        " has",
                    "compile the patch with -fcf-protection=full");
  }
  return Error::success();
}

Error checkBuildId(const Config &config, const Image &image, const Plan &plan) {
  if (isAccepted(config, Refusal::OtherBuild))
    return Error::success();
  for (const auto &object : plan.objects) {
    if (object->buildId.empty())
      continue;
    std::string have = buildId(toStringRef(image.bytes()));
    if (have == object->buildId)
      continue;
    return refuse(Refusal::OtherBuild,
                  object->name + ": was made for another program than " +
                      image.path + "\n>>> its build-id: " + object->buildId +
                      "\n>>> the program's: " + (have.empty() ? "none" : have),
                  "patch the program it was made for, or make the patch again");
  }
  return Error::success();
}

Error findFunctionBounds(const Image &image, const UnwindTable &unwind,
                         Plan &plan) {
  for (Replacement &r : plan.replacements) {
    const Phdr *load = image.loadAt(r.address);
    if (!load || !(load->p_flags & PF_X))
      return makeError(image.path + ": " + r.body->name + " at " +
                       hex(r.address) + " is in no executable segment");
    auto fde = unwind.find(image, r.address);
    if (fde && fde->start != r.address && r.app->source ==
                                              AppSymbol::Source::User)
      return makeError(image.path + ": " + r.body->name + " was said to be at " +
                       hex(r.address) + ", which is inside the function at " +
                       hex(fde->start) + "\n>>> remedy: --symbol " +
                       r.app->name + "=" + hex(fde->start) +
                       " if that is the one meant");
    if (r.size)
      continue;
    if (fde && fde->start == r.address)
      r.size = fde->size;
    if (!r.size)
      return makeError(image.path + ": how long " + r.body->name + " at " +
                       hex(r.address) + " is, neither a symbol nor the unwind "
                       "table says\n>>> remedy: --symbol " + r.app->name + "=" +
                       hex(r.address) + ":SIZE");
  }
  return Error::success();
}

} // namespace relink
