//===- PatchFiles.cpp - Which files the patch consists of -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchFiles.h"
#include "Error.h"
#include "NinjaInputs.h"

using namespace llvm;

namespace relink {

Expected<PatchFiles> choosePatchFiles(const Config &config, const Image &app) {
  PatchFiles out;
  out.files = config.patches;
  if (!config.changedOnly && config.ninjaDirectory.empty())
    return out;
  auto map = PatchMap::read(app);
  if (!map)
    return map.takeError();
  if (!*map && config.changedOnly)
    return makeError(
        app.path + ": has no map of what it was linked from, so that --changed-only "
                   "can't tell what has changed\n>>> remedy: link with ld.relink, "
                   "which leaves a map; or name only the objects that have changed, "
                   "without --changed-only");
  if (!config.ninjaDirectory.empty()) {
    auto inputs = readNinjaInputs(config, app, map->has_value());
    if (!inputs)
      return inputs.takeError();
    out.files = std::move(inputs->files);
    out.notes = std::move(inputs->notes);
    out.chosen = inputs->considered;
  }
  if (*map)
    out.changed.emplace(std::move(**map));
  return out;
}

} // namespace relink
