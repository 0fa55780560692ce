//===- Padding.cpp - Room for a jump between the app's functions ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Padding.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Padding beyond this is not looked at.
constexpr uint64_t mostPadding = pageSize;

std::optional<RedirectSite> siteOf(const Image &image, const Extent &function) {
  RedirectSite site;
  site.entry = function.start;
  site.body = image.bytesAt(function.start, function.end - function.start);
  if (site.body.empty())
    return std::nullopt;
  uint64_t offset = *image.fileOffset(site.entry);
  uint64_t lead =
      std::min<uint64_t>(offset - image.loadAt(site.entry)->p_offset, 16);
  site.before = image.bytes().slice(offset - lead, lead);
  return site;
}

/// Bytes of no section, between two of them: zeros, or what linkers fill code
/// with.
static uint64_t slackLength(const Target &target, ArrayRef<uint8_t> bytes) {
  if (all_of(bytes, [](uint8_t b) { return b == 0; }))
    return bytes.size();
  return target.paddingLength(bytes, {});
}

/// Usable bytes at the start of \p g.
static uint64_t usableLength(const Image &image, const Target &target,
                             const Gap &g) {
  ArrayRef<uint8_t> bytes = image.bytesFrom(g.start);
  uint64_t inSection = g.end - g.start;
  if (inSection > mostPadding || inSection > bytes.size())
    return 0;
  ArrayRef<uint8_t> following =
      g.slackEnd > g.end ? ArrayRef<uint8_t>() : bytes.drop_front(inSection);
  uint64_t length = inSection
                        ? target.paddingLength(bytes.take_front(inSection),
                                               following.take_front(16))
                        : 0;
  if (length < inSection || g.slackEnd == g.end)
    return length;
  ArrayRef<uint8_t> slack = bytes.drop_front(inSection)
                                .take_front(std::min(g.slackEnd - g.end,
                                                     mostPadding));
  return length + slackLength(target, slack);
}

Padding::Padding(const Image &image, const Target &target, const CodeMap &map)
    : image(image), target(target) {
  for (const Gap &g : map.gaps(image))
    if (uint64_t size = usableLength(image, target, g))
      pads[g.start] = {size, g.owner, Proof::Unknown};
}

Extent Padding::windowAround(const Extent &f) {
  uint64_t margin = mostPadding + pageSize;
  return {f.start - std::min(f.start, margin), f.end + margin};
}

uint64_t Padding::behind(uint64_t end) const {
  auto it = pads.find(end);
  return it == pads.end() ? 0 : it->second.size;
}

/// Whether execution can't run from the function in front into the padding. A
/// call at a function's end does not return.
bool Padding::isCertain(Pad &pad) const {
  if (pad.proof != Proof::Unknown)
    return pad.proof == Proof::Certain;
  pad.proof = Proof::Doubtful;
  uint64_t start = pad.owner.start, size = pad.owner.end - start;
  ArrayRef<uint8_t> code = image.bytesAt(start, size);
  if (code.empty())
    return false;
  Instruction i;
  for (uint64_t at = 0; at < size; at += i.size)
    if (!target.decode(code.drop_front(at), start + at, i))
      return false;
  if (i.endsFlow || i.isCall)
    pad.proof = Proof::Certain;
  return pad.proof == Proof::Certain;
}

std::vector<Cave> Padding::near(uint64_t entry) {
  std::vector<Cave> out;
  uint64_t reach = target.caveReach();
  uint64_t low = entry - std::min(entry, reach + mostPadding * 2);
  for (auto it = pads.lower_bound(low); it != pads.end(); ++it) {
    if (it->first > entry + reach)
      break;
    if (it->first + it->second.size + reach >= entry && isCertain(it->second))
      out.push_back({it->first, it->second.size});
  }
  return out;
}

/// A jump that is longer than its function begins in front of the padding.
void Padding::take(uint64_t address, uint64_t size) {
  uint64_t taken = address + size;
  auto it = pads.upper_bound(address);
  if (it != pads.begin())
    --it;
  while (it != pads.end() && it->first < taken) {
    uint64_t begin = it->first;
    Pad pad = it->second;
    uint64_t end = begin + pad.size;
    if (end <= address) {
      ++it;
      continue;
    }
    if (begin < address)
      (it++)->second.size = address - begin;
    else
      it = pads.erase(it);
    if (taken < end) {
      pad.size = end - taken;
      pads[taken] = pad;
      break;
    }
  }
}

} // namespace relink
