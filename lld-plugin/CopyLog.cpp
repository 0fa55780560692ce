//===- CopyLog.cpp - What lld copies to the output ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CopyLog.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"
#include <deque>
#include <mutex>

using namespace llvm;

namespace {

/// Globals, for the reason Wrap.cpp gives. Set while lld has no other threads
/// at work.
const uint8_t *start = nullptr;
size_t length = 0;

std::mutex mutex; ///< of lists
std::deque<std::vector<relink::Copy>> lists;
thread_local std::vector<relink::Copy> *mine = nullptr;

[[gnu::noinline]] void write(const void *to, const void *from, size_t size) {
  if (!mine) {
    std::lock_guard<std::mutex> lock(mutex);
    mine = &lists.emplace_back();
  }
  mine->push_back({static_cast<const uint8_t *>(from),
                   static_cast<const uint8_t *>(to), size});
}

} // namespace

extern "C" {
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);

void *__wrap_memcpy(void *to, const void *from, size_t size) {
  if (size_t(static_cast<uint8_t *>(to) - start) < length) [[unlikely]]
    write(to, from, size);
  return __real_memcpy(to, from, size);
}
}

namespace relink {

void logCopiesTo(ArrayRef<uint8_t> buffer) {
  start = buffer.data();
  length = buffer.size();
}

std::vector<Copy> takeCopies() {
  length = 0;
  std::vector<Copy> out;
  for (std::vector<Copy> &list : lists) {
    append_range(out, list);
    list.clear();
  }
  parallelSort(out.begin(), out.end(), [](const Copy &a, const Copy &b) {
    return std::tie(a.from, a.to) < std::tie(b.from, b.to);
  });
  return out;
}

} // namespace relink
