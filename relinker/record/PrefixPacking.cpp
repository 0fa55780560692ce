//===- PrefixPacking.cpp - Packing what other bytes mostly say ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrefixPacking.h"
#include "Error.h"
#include "llvm/Support/MathExtras.h"
#include <memory>
#define ZSTD_STATIC_LINKING_ONLY // the prefix was experimental once
#include <zstd.h>

using namespace llvm;

namespace relink {

static Error zstdError(const char *what, size_t code) {
  return makeError(Twine(what) + ZSTD_getErrorName(code));
}

Expected<SmallVector<uint8_t, 0>> packWithPrefix(ArrayRef<uint8_t> prefix,
                                                 ArrayRef<uint8_t> data) {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx *)> c(ZSTD_createCCtx(),
                                                        ZSTD_freeCCtx);
  constexpr int level = 19;
  ZSTD_CCtx_setParameter(c.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(c.get(), ZSTD_c_windowLog,
                         std::clamp<int>(Log2_64_Ceil(prefix.size() + data.size() + 1),
                                         ZSTD_WINDOWLOG_MIN, 27));
  ZSTD_CCtx_refPrefix(c.get(), prefix.data(), prefix.size());
  SmallVector<uint8_t, 0> out;
  out.resize_for_overwrite(ZSTD_compressBound(data.size()));
  size_t n = ZSTD_compress2(c.get(), out.data(), out.size(), data.data(), data.size());
  if (ZSTD_isError(n))
    return zstdError("cannot compress: ", n);
  out.truncate(n);
  return out;
}

Expected<SmallVector<uint8_t, 0>> unpackWithPrefix(ArrayRef<uint8_t> prefix,
                                                   ArrayRef<uint8_t> packed,
                                                   uint64_t size) {
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx *)> d(ZSTD_createDCtx(),
                                                        ZSTD_freeDCtx);
  ZSTD_DCtx_refPrefix(d.get(), prefix.data(), prefix.size());
  SmallVector<uint8_t, 0> out;
  out.resize_for_overwrite(size);
  // At once: only in steps would the window that a frame asks for be allocated.
  size_t n = ZSTD_decompressDCtx(d.get(), out.data(), out.size(), packed.data(),
                                 packed.size());
  if (ZSTD_isError(n))
    return zstdError("", n);
  if (n != size)
    return makeError("its data has another size than it says");
  return out;
}

} // namespace relink
