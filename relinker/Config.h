//===- Config.h - What the user asked for -----------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library takes this plain struct and never sees argv.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CONFIG_H
#define RELINK_CONFIG_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace relink {

/// A symbol stated by the user (`--symbol`, `--symbols`).
struct UserSymbol {
  std::string name;
  uint64_t address = 0; ///< link-time virtual address in the app
  uint64_t size = 0;    ///< bytes; 0 means unknown
  char type = 'T';      ///< as nm prints it: T/t/W/w function, D/d/B/b/R/r data
};

/// How a replaced function's entry may lead to its new body.
enum class InPlacePolicy { Auto, Never };

struct Config {
  std::string app;                  ///< the finished program or library
  std::vector<std::string> patches; ///< objects, archives, bitcode
  std::string output;

  /// --changed-only: of `patches`, only what the app was not linked from.
  bool changedOnly = false;
  std::string ninjaDirectory; ///< --from-ninja: finds the patch files there
  std::string ninjaTarget;    ///< --ninja-target: the app's name there

  std::vector<std::string> originals; ///< --orig: objects before the fix
  bool useMap = true; ///< the program's map tells the originals
  std::vector<std::string> replace; ///< --replace; empty means "by the rules"
  std::vector<std::string> keep;    ///< --keep: bind to the app's own
  std::vector<std::string> newData; ///< --new-data: a fresh variable
  std::vector<std::string> exports; ///< --export: put into .dynsym
  std::vector<std::pair<std::string, std::string>> bind; ///< --bind NAME=WHAT
  std::vector<UserSymbol> symbols;
  std::vector<std::string> symbolFiles;

  std::string debugFile;              ///< --debug-file
  std::vector<std::string> debugDirs; ///< --debug-dir, e.g. /usr/lib/debug
  std::vector<std::string> libraryPaths;
  std::vector<std::string> libraries; ///< -l: become DT_NEEDED when used
  std::string sysroot;

  InPlacePolicy inPlace = InPlacePolicy::Auto;
  bool fullRelink = false; ///< link the whole program again
  bool redirectCalls = false; ///< rewrite calls of replaced functions as well
  bool debugInfo = true; ///< carry the patch's DWARF into the output
  bool fullDebugInfo = false; ///< carry it whatever it costs
  bool fullSymbolTable = false; ///< name everything new, whatever it costs
  bool keepRegisters = true;   ///< save what -fipa-ra callers may rely on
  std::vector<std::string> accepted; ///< --accept: names of Refusals
  bool dropPrivileges = false; ///< allow losing setuid, capabilities, owner
  bool useReserve = true; ///< put the patch where ld.relink has left room
  bool record = true; ///< keep what is needed to verify and revert
  bool dryRun = false;
  bool verbose = false;
};

} // namespace relink

#endif
