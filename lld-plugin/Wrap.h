//===- Wrap.h - Where lld asks for files ------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld's archive refers to functions of LLVM for its files: one reads an input,
// one creates the output, one opens an archive's member, which in a thin archive
// is a file. ld.relink is linked with --wrap for them, so
// lld calls ours instead: public interfaces, no copy of lld, no file on disk.
// Calls from inside of libLLVM are not wrapped.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_WRAP_H
#define RELINK_LLD_WRAP_H

#include "llvm/Support/MemoryBuffer.h"

namespace relink {

class Inputs;

/// Answers lld's calls from \p inputs from now on; it must outlive the link.
void wrapFiles(Inputs &inputs);

/// llvm::MemoryBuffer::getFile, past the wrapper.
llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>>
readRealFile(const llvm::Twine &path);

} // namespace relink

#endif
