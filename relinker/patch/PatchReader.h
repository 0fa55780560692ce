//===- PatchReader.h - Patch files to objects -------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PATCHREADER_H
#define RELINK_PATCHREADER_H

#include "ChangedInputs.h"
#include "Config.h"
#include "Image.h"
#include "Object.h"
#include "Target.h"

namespace relink {

/// Reads patch files: relocatable objects, LLVM bitcode (compiled here, as a
/// link would), and archives, of which the members that are wanted are taken.
/// Every object comes back split into one section a function or variable. See
/// readObject() for \p mostDebugInfo. What \p changed, if it is there, does not
/// choose is left out.
llvm::Expected<std::vector<std::unique_ptr<Object>>>
readPatch(const Config &config, llvm::ArrayRef<std::string> files,
          const Image &image, const Target &target, uint64_t mostDebugInfo,
          ChangedInputs *changed = nullptr);

} // namespace relink

#endif
