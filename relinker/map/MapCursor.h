//===- MapCursor.h - Reads a block of a map ---------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_MAPCURSOR_H
#define RELINK_MAPCURSOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringExtras.h"

namespace relink {

/// Past the end everything reads as 0 and empty, and isGood() tells.
class MapCursor {
public:
  explicit MapCursor(llvm::ArrayRef<uint8_t> bytes) : rest(bytes) {}

  bool isGood() const { return good; }
  uint64_t left() const { return rest.size(); } ///< bytes

  uint64_t number() {
    // Not LLVM's decodeULEB128, which shifts too far for zeros at the end.
    uint64_t value = 0;
    for (unsigned i = 0; i < rest.size() && i < 10; ++i) {
      value |= uint64_t(rest[i] & 0x7f) << (7 * i);
      if (rest[i] & 0x80)
        continue;
      rest = rest.drop_front(i + 1);
      return value;
    }
    return fail();
  }
  int64_t signedNumber() {
    uint64_t v = number(); // zigzag: 0, -1, 1, -2, ...
    return int64_t(v >> 1) ^ -int64_t(v & 1);
  }
  llvm::ArrayRef<uint8_t> raw(uint64_t size) {
    if (size > rest.size()) {
      fail();
      return {};
    }
    llvm::ArrayRef<uint8_t> out = rest.take_front(size);
    rest = rest.drop_front(size);
    return out;
  }
  void skip(uint64_t size) { (void)raw(size); }
  llvm::StringRef string() { return llvm::toStringRef(raw(number())); }

private:
  uint64_t fail() {
    good = false;
    rest = {};
    return 0;
  }
  llvm::ArrayRef<uint8_t> rest;
  bool good = true;
};

} // namespace relink

#endif
