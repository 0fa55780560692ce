//===- Relink.cpp - The list of steps -------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Read this first. A finished program becomes an object that lld can link the
// patch against; what lld makes of the patch is joined to the program's bytes.
// docs/design.md explains why it is done so.
//
//===----------------------------------------------------------------------===//

#include "Relink.h"
#include "AppDwarf.h"
#include "Commit.h"
#include "Comparison.h"
#include "Compose.h"
#include "DebugFile.h"
#include "DebugInfo.h"
#include "Error.h"
#include "FullRelink.h"
#include "Imports.h"
#include "Inlining.h"
#include "Layouts.h"
#include "Link.h"
#include "PatchReader.h"
#include "Rules.h"
#include "Selections.h"
#include "Security.h"
#include "Splice.h"

using namespace llvm;

namespace relink {

static Error hashPatches(const Config &config, Identity &identity) {
  for (const std::string &path : config.patches) {
    auto file = openMapped(path);
    if (!file)
      return file.takeError();
    identity.patches.push_back(
        sha256(arrayRefFromStringRef((*file)->getBuffer())));
  }
  return Error::success();
}

/// Writes the output, and says what was done.
static Expected<Report> finish(const Config &config, const Image &app,
                               const SymbolIndex &index, const Plan &plan,
                               const Output &output,
                               std::optional<PendingOutput> &pending) {
  Report report = makeReport(config, app, plan, output);
  report.symbolSource = index.sourceFile;
  if (!pending)
    return report;
  if (Error e = pending->commit(output))
    return e;
  report.written = true;
  return report;
}

Expected<Report> relink(const Config &config) {
  if (!config.dryRun) {
    std::vector<std::string> inputs = config.patches;
    append_range(inputs, config.originals);
    inputs.push_back(config.app);
    if (Error e = checkOutputPath(config.output, inputs))
      return e;
  }

  // Read the app: headers and tables only, whatever its size.
  auto image = Image::open(config.app);
  if (!image)
    return image.takeError();
  const Image &app = **image;
  // Its bytes are copied while the patch is linked; nothing appears under the
  // output's name before commit().
  std::optional<PendingOutput> pending;
  if (!config.dryRun)
    pending.emplace(config, app);
  auto target = createX86_64Target();
  if (!target)
    return target.takeError();

  // Read the patch, and cut it into functions and variables.
  Plan plan;
  auto objects = readPatch(config, config.patches, app, **target,
                           mostDebugInfo(config));
  if (!objects)
    return objects.takeError();
  plan.objects = std::move(*objects);
  if (Error e = plan.indexObjects())
    return e;
  auto originals = readPatch(config, config.originals, app, **target, 0);
  if (!originals)
    return originals.takeError();
  if (Error e = checkSecurityProperties(config, app, plan))
    return e;
  if (Error e = checkBuildId(config, app, plan))
    return e;

  // Choose by the rules what is replaced, bound and added.
  auto index = SymbolIndex::read(app, config, collectNames(config, plan, *originals));
  if (!index)
    return index.takeError();
  ImportTable imports(app, **target);
  UnwindTable unwind = UnwindTable::read(app);

  // Compare: what changed, and which symbols of the app are meant.
  if (Error e = compareWithOriginal(config, app, *index, imports, unwind,
                                    **target, std::move(*originals), plan))
    return e;
  if (Error e = chooseByRules(config, app, *index, imports, unwind, **target,
                              plan))
    return e;
  if (plan.isNothingToDo())
    return finish(config, app, *index, plan, {}, pending);

  // Something will be done: what the record needs is computed meanwhile.
  std::optional<PendingHash> original;
  if (config.record)
    original.emplace(app.bytes());

  // What only the app's debug information can tell.
  auto dwarf = AppDwarf::ofApp(app, config);
  if (!dwarf)
    return dwarf.takeError();
  if (Error e = checkInlinedCopies(config, app, *dwarf, plan))
    return e;
  if (Error e = checkVariableTypes(config, app, *dwarf, plan))
    return e;
  if (Error e = checkLayouts(config, app, *dwarf, plan))
    return e;
  if (Error e = findFunctionBounds(app, unwind, plan))
    return e;

  // From here on nothing is decided any more: the plan is carried out.
  auto inputs = composeInputs(config, app, imports, unwind, **target, plan);
  if (!inputs)
    return inputs.takeError();
  std::optional<Identity> identity;
  auto identify = [&]() -> Error {
    if (!original)
      return Error::success();
    identity.emplace(Identity{original->get(), buildId(toStringRef(app.bytes())), {}});
    return hashPatches(config, *identity);
  };
  if (config.fullRelink) {
    if (Error e = identify())
      return e;
    auto output = relinkWhole(config, app, **target, plan, *inputs, unwind,
                              identity ? &*identity : nullptr);
    if (!output)
      return output.takeError();
    return finish(config, app, *index, plan, *output, pending);
  }
  auto placement = placeBehind(app, !canGrowProgramHeaders(app, 3));
  if (!placement)
    return placement.takeError();
  auto linked = linkPatch(app, plan, *inputs, *placement);
  if (!linked)
    return linked.takeError();
  auto patch = PatchImage::read(std::move(*linked));
  if (!patch)
    return patch.takeError();

  // Join the two. When this is done the output is fixed, byte for byte.
  if (Error e = identify())
    return e;
  auto output = splice({config, app, plan, *inputs, *patch, unwind, **target,
                        identity ? &*identity : nullptr},
                       *placement);
  if (!output)
    return output.takeError();

  return finish(config, app, *index, plan, *output, pending);
}

} // namespace relink
