//===- History.h - The patches in a file ------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `relink --list` and `relink --revert`. Patches stack: the record of the last
// one gives the file before it, which may hold a record itself.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_HISTORY_H
#define RELINK_HISTORY_H

#include "Record.h"
#include "llvm/Support/raw_ostream.h"

namespace relink {

/// One patch. `record.originals` is left out: a file holds many patches.
struct HistoryEntry {
  Record record;
  uint64_t fileSize = 0; ///< bytes, after the patch
};

/// Text from a file, in which nothing steers a terminal.
std::string printable(llvm::StringRef text);

/// The error for a file without a record.
llvm::Error noRecord(llvm::StringRef path);

/// The file before the newest patch of \p file. An error unless it has the hash
/// that the record states.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
restoreChecked(const Image &file, const Record &record);

/// The patches of the file at \p path, newest first; none if it has none. When
/// one can't be taken back, the older ones are not known: \p stopped says why.
llvm::Expected<std::vector<HistoryEntry>> readHistory(llvm::StringRef path,
                                                      std::string &stopped);

/// `relink --list`
llvm::Error listPatches(llvm::StringRef path, bool json, llvm::raw_ostream &os);

struct RevertOptions {
  std::string input, output;
  bool all = false; ///< every patch, not the last one only
  bool dropPrivileges = false, quiet = false, json = false;
};

/// `relink --revert`
llvm::Error revertPatch(const RevertOptions &options, llvm::raw_ostream &os);

} // namespace relink

#endif
