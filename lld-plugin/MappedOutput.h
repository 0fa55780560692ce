//===- MappedOutput.h - The output, and the map behind it -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld says how large the output is before it writes it; how large the map is
// shows afterwards, when lld has written all of it, the build-id included. So the
// output is a temporary file that is mapped, made longer then, and renamed. With
// --mmap-output-file it is memory first, as it is for lld.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_MAPPEDOUTPUT_H
#define RELINK_LLD_MAPPEDOUTPUT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileOutputBuffer.h"
#include <functional>

namespace relink {

/// Makes the contents of the section; what lld wrote is its argument.
using MapMaker =
    std::function<llvm::SmallVector<uint8_t, 0>(llvm::ArrayRef<uint8_t> file)>;

/// As llvm::FileOutputBuffer::create. \p fallback is that function, for outputs
/// that can't be mapped.
using CreateOutput = llvm::Expected<std::unique_ptr<llvm::FileOutputBuffer>> (*)(
    llvm::StringRef path, size_t size, unsigned flags);
llvm::Expected<std::unique_ptr<llvm::FileOutputBuffer>>
createMappedOutput(llvm::StringRef path, size_t size, unsigned flags,
                   MapMaker maker, CreateOutput fallback);

} // namespace relink

#endif
