//===- MapEncoder.h - Writes a block of a map -------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The counterpart of relinker/MapCursor.h.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_MAPENCODER_H
#define RELINK_LLD_MAPENCODER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringExtras.h"
#include <vector>

namespace relink {

class MapEncoder {
public:
  std::vector<uint8_t> bytes;

  void number(uint64_t v) {
    uint8_t buffer[10];
    unsigned size = 0;
    for (; v >= 0x80; v >>= 7)
      buffer[size++] = v | 0x80;
    buffer[size++] = v;
    bytes.insert(bytes.end(), buffer, buffer + size);
  }
  void signedNumber(int64_t v) {
    number((uint64_t(v) << 1) ^ uint64_t(v >> 63));
  }
  void raw(llvm::ArrayRef<uint8_t> b) {
    bytes.insert(bytes.end(), b.begin(), b.end());
  }
  void string(llvm::StringRef s) {
    number(s.size());
    raw(llvm::arrayRefFromStringRef(s));
  }
  template <typename T> void structure(const T &v) {
    raw({reinterpret_cast<const uint8_t *>(&v), sizeof(T)});
  }
};

} // namespace relink

#endif
