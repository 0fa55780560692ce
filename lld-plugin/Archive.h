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

/// \p archive with its members' functions padded, in \p memory, or null if none
/// has any.
std::unique_ptr<llvm::MemoryBuffer> padArchive(llvm::MemoryBufferRef archive,
                                               const ObjectChanges &changes,
                                               ZeroedMemory &memory);

} // namespace relink

#endif
