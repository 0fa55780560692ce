//===- ZeroedMemory.cpp - Memory for what is known of a link --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ZeroedMemory.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include <sys/mman.h>

using namespace llvm;

namespace relink {

ZeroedMemory::~ZeroedMemory() {
  for (const Block &b : blocks)
    ::munmap(b.start, b.size);
}

void ZeroedMemory::grow(size_t size) {
  // The first are small, for a small link; a large page is 2 MiB on x86-64.
  constexpr size_t least = 256 << 10, most = 16 << 20, largePage = 2 << 20;
  size_t next = std::clamp(PowerOf2Ceil(total), uint64_t(least), uint64_t(most));
  next = alignTo(std::max<size_t>(size, next), next < largePage ? 4096 : largePage);
  void *at = ::mmap(nullptr, next, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    report_bad_alloc_error("no memory for the map of the link");
  if (next >= largePage)
    ::madvise(at, next, MADV_HUGEPAGE);
  blocks.push_back({static_cast<char *>(at), next});
  total += next;
  used = 0;
}

void *ZeroedMemory::bytes(size_t size) {
  size = alignTo(size, 16);
  std::lock_guard<std::mutex> lock(mutex);
  if (blocks.empty() || size > blocks.back().size - used)
    grow(size);
  void *out = blocks.back().start + used;
  used += size;
  return out;
}

} // namespace relink
