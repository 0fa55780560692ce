//===- Relink.h - Patch a finished program ----------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RELINK_H
#define RELINK_RELINK_H

#include "Config.h"
#include "Report.h"
#include "llvm/Support/Error.h"

namespace relink {

/// Makes config.output from config.app and config.patches, or nothing at all.
/// The app is only read, and never run.
llvm::Expected<Report> relink(const Config &config);

} // namespace relink

#endif
