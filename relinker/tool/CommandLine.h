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

enum class Command {
  Relink,
  CheckLoadable,
  Survey,
  Reserve,
  Map,
  List,
  Verify,
  Revert,
  Export,
  Import
};

struct Invocation {
  Command command = Command::Relink;
  Config config;
  bool json = false, quiet = false;
  /// Of the other commands.
  std::vector<std::string> files;
  std::string original;                ///< --verify --original
  std::vector<std::string> patches;    ///< --verify --patch
  bool all = false;                    ///< --revert --all
};

enum class ParseResult { Run, Done, UsageError };

/// Prints help, version and usage errors itself.
ParseResult parseCommandLine(llvm::ArrayRef<char *> argv, Invocation &out);

} // namespace relink

#endif
