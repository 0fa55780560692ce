//===- PatchFiles.h - Which files the patch consists of ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHFILES_H
#define RELINK_PATCHFILES_H

#include "ChangedInputs.h"
#include "Config.h"

namespace relink {

struct PatchFiles {
  std::vector<std::string> files;
  /// With a map, what of them is left out.
  std::optional<ChangedInputs> changed;
  /// Without a map, from how many files Ninja's log chose.
  std::optional<size_t> chosen;
  std::vector<std::string> notes;

  /// Whether there may be none, if nothing has changed.
  bool areChosen() const { return changed || chosen; }
  /// Those that objects of the patch are in.
  llvm::ArrayRef<std::string> used() const {
    return changed ? changed->files : files;
  }
};

/// The files that were named; with --from-ninja, what the app is linked from. With
/// --changed-only, an error where the app has no map.
llvm::Expected<PatchFiles> choosePatchFiles(const Config &config, const Image &app);

} // namespace relink

#endif
