//===- ReserveObject.h - The object with pools and note ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A relocatable object, made in memory, whose sections are the pools. lld lays
// out sections of unknown names behind those of their kind: .relink.text
// behind .fini, .relink.data behind .data, .relink.bss behind .bss. Only RELRO
// goes by the section's name, so that pool is part of .data.rel.ro.
//
// The object's note refers to the pools, and --gc-sections keeps notes, so it
// keeps the pools too.
//
// What an object lacks in .note.gnu.property, the output loses. This one has
// every AND-ed bit, which leaves them as the other inputs have them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_RESERVEOBJECT_H
#define RELINK_LLD_RESERVEOBJECT_H

#include "LinkOptions.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>

namespace relink {

/// What note and pools say about the link, as far as it is known.
struct ReserveContents {
  std::array<uint64_t, reserve::poolKinds> sizes{}; ///< by PoolKind - 1
  reserve::HotPatchKind hotPatch = reserve::HotPatchKind::NotLookedAt;
  uint16_t entryNops = 0, prefixNops = 0;
  uint32_t codeObjects = 0, readyObjects = 0;
};

class ReserveObject {
public:
  /// Whether there can be one for this e_machine, EI_CLASS and EI_DATA.
  static bool supports(uint16_t machine, uint8_t fileClass, uint8_t encoding);

  /// \p name is the one lld prints for it, \p largest are the sizes that
  /// update() may be called with at most.
  ReserveObject(uint16_t machine, const LinkOptions &options,
                const std::array<uint64_t, reserve::poolKinds> &largest,
                llvm::StringRef name);

  /// Writes \p contents into the buffer, which lld may hold already. Sizes
  /// count until lld reads the section headers, the rest until it copies the
  /// note to the output.
  void update(const ReserveContents &contents);

  /// Hands the buffer over; update() goes on writing to it.
  std::unique_ptr<llvm::MemoryBuffer> takeBuffer() { return std::move(owned); }

private:
  std::unique_ptr<llvm::WritableMemoryBuffer> owned;
  char *bytes = nullptr;
  uint16_t machine;
  std::array<uint64_t, reserve::poolKinds> largest; ///< what there is room for
  uint64_t noteOffset = 0; ///< of the descriptor
  struct PoolPlace {
    unsigned kind; ///< index in sizes
    uint64_t headerOffset, offset, poolRecord;
  };
  std::vector<PoolPlace> pools;
};

} // namespace relink

#endif
