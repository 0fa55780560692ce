//===- Padding.h - Room for a jump between the app's functions --*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cave is alignment padding, proven to belong to nothing: behind the known end
// of a function from which execution does not go on, in front of the next thing
// that is known, and filled with nothing else.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PADDING_H
#define RELINK_PADDING_H

#include "CodeMap.h"
#include "Target.h"
#include <map>

namespace relink {

/// A function and the bytes in front of it, without padding; nothing when its
/// bytes are not in the file.
std::optional<RedirectSite> siteOf(const Image &image, const Extent &function);

class Padding {
public:
  Padding(const Image &image, const Target &target, const CodeMap &map);

  /// What the map has to know for the redirect of one function.
  static Extent windowAround(const Extent &function);

  /// How many bytes of padding follow a function that ends at \p end.
  uint64_t behind(uint64_t end) const;
  /// Caves that a short jump at \p entry may reach.
  std::vector<Cave> near(uint64_t entry);
  /// These bytes are in use now.
  void take(uint64_t address, uint64_t size);

private:
  enum class Proof { Unknown, Certain, Doubtful };
  struct Pad {
    uint64_t size = 0;
    Extent owner; ///< the function in front
    Proof proof = Proof::Unknown;
  };
  bool isCertain(Pad &pad) const;

  const Image &image;
  const Target &target;
  std::map<uint64_t, Pad> pads; ///< by address
};

} // namespace relink

#endif
