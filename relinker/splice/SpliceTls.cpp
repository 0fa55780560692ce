//===- SpliceTls.cpp - New thread-locals beside the old -------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The link laid out a new template that has the app's variables where the app's
// code expects them (psABI, "Thread-Local Storage", variant II). Here PT_TLS is
// pointed at it, and what filled the old template fills the new one.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Thread-pointer offset of the block's byte \p at (glibc sysdeps/x86_64
/// dl-tls.h, TLS_TCB_AT_TP): the block ends, aligned, at the thread pointer.
static int64_t threadOffset(uint64_t at, uint64_t size, uint64_t align) {
  return int64_t(at) - int64_t(alignTo(size, align));
}

uint64_t tlsShift(const SpliceContext &c) {
  const TlsLayout &t = c.inputs.tls;
  if (c.patch.isInReserve)
    return 0; // new ones lie inside the block
  const PatchSection *s = t.grows ? c.patch.section(".relink.tdata") : nullptr;
  return !s || c.image.kind == ImageKind::Shared
             ? 0
             : s->size - alignTo(t.appSize, t.appAlign);
}

Error mergeTls(const SpliceContext &c, Output &out) {
  const TlsLayout &t = c.inputs.tls;
  if (!t.grows)
    return Error::success();
  const PatchSection *s = c.patch.section(".relink.tdata");
  if (!s)
    return makeError(c.image.path + ": the link lost the thread-locals");
  const Phdr *old = c.image.segmentOfType(PT_TLS);
  bool library = c.image.kind == ImageKind::Shared;
  uint64_t shift = tlsShift(c);
  bool keeps = !old || library ||
               threadOffset(shift, s->size, s->align) ==
                   threadOffset(0, t.appSize, t.appAlign);
  if (!keeps)
    return makeError(c.image.path + ": new thread-locals with alignment " +
                     Twine(s->align) + " would move the app's own");

  uint64_t offset = out.tailOffset + *tailOffsetOf(out, c.patch, s->address);
  Phdr fresh = makeSegment(PT_TLS, old ? old->p_flags : PF_R, s->address,
                           offset, s->size, s->size,
                           std::max(s->align, t.align));
  if (!old) {
    out.segments.push_back(fresh);
    return Error::success();
  }
  for (Phdr &p : out.segments)
    if (p.p_type == PT_TLS)
      p = fresh;
  // The old template is plain data now: nothing reads it, but its relocations
  // are still applied. Its .tbss never had room of its own.
  for (OutputSection &section : out.sections)
    if (section.original >= 0 && (section.header.sh_flags & SHF_TLS)) {
      section.header.sh_flags &= ~uint64_t(SHF_TLS);
      if (section.header.sh_type == SHT_NOBITS)
        section.header.sh_size = 0;
    }
  return Error::success();
}

} // namespace relink
