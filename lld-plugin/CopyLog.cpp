//===- CopyLog.cpp - What lld copies to the output ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CopyLog.h"
#include "ZeroedMemory.h"
#include <cstring>
#include <mutex>
#include <vector>

using namespace llvm;

namespace {

/// Globals, for the reason Wrap.cpp gives. Set while lld has no other threads
/// at work.
const uint8_t *start = nullptr;
size_t length = 0;
bool isLogged = false;
const relink::GrownSections *grown = nullptr; ///< null: none

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

void log(const uint8_t *to, const uint8_t *from, size_t size) {
  if (!mine || mine->count == Chunk::most)
    addChunk();
  mine->copies[mine->count++] = {from, to, size};
}

} // namespace

extern "C" {
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
}

static void *copyToOutput(uint8_t *to, const uint8_t *from, size_t size) {
  if (isLogged)
    log(to, from, size);
  size_t own = grown ? grown->ownBytes(from, size) : size;
  memset(to + own, relink::x86Trap, size - own);
  return __real_memcpy(to, from, own);
}

extern "C" void *__wrap_memcpy(void *to, const void *from, size_t size) {
  if (size_t(static_cast<uint8_t *>(to) - start) < length) [[unlikely]]
    return copyToOutput(static_cast<uint8_t *>(to),
                        static_cast<const uint8_t *>(from), size);
  return __real_memcpy(to, from, size);
}

namespace relink {

void watchCopiesTo(ArrayRef<uint8_t> buffer, const GrownSections &sections,
                   bool logged) {
  isLogged = logged;
  grown = sections.empty() ? nullptr : &sections;
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
