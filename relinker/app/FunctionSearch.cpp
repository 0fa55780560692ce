//===- FunctionSearch.cpp - Functions of a stripped program ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionSearch.h"
#include "RelocationTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

FunctionSearch::FunctionSearch(const Image &image, const UnwindTable &unwind)
    : image(image) {
  if (!unwind.readable)
    return;
  for (uint64_t i = 0; i < unwind.rows; ++i)
    if (auto fde = unwind.fdeOf(image, i))
      bySize.push_back({fde->size, fde->start});
  llvm::sort(bySize);
}

/// Bytes in front of a field, and from its start on, that the linker may write.
/// An instruction that it relaxes starts up to four bytes in front of the field; a
/// call of a TLS sequence ends behind it.
static std::pair<uint64_t, uint64_t> rewritten(uint32_t type) {
  switch (type) {
  case R_X86_64_GOTPCREL:
  case R_X86_64_GOTPCRELX:
  case R_X86_64_REX_GOTPCRELX:
  case R_X86_64_GOTTPOFF:
  case R_X86_64_TLSGD:
  case R_X86_64_TLSLD:
  case R_X86_64_GOTPC32_TLSDESC:
  case R_X86_64_TLSDESC_CALL:
    return {4, 8};
  default:
    return {0, fieldSize(type)};
  }
}

/// The longest run of bytes that the linker leaves alone.
static std::pair<uint64_t, uint64_t> longestRun(const ObjectSymbol &f,
                                                uint64_t *total) {
  uint64_t at = f.value, end = f.value + f.size, sum = 0;
  std::pair<uint64_t, uint64_t> best = {at, at};
  auto run = [&](uint64_t to) {
    if (to > at) {
      sum += to - at;
      if (to - at > best.second - best.first)
        best = {at, to};
    }
  };
  for (const ObjectRelocation &r : f.section->relocations) {
    if (r.offset < f.value || r.offset >= end)
      continue;
    auto [before, from] = rewritten(r.type);
    run(r.offset - std::min(r.offset, before));
    at = std::max(at, r.offset + from);
  }
  run(end);
  if (total)
    *total = sum;
  return best;
}

uint64_t FunctionSearch::fixedBytes(const ObjectSymbol &f) {
  uint64_t total = 0;
  longestRun(f, &total);
  return total;
}

std::vector<uint64_t> FunctionSearch::scan(const ObjectSymbol &f) const {
  std::vector<uint64_t> out;
  auto [from, to] = longestRun(f, nullptr);
  if (to - from < 8 || to > f.section->data.size())
    return out;
  StringRef needle = toStringRef(ArrayRef(f.section->data).slice(from, to - from));
  constexpr size_t most = 64; // a needle found more often proves nothing
  for (const Phdr &p : image.segments) {
    if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
      continue;
    StringRef code = toStringRef(image.bytesAt(p.p_vaddr, p.p_filesz));
    for (size_t at = code.find(needle);
         at != StringRef::npos && out.size() < most;
         at = code.find(needle, at + 1))
      if (at >= from - f.value)
        out.push_back(p.p_vaddr + at - (from - f.value));
  }
  return out;
}

std::vector<uint64_t> FunctionSearch::candidates(const ObjectSymbol &f) const {
  auto first = partition_point(
      bySize, [&](const auto &entry) { return entry.first < f.size; });
  std::vector<uint64_t> out;
  for (; first != bySize.end() && first->first == f.size; ++first)
    out.push_back(first->second);
  return out.empty() ? scan(f) : out;
}

} // namespace relink
