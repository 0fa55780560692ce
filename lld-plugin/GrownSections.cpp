//===- GrownSections.cpp - Sections longer than their contents ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GrownSections.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace llvm;

namespace relink {

void GrownSections::seal() {
  llvm::sort(objects, [](const Object &a, const Object &b) {
    return std::less<>()(a.bytes.data(), b.bytes.data());
  });
}

size_t GrownSections::ownBytes(const uint8_t *from, size_t size) const {
  auto *at = reinterpret_cast<const char *>(from);
  auto next = llvm::upper_bound(objects, at, [](const char *p, const Object &o) {
    return std::less<>()(p, o.bytes.data());
  });
  if (next == objects.begin())
    return size;
  const Object &object = *std::prev(next);
  uint64_t offset = at - object.bytes.data();
  if (offset >= object.bytes.size())
    return size;
  auto it = llvm::lower_bound(
      object.sections, offset,
      [](const GrownSection &s, uint64_t o) { return s.offset < o; });
  for (; it != object.sections.end() && it->offset == offset; ++it)
    if (it->newSize == size)
      return it->size;
  return size;
}

std::unique_ptr<WritableMemoryBuffer> privateCopy(StringRef path,
                                                  const MemoryBuffer &file) {
  if (file.getBufferKind() != MemoryBuffer::MemoryBuffer_MMap) {
    auto out = WritableMemoryBuffer::getNewUninitMemBuffer(file.getBufferSize(), path);
    if (out)
      memcpy(out->getBufferStart(), file.getBufferStart(), file.getBufferSize());
    return out;
  }
  auto out = WritableMemoryBuffer::getFile(path); // mapped, and private
  if (!out || (*out)->getBufferSize() != file.getBufferSize())
    return nullptr;
  return std::move(*out);
}

} // namespace relink
