//===- SpliceRedirects.cpp - The entries of replaced functions ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Bytes behind a function's end that belong to nothing: alignment padding in
/// its section, or the gap between its section and the next.
static uint64_t paddingBehind(const SpliceContext &c, uint64_t end) {
  const Image &image = c.image;
  if (c.unwind.find(image, end))
    return 0;
  const Section *home = image.sectionAt(end - 1);
  if (!home || end < home->address + home->size) {
    ArrayRef<uint8_t> bytes = image.bytesFrom(end);
    return c.target.paddingLength(
        home ? bytes.take_front(home->address + home->size - end) : bytes);
  }
  uint64_t next = UINT64_MAX;
  for (const Section &s : image.sections)
    if (s.isAlloc() && s.size && s.address >= end)
      next = std::min(next, s.address);
  ArrayRef<uint8_t> gap = image.bytesFrom(end);
  gap = gap.take_front(std::min<uint64_t>(next - end, 64));
  return next == UINT64_MAX ? 0
                            : std::distance(gap.begin(), find_if(gap, [](uint8_t b) {
                                              return b != 0;
                                            }));
}

Error redirectEntries(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  for (const Replacement &r : c.plan.replacements) {
    const PatchSymbol *body = c.patch.symbol(r.linkName);
    const PatchSymbol *entry = c.patch.symbol(r.entryName);
    if (!body || !body->section || !entry)
      return makeError(image.path + ": the new body of " + r.body->name +
                       " is missing from the link");
    ReplacedFunction done;
    done.name = r.body->name;
    done.oldAddress = r.address;
    done.oldSize = r.size;
    done.newAddress = body->value;
    done.newSize = r.body->size;
    if (r.preserved)
      done.preserved = c.target.describe(r.preserved);
    auto offset = image.fileOffset(r.address);
    if (!offset)
      return makeError(image.path + ": " + r.body->name + " at " +
                       hex(r.address) + " has no bytes in the file");
    if (r.inPlace) {
      std::vector<uint8_t> bytes(body->section->data);
      bytes.resize(r.size, c.target.trapByte());
      done.newAddress = r.address;
      done.method = RedirectMethod::InPlace;
      if (ArrayRef(bytes).equals(image.bytesAt(r.address, r.size))) {
        out.unchanged.push_back(r.body->name);
        continue;
      }
      out.edit(*offset, bytes, "body of " + r.body->name);
      out.replaced.push_back(done);
      continue;
    }
    ArrayRef<uint8_t> code = image.bytesAt(r.address, r.size);
    uint64_t lead = std::min<uint64_t>(*offset - image.loadAt(r.address)->p_offset,
                                       16);
    uint64_t padding = paddingBehind(c, r.address + r.size);
    auto redirect = c.target.planRedirect(
        r.address, code, image.bytes().slice(*offset - lead, lead), padding,
        entry->value);
    if (!redirect)
      return makeError(image.path + ": " + r.body->name + " at " +
                       hex(r.address) + " can't be redirected: " +
                       toString(redirect.takeError()) +
                       "\n>>> remedy: replace its callers instead, or rebuild "
                       "with -fpatchable-function-entry");
    for (auto &[address, bytes] : redirect->writes)
      out.edit(*image.fileOffset(address), bytes, "entry of " + r.body->name);
    done.method = redirect->method;
    out.replaced.push_back(done);
  }
  return Error::success();
}

} // namespace relink
