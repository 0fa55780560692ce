//===- Liveness.h - What of the patch is needed --------------- -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LIVENESS_H
#define RELINK_LIVENESS_H

#include "Config.h"
#include "Plan.h"

namespace relink {

/// Fills Plan::live and exports: what the replaced functions,
/// new constructors and exports reach. Needs the decisions.
llvm::Error markLive(const Config &config, const Image &image, Plan &plan);

/// True for an entry of a jump table: it must not keep its function alive.
/// Tables of functions that are not needed lie beside those that are.
bool isTableEntry(const ObjectSection &from, const ObjectRelocation &r);

} // namespace relink

#endif
