//===- CommandLine.h - From argv to a Config --------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_TOOL_COMMANDLINE_H
#define RELINK_TOOL_COMMANDLINE_H

#include "Config.h"
#include "llvm/ADT/ArrayRef.h"

namespace relink {

struct Invocation {
  Config config;
  bool json = false, quiet = false;
  std::vector<std::string> checkLoadable;
  std::string reserveOf; ///< --reserve
};

enum class ParseResult { Run, Done, UsageError };

/// Prints help, version and usage errors itself.
ParseResult parseCommandLine(llvm::ArrayRef<char *> argv, Invocation &out);

} // namespace relink

#endif
