//===- NinjaInputs.h - What a program was linked from, by Ninja -*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For `--from-ninja`. Objects that are older than what they are made of are an
// error: the patch would lack a change that its author has made.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_NINJAINPUTS_H
#define RELINK_NINJAINPUTS_H

#include "Config.h"
#include "Image.h"

namespace relink {

struct NinjaInputs {
  /// Objects and archives that the program is linked from, in that order; or,
  /// without a map, the objects that were made later than the program.
  std::vector<std::string> files;
  size_t considered = 0; ///< objects and archives that the program is linked from
  std::vector<std::string> notes;
};

/// Which program of the build directory \p app is a copy of is said by its name,
/// or by --ninja-target.
llvm::Expected<NinjaInputs> readNinjaInputs(const Config &config, const Image &app,
                                            bool hasMap);

} // namespace relink

#endif
