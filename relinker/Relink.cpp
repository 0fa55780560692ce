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

#include "Refusals.h"
#include "Relink.h"
#include "AppDwarf.h"
#include "Commit.h"
#include "CodeForms.h"
#include "Comparison.h"
#include "DeadClones.h"
#include "Diagnostic.h"
#include "Compose.h"
#include "DebugFile.h"
#include "DebugInfo.h"
#include "EntryNops.h"
#include "Error.h"
#include "FullRelink.h"
#include "Imports.h"
#include "Inlining.h"
#include "Join.h"
#include "Layouts.h"
#include "MapOriginal.h"
#include "PatchMapFormat.h"
#include "PatchFiles.h"
#include "PatchReader.h"
#include "Rules.h"
#include "Selections.h"
#include "Security.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {

static Error hashPatches(ArrayRef<std::string> patches, Identity &identity) {
  for (const std::string &path : patches) {
    auto file = openMapped(path);
    if (!file)
      return file.takeError();
    identity.patches.push_back(
        sha256(arrayRefFromStringRef((*file)->getBuffer())));
  }
  return Error::success();
}

/// Only functions are replaced: of other data that has changed at least say so.
/// \p plan gets a note; if there is nothing else in the patch, that is an error.
static Error tellOfData(const Config &config, const Image &app,
                        const SymbolIndex &index, const UnwindTable &unwind,
                        const Target &target, Plan &plan) {
  if (!config.replace.empty())
    return Error::success();
  std::vector<std::string> names;
  std::string places;
  bool anyOtherSize = false;
  for (const Remark &r : plan.unused)
    if (r.isDifference && !StringRef(r.symbol).starts_with(".L") &&
        none_of(config.keep, [&](const std::string &pattern) {
          return Selections::matches(*r.about, pattern);
        })) {
      names.push_back(shown(r.symbol));
      anyOtherSize |=
          r.otherSize && hasUsersThatStay(app, index, unwind, target, plan, *r.otherSize);
      places += "\n>>> " + names.back() + ": " + StringRef(r.text).split(';').first.str();
    }
  if (names.empty())
    return Error::success();
  if (anyOtherSize && !isAccepted(config, Refusal::DataSize))
    return refuse(Refusal::DataSize,
                  app.path + ": data has another size, and what uses it stays as it is" +
                      places,
                  "give the objects of the functions that use it, or --replace them, "
                  "with --new-data NAME for a variable; --keep NAME to leave it");
  if (!plan.isNothingToDo()) {
    plan.notes.push_back("data that differs, and that no new function uses, stays as it "
                         "is in the app: " + listed(names));
    return Error::success();
  }
  return makeError(app.path +
                   ": the patch changes data and no function; data stays as it is in "
                   "the app" + places +
                   "\n>>> remedy: --replace the functions that use it, and give their "
                   "objects too; --keep NAME to leave it");
}

/// Writes the output, and says what was done.
static Expected<Report> finish(const Config &config, const Image &app,
                               const PatchFiles &files, const std::string &symbols,
                               const Plan &plan, const Output &output,
                               std::optional<PendingOutput> &pending) {
  Report report = makeReport(config, app, plan, output);
  addFiles(files, report);
  report.symbolSource = symbols;
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
  // So is what the record needs computed.
  std::optional<PendingHash> original;
  if (config.record)
    original.emplace(app.path, app.bytes());
  auto target = createX86_64Target();
  if (!target)
    return target.takeError();
  EarlierPatches earlier = EarlierPatches::read(app);

  // Read the patch, and cut it into functions and variables.
  auto files = choosePatchFiles(config, app);
  if (!files)
    return files.takeError();
  ChangedInputs *changed = files->changed ? &*files->changed : nullptr;
  Plan plan;
  auto objects = readPatch(config, files->files, app, **target,
                           mostDebugInfo(config, app), changed);
  if (!objects)
    return objects.takeError();
  plan.objects = std::move(*objects);
  if (Error e = checkCodeForms(plan.objects))
    return e;
  if (plan.objects.empty() && files->areChosen())
    return finish(config, app, *files, "", plan, {}, pending);
  if (Error e = plan.indexObjects())
    return e;
  size_t notes = plan.notes.size();
  auto originals = config.originals.empty() && config.useMap
                       ? originalsFromMap(app, **target, earlier, plan)
                       : readPatch(config, config.originals, app, **target, 0);
  if (!originals)
    return originals.takeError();
  // Why the map is not used, which may be why what follows fails.
  std::string unusedMap;
  if (originals->empty() && plan.notes.size() > notes)
    unusedMap = plan.notes.back();
  else if (!config.originals.empty() && config.useMap && app.section(map::sectionName))
    unusedMap = "the map of " + app.path + " is not used: --orig is given";
  auto reserve = readReserve(app);
  if (!reserve)
    return reserve.takeError();
  const Reserve *room = *reserve ? &**reserve : nullptr;
  joinEntryNops(room, **target, plan.objects);
  joinEntryNops(room, **target, *originals);
  if (Error e = checkSecurityProperties(config, app, plan))
    return e;
  if (Error e = checkBuildId(config, app, plan))
    return e;

  // Choose by the rules what is replaced, bound and added.
  auto index = SymbolIndex::read(app, config, collectNames(config, plan, *originals),
                                 earlier);
  if (!index)
    return index.takeError();
  ImportTable imports(app, **target);
  UnwindTable unwind = UnwindTable::read(app);

  // Compare: what changed, and which symbols of the app are meant.
  if (Error e = compareWithOriginal(config, app, *index, imports, unwind,
                                    **target, earlier, std::move(*originals),
                                    plan))
    return e;
  if (Error e = chooseByRules(config, app, *index, imports, unwind, **target,
                              plan))
    return unusedMap.empty() ? std::move(e)
                             : makeError(toString(std::move(e)) + "\n>>> " + unusedMap);
  if (Error e = tellOfData(config, app, *index, unwind, **target, plan))
    return e;
  if (plan.isNothingToDo())
    return finish(config, app, *files, index->sourceFile, plan, {}, pending);

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

  // Link the patch, and join the two; or, with --relink, link all of it again. When this is done the output is fixed,
  // byte for byte.
  std::optional<Identity> identity;
  auto identify = [&]() -> Expected<const Identity *> {
    if (!original || identity)
      return identity ? &*identity : nullptr;
    identity.emplace(
        Identity{original->get(), buildId(toStringRef(app.bytes())), {}});
    if (Error e = hashPatches(files->used(), *identity))
      return e;
    return &*identity;
  };
  JoinContext context = {config, app,      plan, *inputs,
                         unwind, **target, room, identify};
  auto output = config.fullRelink ? relinkWhole(context) : joinPatch(context);
  if (!output)
    return output.takeError();

  return finish(config, app, *files, index->sourceFile, plan, *output, pending);
}

} // namespace relink
