//===- DelinkShared.h - An executable becomes a shared library --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKSHARED_H
#define RELINK_DELINKSHARED_H

#include "DelinkProgram.h"

namespace relink {

/// What can't be a library, before it is taken apart.
llvm::Error refuseAsLibrary(const Program &program);

/// Makes \p whole fit for a link with -shared: what it has in instructions of
/// other libraries' variables and of its own thread-local block comes from slots
/// of the GOT. Its global symbols, or those that \p wanted names, become exports:
/// `program.exports`.
llvm::Error makeLibrary(Program &program, Object &whole,
                        const std::vector<std::string> &wanted);

/// The library, linked by lld in process.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkLibrary(Program &program, const DelinkConfig &config);

} // namespace relink

#endif
