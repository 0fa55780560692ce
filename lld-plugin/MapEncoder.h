//===- MapEncoder.h - Writes a block of a map -------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The counterpart of relinker/map/MapCursor.h.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_MAPENCODER_H
#define RELINK_LLD_MAPENCODER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringExtras.h"

namespace relink {

class MapEncoder {
public:
  llvm::SmallVector<uint8_t, 0> bytes;
  llvm::SmallVector<uint32_t, 0> cuts; ///< ends of parts

  void number(uint64_t v) {
    for (; v >= 0x80; v >>= 7)
      bytes.push_back(uint8_t(v | 0x80));
    bytes.push_back(uint8_t(v));
  }
  void signedNumber(int64_t v) {
    number((uint64_t(v) << 1) ^ uint64_t(v >> 63));
  }
  void raw(llvm::ArrayRef<uint8_t> b) { bytes.append(b.begin(), b.end()); }
  void string(llvm::StringRef s) {
    number(s.size());
    raw(llvm::arrayRefFromStringRef(s));
  }
  template <typename T> void structure(const T &v) {
    raw({reinterpret_cast<const uint8_t *>(&v), sizeof(T)});
  }
  void clear() {
    bytes.clear();
    cuts.clear();
  }
  void cut() { cuts.push_back(bytes.size()); }
};

} // namespace relink

#endif
