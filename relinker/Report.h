//===- Report.h - What was done, for people and machines --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_REPORT_H
#define RELINK_REPORT_H

#include "Config.h"
#include "PatchFiles.h"
#include "Splice.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace relink {

/// An import of the app that the patch defines.
struct InterposedImport {
  std::string name;
  bool appOnly = false; ///< see Interposition
};

std::vector<InterposedImport> interposedImports(const Plan &plan);

struct Report {
  std::string app, output, kind, symbolSource;
  std::string comparison; ///< with what: app, orig, map
  std::vector<std::string> mapped; ///< objects of the map
  std::vector<ReplacedFunction> replaced;
  std::vector<InterposedImport> interposed;
  std::vector<std::pair<std::string, uint64_t>> bound;
  std::vector<std::pair<std::string, std::string>> changed; ///< and how
  /// With --changed-only or --from-ninja: objects of the patch, and how they
  /// differ from the app's; and of how many there were to choose from.
  std::vector<std::pair<std::string, std::string>> inputs;
  std::optional<size_t> allInputs;
  unsigned sameFunctions = 0; ///< that the app has already
  unsigned redirectedCalls = 0, redirectedSlots = 0;
  bool nothingToDo = false;
  std::vector<std::string> linesOnly, unchanged, added, imports, libraries, exports, notes;
  std::vector<std::pair<std::string, std::string>> remarks;
  std::vector<std::pair<uint64_t, std::pair<uint64_t, std::string>>> edits;
  /// What was taken of each pool, in bytes.
  std::vector<std::pair<std::string, uint64_t>> reserve;
  uint64_t appSize = 0, outputSize = 0, bytesChanged = 0, bytesAppended = 0;
  bool written = false;
};

Report makeReport(const Config &config, const Image &image, const Plan &plan,
                  const Output &output);
/// How \p files were chosen.
void addFiles(const PatchFiles &files, Report &report);

void printSummary(const Report &report, bool verbose, llvm::raw_ostream &os);
llvm::json::Value toJson(const Report &report);
llvm::json::Array toJson(llvm::ArrayRef<ReplacedFunction> functions);
llvm::json::Array toJson(llvm::ArrayRef<InterposedImport> imports);

} // namespace relink

#endif
