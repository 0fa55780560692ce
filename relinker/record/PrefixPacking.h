//===- PrefixPacking.h - Packing what other bytes mostly say ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// zstd (RFC 8878) with a prefix: bytes that both sides have, and that the packed
// ones may refer to as if they had come before. LLVM's interface has no way to say
// so.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PREFIXPACKING_H
#define RELINK_PREFIXPACKING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace relink {

/// One zstd frame, at the best level that needs no more memory to unpack; for at
/// most some megabytes.
llvm::Expected<llvm::SmallVector<uint8_t, 0>>
packWithPrefix(llvm::ArrayRef<uint8_t> prefix, llvm::ArrayRef<uint8_t> data);

/// The \p size bytes that were packed. An error if \p packed is not one frame of
/// that many; with another prefix than it was packed with, that or other bytes.
llvm::Expected<llvm::SmallVector<uint8_t, 0>>
unpackWithPrefix(llvm::ArrayRef<uint8_t> prefix, llvm::ArrayRef<uint8_t> packed,
                 uint64_t size);

} // namespace relink

#endif
