//===- ReserveSpace.cpp - What of a reserve a patch takes -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReserveSpace.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;
using support::endian::read32le;

namespace relink {

ReserveSpace::ReserveSpace(const Image &image, const Reserve &r)
    : image(image), reserve(r) {
  for (unsigned i = 0; i < poolKinds; ++i)
    homes[i] = PoolKind(i + 1);
  for (const ReservePool &p : r.pools) {
    uint64_t used = p.used;
    if (p.kind == PoolKind::Text)
      used = std::max(used, alignTo(uint64_t(r.frameRows), 16));
    pools[unsigned(p.kind) - 1] = {p.address + std::min(used, p.size),
                                   p.address + p.size};
  }
  findFrames();
  findConstructors();
}

bool ReserveSpace::isSpareFunction(uint64_t address) const {
  const ReservePool *text = reserve.pool(PoolKind::Text);
  return text && address >= text->address &&
         address - text->address < reserve.frameRows;
}

/// The records of earlier patches come first, the spare ones last (LSB,
/// "Exception Frames": length, distance back to the CIE, function, size).
void ReserveSpace::findFrames() {
  ArrayRef<uint8_t> room = image.bytesAt(reserve.frames, reserve.frameSize);
  for (uint64_t at = 0; at + 16 <= room.size();) {
    uint64_t length = read32le(&room[at]), address = reserve.frames + at;
    if (length < 12 || length > room.size() - at - 4)
      return;
    uint32_t back = read32le(&room[at + 4]);
    uint64_t function = address + 8 + int64_t(int32_t(read32le(&room[at + 8])));
    if (back && isSpareFunction(function)) {
      if (!spareRows++) {
        framesStart = address;
        frameCie = address + 4 - back;
      }
    } else if (spareRows) {
      spareRows = 0; // not as it is left by any patch
      return;
    }
    at += 4 + length;
  }
  framesEnd = reserve.frames + reserve.frameSize;
}

/// A word is free as long as it calls the function that does nothing.
void ReserveSpace::findConstructors() {
  constructorsStart = constructorsEnd =
      reserve.constructors + reserve.constructorCount * 8;
  auto doesNothing = [&](uint64_t function) {
    static constexpr uint8_t nothing[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xc3};
    return image.bytesAt(function, sizeof(nothing)).equals(nothing);
  };
  auto words = readPointers(image, reserve.constructors, constructorsEnd);
  for (auto it = words.rbegin(); it != words.rend(); ++it) {
    if (it->first + 8 != constructorsStart || !doesNothing(it->second))
      break;
    constructorsStart = it->first;
  }
}

bool ReserveSpace::rearrange(const std::array<uint64_t, poolKinds> &ends,
                             std::string &whyNot) {
  for (unsigned i = 0; i < poolKinds; ++i) {
    PoolKind kind = PoolKind(i + 1);
    const PoolSpan &p = pools[i];
    if (ends[i] <= p.end && (ends[i] >= p.start || ends[i] == 0))
      continue;
    // Constants can lie beside code, and what is written once, or zero at
    // first, among other data.
    PoolKind other = kind == PoolKind::ReadOnly                           ? PoolKind::Text
                     : kind == PoolKind::Relro || kind == PoolKind::Bss ? PoolKind::Data
                                                                          : kind;
    if (other != kind && homes[i] == kind) {
      homes[i] = other;
      return true;
    }
    whyNot = (Twine("the ") + poolNames[i] + " pool has " + Twine(p.room()) +
              " bytes left, and the patch takes " + Twine(ends[i] - p.start))
                 .str();
    return true;
  }
  return false;
}

static bool isFiller(ArrayRef<uint8_t> bytes, PoolKind kind) {
  constexpr uint8_t trap = 0xcc; // int3
  uint8_t filler =
      kind == PoolKind::Text || kind == PoolKind::ReadOnly ? trap : 0;
  return llvm::all_of(bytes, [&](uint8_t b) { return b == filler; });
}

bool ReserveSpace::isFree(
    const std::array<uint64_t, poolKinds> &ends) const {
  for (unsigned i = 0; i < poolKinds; ++i) {
    PoolKind kind = PoolKind(i + 1);
    uint64_t start = pools[i].start;
    if (ends[i] <= start)
      continue;
    uint32_t needs = kind == PoolKind::Text       ? PF_X
                     : kind == PoolKind::ReadOnly ? PF_R
                                                  : PF_W;
    const Phdr *load = image.loadAt(start);
    if (!load || !(load->p_flags & needs))
      return false;
    if (kind == PoolKind::Bss)
      continue;
    ArrayRef<uint8_t> bytes = image.bytesAt(start, ends[i] - start);
    if (bytes.empty() || !isFiller(bytes, kind))
      return false;
  }
  return true;
}

void ReserveSpace::take(const std::array<uint64_t, poolKinds> &ends) {
  for (unsigned i = 0; i < poolKinds; ++i)
    if (ends[i] > pools[i].start)
      pools[i].start = ends[i];
}

std::optional<uint64_t> ReserveSpace::allocate(uint64_t size,
                                               uint64_t align) {
  for (PoolKind kind : {PoolKind::ReadOnly, PoolKind::Text}) {
    PoolSpan &p = pools[unsigned(kind) - 1];
    if (size > p.room())
      continue;
    uint64_t address = alignDown(p.end - size, align);
    if (address < p.start || !isFiller(image.bytesAt(address, size), kind))
      continue;
    p.end = address;
    return address;
  }
  return std::nullopt;
}

} // namespace relink
