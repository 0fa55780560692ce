//===- ReserveSpace.h - What of a reserve a patch takes ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A patch that fits into what ld.relink reserved needs no segment and no byte
// more: its sections lie in the pools, its entries of tables take the place of
// spare ones.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_RESERVESPACE_H
#define RELINK_RESERVESPACE_H

#include "Reserve.h"
#include <array>

namespace relink {

/// What is free of a pool. Addresses; bytes.
struct PoolSpan {
  uint64_t start = 0, end = 0;
  uint64_t room() const { return end - start; }
};

class ReserveSpace {
public:
  ReserveSpace(const Image &image, const Reserve &reserve);

  const PoolSpan &pool(reserve::PoolKind kind) const {
    return pools[unsigned(kind) - 1];
  }

  /// Where the link puts a group of sections: in its own pool, or with those of
  /// another that has more room.
  reserve::PoolKind homeOf(reserve::PoolKind kind) const {
    return homes[unsigned(kind) - 1];
  }
  /// After a link whose sections reach to \p end in each pool: false if all fit.
  /// Otherwise another home is found for what does not, or \p whyNot says that
  /// there is none.
  bool rearrange(const std::array<uint64_t, reserve::poolKinds> &ends,
                 std::string &whyNot);
  /// Whether the bytes up to \p ends are what the linker fills pools with. A note
  /// that lies must not cost the app its code.
  bool isFree(const std::array<uint64_t, reserve::poolKinds> &ends) const;
  /// The link's sections have taken their part: what is left begins at \p ends.
  void take(const std::array<uint64_t, reserve::poolKinds> &ends);

  /// A table's place, at the end of the pool of constants, which becomes shorter:
  /// the table is a section of its own. Nothing if it is full.
  std::optional<uint64_t> allocate(uint64_t size, uint64_t align);

  const Image &image;
  const Reserve &reserve;
  /// Records of patches go from here to the end of the room in .eh_frame.
  uint64_t framesStart = 0, framesEnd = 0;
  uint64_t frameCie = 0;        ///< address of what spare records refer to
  unsigned spareRows = 0;       ///< records that are still spare
  /// Words of .init_array that still do nothing.
  uint64_t constructorsStart = 0, constructorsEnd = 0;
  unsigned constructors() const {
    return (constructorsEnd - constructorsStart) / 8;
  }

  /// Whether a spare record is of this function.
  bool isSpareFunction(uint64_t address) const;

private:
  void findFrames();
  void findConstructors();

  std::array<PoolSpan, reserve::poolKinds> pools;
  std::array<reserve::PoolKind, reserve::poolKinds> homes;
};

} // namespace relink

#endif
