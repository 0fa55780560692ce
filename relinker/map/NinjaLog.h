//===- NinjaLog.h - When Ninja made what, and of what -----------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// .ninja_log, a text of lines
//
//   START \t END \t TIME \t OUTPUT \t HASH-OF-COMMAND
//
// behind "# ninja log vN" (N is 5 to 7), of which the last one counts for each
// output. TIME is in nanoseconds since 1970: when the command was started (Ninja
// 1.11 and later) or when the output was written. In either case an input was
// changed after an output was made exactly if the input's time is later.
//
// .ninja_deps, which has the headers that compilers report: "# ninjadeps\n", a
// version (3 or 4), and records of little-endian 32-bit words, each behind its
// size in bytes. A record is a path, padded with zeros, and a checksum; paths are
// numbered in order. Or, with the top bit of the size set, it is the number of an
// output, its time (8 bytes; in version 3, 4), and the numbers of what it depends
// on. The last one counts.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_NINJALOG_H
#define RELINK_NINJALOG_H

#include "NinjaManifest.h"
#include "llvm/ADT/DenseMap.h"

namespace relink {

class NinjaLog {
public:
  /// An error where there is no log, or one of another version. There may be no
  /// .ninja_deps. Broken lines, as an interrupted Ninja leaves, are passed over.
  static llvm::Expected<NinjaLog> read(const NinjaManifest &manifest);

  /// When \p output, as a NinjaEdge has it, was made; nanoseconds since 1970.
  std::optional<uint64_t> timeOf(llvm::StringRef output) const;
  /// What the compiler read for \p output, besides what the manifest says.
  std::vector<llvm::StringRef> dependencies(llvm::StringRef output) const;

  std::string path; ///< of .ninja_log

private:
  llvm::Error readLog();
  llvm::Error readDependencies(llvm::StringRef path);

  std::unique_ptr<llvm::MemoryBuffer> log, deps;
  llvm::DenseMap<llvm::StringRef, uint64_t> times;
  std::vector<llvm::StringRef> paths;
  llvm::DenseMap<llvm::StringRef, llvm::StringRef> records; ///< of numbers
};

} // namespace relink

#endif
