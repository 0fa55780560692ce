//===- AddressMap.h - Hash tables by address --------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A DenseMap keeps two keys for itself: of uint64_t the last two, and to insert one
// of them is an assertion that fails. A file may name any address.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_ADDRESSMAP_H
#define RELINK_ADDRESSMAP_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include <concepts>

namespace relink {

/// A number of 64 bits as a key, all of which may be.
struct AddressKey {
  uint64_t value = 0;
  uint8_t reserved = 0; ///< not 0: one that the table needs
  template <std::convertible_to<uint64_t> T> // also LLVM's words of a file
  AddressKey(const T &value) : value(value) {}
  AddressKey(uint64_t value, uint8_t reserved)
      : value(value), reserved(reserved) {}
  operator uint64_t() const { return value; }
};

struct AddressKeyInfo {
  static AddressKey getEmptyKey() { return {0, 1}; }
  static AddressKey getTombstoneKey() { return {0, 2}; }
  static unsigned getHashValue(const AddressKey &key) {
    return llvm::DenseMapInfo<uint64_t>::getHashValue(key.value);
  }
  static bool isEqual(const AddressKey &a, const AddressKey &b) {
    return a.value == b.value && a.reserved == b.reserved;
  }
};

template <class V>
using AddressMap = llvm::DenseMap<AddressKey, V, AddressKeyInfo>;
using AddressSet = llvm::DenseSet<AddressKey, AddressKeyInfo>;

} // namespace relink

#endif
