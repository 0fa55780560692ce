//===- CopyLog.h - What lld copies to the output ----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld tells where it puts an input section only by names, which objects share.
// But it copies each section from the input's buffer to its place in the
// output's, by one call of memcpy, before it relocates it there. ld.relink is
// linked with --wrap=memcpy: where a whole section is copied to is where it is. And
// sections that are longer than their contents become whole there.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_COPYLOG_H
#define RELINK_LLD_COPYLOG_H

#include "GrownSections.h"
#include "llvm/ADT/ArrayRef.h"
#include <vector>

namespace relink {

struct Copy {
  const uint8_t *from, *to;
  size_t size;
};

/// Copies to \p buffer, of sections that are in \p grown, end in traps from now on; all
/// are written down if \p isLogged.
void watchCopiesTo(llvm::ArrayRef<uint8_t> buffer, const GrownSections &grown,
                   bool isLogged);

/// What was copied, in lists of one thread each; the log ends. All threads that
/// copied are idle.
std::vector<llvm::ArrayRef<Copy>> takeCopies();

} // namespace relink

#endif
