//===- MappedOutput.h - The output, and the map behind it -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld says how large the output is before it writes it; how large the map is
// shows afterwards. So the output is a temporary file that is made longer when
// lld has written all of it, the build-id included, and renamed then.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_MAPPEDOUTPUT_H
#define RELINK_LLD_MAPPEDOUTPUT_H

#include "llvm/Support/FileOutputBuffer.h"
#include <functional>
#include <vector>

namespace relink {

/// Makes the contents of the section; what lld wrote is its argument.
using MapMaker =
    std::function<std::vector<uint8_t>(llvm::ArrayRef<uint8_t> file)>;

/// As llvm::FileOutputBuffer::create. \p fallback is that function, for outputs
/// that can't be mapped.
using CreateOutput = llvm::Expected<std::unique_ptr<llvm::FileOutputBuffer>> (*)(
    llvm::StringRef path, size_t size, unsigned flags);
llvm::Expected<std::unique_ptr<llvm::FileOutputBuffer>>
createMappedOutput(llvm::StringRef path, size_t size, unsigned flags,
                   MapMaker maker, CreateOutput fallback);

} // namespace relink

#endif
