//===- ZeroedMemory.h - Memory for what is known of a link ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A large link's facts take more than a hundred megabytes, and to touch memory for
// the first time, page by page, takes as long as to fill it. So it is asked for in
// blocks, of large pages where the system has them, and shared by all threads.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ZEROEDMEMORY_H
#define RELINK_LLD_ZEROEDMEMORY_H

#include "llvm/ADT/ArrayRef.h"
#include <mutex>
#include <type_traits>
#include <vector>

namespace relink {

class ZeroedMemory {
public:
  ZeroedMemory() = default;
  ZeroedMemory(const ZeroedMemory &) = delete;
  ~ZeroedMemory();

  /// Zeros; freed with this.
  template <typename T> llvm::MutableArrayRef<T> take(size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 16);
    return {reinterpret_cast<T *>(bytes(count * sizeof(T))), count};
  }
  template <typename T> llvm::MutableArrayRef<T> copy(llvm::ArrayRef<T> from) {
    llvm::MutableArrayRef<T> to = take<T>(from.size());
    llvm::copy(from, to.begin());
    return to;
  }

private:
  void *bytes(size_t size);
  void grow(size_t size);
  std::mutex mutex;
  struct Block {
    char *start;
    size_t size;
  };
  std::vector<Block> blocks;
  size_t used = 0, total = 0; ///< of the last, of all
};

} // namespace relink

#endif
