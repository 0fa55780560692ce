//===- CopyLog.cpp - What lld copies to the output ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CopyLog.h"
#include "ZeroedMemory.h"
#include <mutex>
#include <vector>

using namespace llvm;

namespace {

/// Globals, for the reason Wrap.cpp gives. Set while lld has no other threads
/// at work.
const uint8_t *start = nullptr;
size_t length = 0;

/// Never moved: a longer list is another chunk.
struct Chunk {
  static constexpr size_t most = 8192;
  size_t count = 0;
  relink::Copy copies[most];
};

std::mutex mutex; ///< of chunks
relink::ZeroedMemory memory;
std::vector<Chunk *> chunks;
thread_local Chunk *mine = nullptr;

[[gnu::noinline]] void addChunk() {
  mine = memory.take<Chunk>(1).data();
  std::lock_guard<std::mutex> lock(mutex);
  chunks.push_back(mine);
}

[[gnu::noinline]] void write(const void *to, const void *from, size_t size) {
  if (!mine || mine->count == Chunk::most)
    addChunk();
  mine->copies[mine->count++] = {static_cast<const uint8_t *>(from),
                                 static_cast<const uint8_t *>(to), size};
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

std::vector<ArrayRef<Copy>> takeCopies() {
  length = 0;
  std::vector<ArrayRef<Copy>> out;
  for (const Chunk *chunk : std::exchange(chunks, {}))
    out.push_back({chunk->copies, chunk->count});
  return out;
}

} // namespace relink
