//===- Compare.cpp - Is it what the app already has? ----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compare.h"
#include "RelocationTypes.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// Bytes of the symbol with the relocated fields zeroed, in both copies.
bool equalMasked(ArrayRef<uint8_t> ours, ArrayRef<uint8_t> theirs,
                 const ObjectSymbol &s) {
  if (ours.size() != theirs.size())
    return false;
  std::vector<bool> masked(ours.size());
  for (const ObjectRelocation &r : s.section->relocations)
    for (unsigned i = 0; i < fieldSize(r.type); ++i)
      if (r.offset + i >= s.value && r.offset + i - s.value < ours.size())
        masked[r.offset + i - s.value] = true;
  for (size_t i = 0; i < ours.size(); ++i)
    if (!masked[i] && ours[i] != theirs[i])
      return false;
  return true;
}

/// The app's bytes; zeros where its segment has no file bytes (.bss).
std::vector<uint8_t> appBytes(const Image &image, const AppSymbol &app,
                              uint64_t size) {
  std::vector<uint8_t> out(size);
  uint64_t address = app.address;
  if (app.type == STT_TLS) {
    const Phdr *tls = image.segmentOfType(PT_TLS);
    if (!tls || app.address >= tls->p_filesz)
      return out;
    address += tls->p_vaddr;
    size = std::min<uint64_t>(size, tls->p_filesz - app.address);
  }
  ArrayRef<uint8_t> have = image.bytesFrom(address);
  std::copy_n(have.begin(), std::min<uint64_t>(have.size(), size), out.begin());
  return out;
}

std::vector<uint8_t> ownBytes(const ObjectSymbol &s) {
  if (s.section->isNoBits() || s.value + s.size > s.section->data.size())
    return std::vector<uint8_t>(s.section->isNoBits() ? s.size : 0);
  auto begin = s.section->data.begin() + s.value;
  return {begin, begin + s.size};
}

constexpr uint64_t mostCompared = uint64_t(1) << 28;

} // namespace

bool equalInitialValue(const Image &image, const AppSymbol &app,
                       const ObjectSymbol &s) {
  if (!s.section || s.size > mostCompared)
    return true;
  return equalMasked(ownBytes(s), appBytes(image, app, s.size), s);
}

} // namespace relink
