//===- Archive.h - Archives as lld reads them -------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld goes through all members and never looks at an archive's symbol table,
// so the padded archive has none. The members of a thin archive are read inside
// of libLLVM, out of reach; the padded one has them as its own.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ARCHIVE_H
#define RELINK_LLD_ARCHIVE_H

#include "FunctionPadding.h"
#include "ZeroedMemory.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>
#include <vector>

namespace relink {

struct ArchiveMember {
  llvm::StringRef name;
  llvm::StringRef bytes;
  std::string path; ///< of a thin archive's member; its bytes are not read yet
};

/// The members, or nothing when lld is going to refuse the archive.
std::vector<ArchiveMember> readArchive(llvm::MemoryBufferRef archive);

/// The \p archive at \p path with its members' functions padded, or null if none has
/// any. Either the file itself, changed in private memory, with what has become longer
/// in \p grown; or a copy in \p memory.
std::unique_ptr<llvm::MemoryBuffer> padArchive(llvm::StringRef path,
                                               const llvm::MemoryBuffer &archive,
                                               const ObjectChanges &changes,
                                               ZeroedMemory &memory,
                                               GrownSections &grown);

} // namespace relink

#endif
