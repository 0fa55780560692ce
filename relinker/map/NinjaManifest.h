//===- NinjaManifest.h - What build.ninja says ------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The build statements of build.ninja and of what it includes: which files are
// made from which. Read here, as Ninja's manual ("Ninja file reference")
// describes the format, so that Ninja needs not be there, and no command of a
// foreign build directory is run. Variables of rules are of no interest.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_NINJAMANIFEST_H
#define RELINK_NINJAMANIFEST_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <deque>
#include <memory>
#include <string>

namespace relink {

/// One build statement. Paths are as Ninja knows them: without `.` and `..`
/// inside, relative to the build directory or absolute.
struct NinjaEdge {
  llvm::StringRef rule;
  llvm::SmallVector<llvm::StringRef, 1> outputs; ///< the implicit ones too
  std::vector<llvm::StringRef> inputs;           ///< the explicit ones
  std::vector<llvm::StringRef> implicit;         ///< behind `|`
};

class NinjaManifest {
public:
  /// An error, with file and line, for what Ninja would not read either; and for
  /// files of more than 1 GiB, in all.
  static llvm::Expected<std::unique_ptr<NinjaManifest>>
  read(llvm::StringRef directory);

  /// What makes \p path, as a NinjaEdge has it; null for a source.
  const NinjaEdge *edgeOf(llvm::StringRef path) const {
    return byOutput.lookup(path);
  }
  const std::deque<NinjaEdge> &edges() const { return statements; }
  /// \p path of an edge, as this process finds it.
  std::string inFileSystem(llvm::StringRef path) const;
  /// Where the log is: the variable builddir.
  std::string logDirectory() const { return inFileSystem(builddir); }

  const std::string directory;

private:
  friend class NinjaParser;
  explicit NinjaManifest(llvm::StringRef directory) : directory(directory) {}

  std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
  llvm::BumpPtrAllocator allocator;
  std::deque<NinjaEdge> statements;
  llvm::DenseMap<llvm::StringRef, const NinjaEdge *> byOutput;
  llvm::StringRef builddir;
};

/// Without `.` and `..` inside, as Ninja writes paths into its log.
std::string canonicalNinjaPath(llvm::StringRef path);

/// A regular file, mapped: nothing else is opened.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
openRegular(llvm::StringRef path);

} // namespace relink

#endif
