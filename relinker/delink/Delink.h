//===- Delink.h - A finished program, as objects again ----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Delink.cpp is the list of steps; DelinkProgram.h the model they share.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINK_H
#define RELINK_DELINK_H

#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <string>
#include <vector>

namespace relink {

/// What the user asked of `delink`.
struct DelinkConfig {
  std::string app;
  std::string output; ///< a directory; empty with `check`
  std::string debugFile;
  std::vector<std::string> debugDirs;
  std::optional<uint64_t> shuffle; ///< seed of the order of functions and data
  std::string references; ///< a file for the list of references, or empty
  /// What becomes an object. Known: a source file where any is known, else all.
  enum class Granularity { Known, Whole, File, Function };
  Granularity granularity = Granularity::Known;
  bool asLibrary = false; ///< an executable becomes a shared library
  std::vector<std::string> exports; ///< what that exports; empty: all global
  /// Whether `output` is the library and not a directory.
  bool linksLibrary() const;
  /// Take numbers that are addresses by form for such.
  bool assumeAddresses = false;
  bool strict = false; ///< refuse what would be kept together
  bool check = false;  ///< prove the result instead of writing it
};

struct DelinkReport {
  std::string app, kind;
  uint64_t functions = 0, sections = 0;
  /// One count for each Evidence.
  std::vector<std::pair<std::string, uint64_t>> references;
  std::vector<std::string> remarks; ///< what was kept together or left out
  uint64_t checkedBytes = 0;        ///< with `check`
  uint64_t checkedMeanings = 0;     ///< relocations held against the app's tables
  std::vector<std::string> differences;
};

llvm::Expected<DelinkReport> delink(const DelinkConfig &config);

void printReport(const DelinkReport &report, llvm::raw_ostream &os);

} // namespace relink

#endif
