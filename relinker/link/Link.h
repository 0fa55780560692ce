//===- Link.h - lld, in process ---------------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LINK_H
#define RELINK_LINK_H

#include "Compose.h"
#include "ReserveSpace.h"

namespace relink {

/// Where the patch image begins: its address and the file offset it will get.
/// The two are congruent modulo the page size.
struct Placement {
  uint64_t address = 0, offset = 0;
  /// Offsets are addresses less the load base all through the new segments, as
  /// a program header table among them needs.
  bool identity = false;
  /// The patch goes into the app's reserve; only the linker's own tables, which
  /// nobody keeps, lie at `address`.
  const ReserveSpace *reserve = nullptr;
};

/// First free place behind the app, in memory and in the file. An error if the
/// table's move would leave a large hole in the file.
llvm::Expected<Placement> placeBehind(const Image &image, bool tableMoves);

/// Links \p inputs into a patch image, an ELF file of the app's kind whose new
/// sections begin at \p placement.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkPatch(const Image &image, const Plan &plan, const LinkInputs &inputs,
          const Placement &placement);

/// Links \p objects by \p script into an executable at fixed addresses, as
/// `delink --check` does.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkPinned(llvm::ArrayRef<LinkInput> objects, const std::string &script);

/// A link of a whole program. Arguments may name `files`.
struct WholeLink {
  std::vector<LinkInput> inputs;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> files; ///< name, contents
};
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkWhole(const WholeLink &link);

/// Compiles bitcode to an object, as `ld -r` does.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
compileBitcode(llvm::ArrayRef<llvm::MemoryBufferRef> modules,
               llvm::StringRef name);

} // namespace relink

#endif
