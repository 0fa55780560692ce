//===- SameProgram.cpp - Whether two files are of one link ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SameProgram.h"
#include "DebugFile.h"

using namespace llvm;

namespace relink {

/// What \p s loads, without the ELF and program headers, which strip rewrites.
static ArrayRef<uint8_t> loaded(const Image &image, const Phdr &s) {
  ArrayRef<uint8_t> bytes = image.bytesAt(s.p_vaddr, s.p_filesz);
  uint64_t headers =
      image.header.e_phoff + uint64_t(image.header.e_phnum) * sizeof(Phdr);
  if (s.p_offset >= headers)
    return bytes;
  return bytes.drop_front(std::min<uint64_t>(bytes.size(), headers - s.p_offset));
}

Expected<bool> isSameProgram(const Image &app, StringRef path) {
  auto other = Image::open(path);
  if (!other)
    return other.takeError();
  std::string id = buildId(toStringRef(app.bytes()));
  if (!id.empty())
    return id == buildId(toStringRef((*other)->bytes()));
  if (app.segments.size() != (*other)->segments.size())
    return false;
  for (auto [a, b] : zip(app.segments, (*other)->segments))
    if (a.p_type != b.p_type || a.p_vaddr != b.p_vaddr ||
        (a.p_type == ELF::PT_LOAD && loaded(app, a) != loaded(**other, b)))
      return false;
  return true;
}

} // namespace relink
