//===- UnitFilter.cpp - Which units could speak of something --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "UnitFilter.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"
#include "llvm/Support/Endian.h"

using namespace llvm;

namespace relink {

void WordSet::add(ArrayRef<uint32_t> more) {
  words.insert(words.end(), more.begin(), more.end());
  llvm::sort(words);
  words.erase(llvm::unique(words), words.end());
  // 32 bits for each word: one look-up in 32 goes on to the binary search.
  unsigned log = std::clamp<unsigned>(Log2_64_Ceil(words.size() * 32), 6, 28);
  shift = 32 - log;
  bits.assign((size_t(1) << log) / 64, 0);
  for (uint32_t word : words) {
    uint32_t bit = (word * 0x9e3779b1u) >> shift;
    bits[bit / 64] |= uint64_t(1) << (bit % 64);
  }
}

bool WordSet::isThere(uint32_t word) const {
  return std::binary_search(words.begin(), words.end(), word);
}

bool WordSet::isIn(StringRef bytes) const {
  if (words.empty())
    return false;
  for (size_t i = 0; i + 4 <= bytes.size(); ++i)
    if (contains(support::endian::read32le(bytes.data() + i)))
      return true;
  return false;
}

NameEnds::NameEnds(const StringSet<> &names) : nodes(1) {
  for (const auto &entry : names) {
    uint32_t at = 0;
    for (char c : reverse(entry.first())) {
      auto it = find_if(nodes[at].next, [&](auto &n) { return n.first == c; });
      if (it != nodes[at].next.end()) {
        at = it->second;
        continue;
      }
      nodes[at].next.push_back({c, uint32_t(nodes.size())});
      at = nodes.size();
      nodes.emplace_back();
    }
    nodes[at].isName = !entry.first().empty();
    if (!entry.first().empty())
      lastLetters[uint8_t(entry.first().back())] = true;
  }
}

template <typename F>
void NameEnds::forEach(StringRef bytes, size_t end, F visit) const {
  if (!end || !lastLetters[uint8_t(bytes[end - 1])])
    return;
  uint32_t at = 0;
  for (size_t length = 1; length <= end; ++length) {
    char c = bytes[end - length];
    auto it = find_if(nodes[at].next, [&](auto &n) { return n.first == c; });
    if (it == nodes[at].next.end())
      return;
    at = it->second;
    if (nodes[at].isName)
      visit(length);
  }
}

/// Where the names are in the file's .debug_str.
const WordSet &UnitFilter::offsetsIn(const DwarfFile &file, bool split) {
  auto [it, isNew] = offsets.try_emplace(&file);
  if (!isNew)
    return it->second;
  StringRef strings = file.section("str", split);
  std::vector<uint32_t> found;
  for (size_t end = strings.find('\0'); end != StringRef::npos;
       end = strings.find('\0', end + 1))
    ends.forEach(strings, end,
                 [&](size_t length) { found.push_back(end - length); });
  it->second.add(found);
  return it->second;
}

/// DW_FORM_string, which gcc takes for names of up to three characters.
bool UnitFilter::hasInlineName(StringRef bytes) const {
  bool found = false;
  for (size_t end = 1; end < bytes.size() && !found; ++end)
    if (bytes[end] == 0)
      ends.forEach(bytes, end, [&](size_t) { found = true; });
  return found;
}

bool UnitFilter::mayName(const DebugUnit &u) {
  const WordSet &wanted = offsetsIn(*u.file, u.unit->isDWOUnit());
  StringRef bytes = u.bytes();
  if (wanted.isIn(bytes) || hasInlineName(bytes))
    return true;
  // DW_FORM_strx: the unit's part of .debug_str_offsets.
  if (u.unit->getVersion() < 5 && !u.unit->isDWOUnit())
    return false;
  auto part = u.unit->getStringOffsetsTableContribution();
  StringRef table = u.unit->getStringOffsetSection().Data;
  return part && wanted.isIn(table.substr(part->Base, part->Size));
}

} // namespace relink
