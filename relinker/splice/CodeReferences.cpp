//===- CodeReferences.cpp - What in the app's code leads to a function ----===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeReferences.h"
#include "AddressMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {
namespace {

/// Bytes that may be a field which leads to `target`.
struct Candidate {
  uint64_t place = 0, target = 0;
  unsigned size = 4; ///< bytes of the field
  bool operator<(const Candidate &o) const {
    return std::tie(place, target) < std::tie(o.place, o.target);
  }
};

class Scanner {
public:
  Scanner(const Image &image, const Target &target,
          const AddressSet &wanted, bool anything)
      : image(image), target(target), wanted(wanted), anything(anything) {
    low = UINT64_MAX;
    for (uint64_t a : wanted) {
      low = std::min(low, a);
      high = std::max(high, a);
    }
  }
  std::vector<Candidate> run();

private:
  void scanFields(uint64_t base, ArrayRef<uint8_t> code);
  void scanShortJumps(uint64_t base, ArrayRef<uint8_t> code);
  void scanConstants(uint64_t base, ArrayRef<uint8_t> code);
  void consider(uint64_t base, ArrayRef<uint8_t> code, uint64_t i);
  void note(uint64_t place, uint64_t target, unsigned size) {
    if (wanted.contains(target))
      found.push_back({place, target, size});
  }

  const Image &image;
  const Target &target;
  const AddressSet &wanted;
  bool anything;
  uint64_t low = 0, high = 0; ///< of the wanted addresses
  std::vector<Candidate> found;
};

constexpr size_t block = 256; ///< bytes looked at together

/// Whether any of the fields that start in the block at \p p ends, counted
/// modulo 2^32, within \p span of where \p bias says. The loop is there to be
/// vectorised.
bool anyLeadsNear(const uint8_t *p, uint32_t bias, uint32_t span) {
  uint32_t any = 0;
  for (uint32_t i = 0; i < block; ++i) {
    uint32_t field;
    memcpy(&field, p + i, 4);
    any |= uint32_t(field + i + bias) <= span;
  }
  return any;
}

void Scanner::consider(uint64_t base, ArrayRef<uint8_t> code, uint64_t i) {
  uint64_t end = base + i + 4, to = end + int64_t(int32_t(read32le(&code[i])));
  switch (target.fieldUse(code.take_front(i))) {
  case FieldUse::None:
    break;
  case FieldUse::Branch:
    note(base + i, to, 4);
    break;
  case FieldUse::Operand:
    if (anything)
      for (unsigned behind : {0, 1, 2, 4})
        note(base + i, to + behind, 4);
    break;
  }
}

void Scanner::scanFields(uint64_t base, ArrayRef<uint8_t> code) {
  // A target beyond 2 GiB makes the filter useless, not wrong.
  uint64_t span = high - low + 4;
  uint32_t span32 = span > UINT32_MAX ? UINT32_MAX : span;
  uint64_t i = 0, size = code.size();
  for (; i + block + 4 <= size; i += block)
    if (anyLeadsNear(&code[i], uint32_t(base + i + 4 - low + 4), span32))
      for (uint64_t j = i; j < i + block; ++j)
        consider(base, code, j);
  for (; i + 4 <= size; ++i)
    consider(base, code, i);
}

/// Short jumps reach 128 bytes.
void Scanner::scanShortJumps(uint64_t base, ArrayRef<uint8_t> code) {
  for (uint64_t w : wanted) {
    uint64_t first = w - std::min<uint64_t>(w, 129), last = w + 128;
    for (uint64_t a = std::max(first, base); a < last; ++a) {
      uint64_t i = a - base;
      if (i + 2 > code.size())
        break;
      if (target.isShortJump(code[i]) &&
          a + 2 + int64_t(int8_t(code[i + 1])) == w)
        found.push_back({a + 1, w, 1});
    }
  }
}

/// An address as a 32-bit constant, in a program at fixed addresses.
void Scanner::scanConstants(uint64_t base, ArrayRef<uint8_t> code) {
  for (uint64_t i = 0; i + 4 <= code.size(); ++i) {
    uint32_t value = read32le(&code[i]);
    if (value >= low && value <= high)
      note(base + i, value, 4);
  }
}

std::vector<Candidate> Scanner::run() {
  if (wanted.empty())
    return {};
  for (const Phdr &p : image.segments) {
    if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
      continue;
    ArrayRef<uint8_t> code = image.bytesAt(p.p_vaddr, p.p_filesz);
    scanFields(p.p_vaddr, code);
    if (!anything)
      continue;
    scanShortJumps(p.p_vaddr, code);
    if (!image.isPositionIndependent())
      scanConstants(p.p_vaddr, code);
  }
  llvm::sort(found);
  return std::move(found);
}

/// Instructions of \p function that lead to a wanted address; nothing when it
/// can't be decoded to its end.
std::optional<std::vector<CodeReference>>
decodeFunction(const Image &image, const Target &target, const Extent &function,
               const AddressSet &wanted) {
  ArrayRef<uint8_t> code =
      image.bytesAt(function.start, function.end - function.start);
  if (code.empty())
    return std::nullopt;
  std::vector<CodeReference> out;
  Instruction i;
  uint64_t entry = 0;
  for (uint64_t at = 0; at < code.size(); at += i.size) {
    if (!target.decode(code.drop_front(at), function.start + at, i))
      return std::nullopt;
    if (at == 0 && target.isLandingPad(code))
      entry = i.size;
    auto to = i.branchTarget ? i.branchTarget : i.memoryTarget;
    if (to && wanted.contains(*to))
      out.push_back({i.address + i.fieldOffset, *to, true,
                     at == entry && i.isBranch && !i.isConditional,
                     i.branchTarget && i.fieldSize == 4 &&
                         i.fieldOffset + 4 == i.size});
  }
  return out;
}

std::vector<CodeReference> find(const Image &image, const UnwindTable &unwind,
                                const Target &target,
                                const AddressSet &wanted,
                                bool anything) {
  std::vector<Candidate> candidates = Scanner(image, target, wanted, anything).run();
  std::vector<Extent> windows;
  for (const Candidate &c : candidates)
    windows.push_back({c.place, c.place + 1});
  CodeMap map = CodeMap::read(image, unwind, std::move(windows));
  std::vector<CodeReference> out;
  for (size_t i = 0; i < candidates.size();) {
    const Extent *function = map.containing(candidates[i].place);
    size_t end = i + 1;
    while (function && end < candidates.size() &&
           map.containing(candidates[end].place) == function)
      ++end;
    ArrayRef<Candidate> here = ArrayRef(candidates).slice(i, end - i);
    i = end;
    auto known = function ? decodeFunction(image, target, *function, wanted)
                          : std::nullopt;
    if (known) {
      out.insert(out.end(), known->begin(), known->end());
      // A constant is no operand that decoding tells of.
      for (const Candidate &c : here)
        if (!image.isPositionIndependent() && anything && c.size == 4 &&
            read32le(image.bytesAt(c.place, 4).data()) == c.target)
          out.push_back({c.place, c.target, false, false, false});
      continue;
    }
    for (const Candidate &c : here)
      out.push_back({c.place, c.target, false, false, false});
  }
  llvm::sort(out, [](const CodeReference &a, const CodeReference &b) {
    return a.place < b.place;
  });
  return out;
}

} // namespace

std::vector<CodeReference>
findDirectBranches(const Image &image, const UnwindTable &unwind,
                   const Target &target, const AddressSet &wanted) {
  std::vector<CodeReference> out = find(image, unwind, target, wanted, false);
  erase_if(out, [](const CodeReference &r) { return !r.isBranch; });
  // Two views of the same bytes: neither is certain.
  std::vector<CodeReference> alone;
  for (size_t i = 0; i < out.size(); ++i)
    if ((i == 0 || out[i - 1].place + 4 <= out[i].place) &&
        (i + 1 == out.size() || out[i].place + 4 <= out[i + 1].place))
      alone.push_back(out[i]);
  return alone;
}

std::vector<CodeReference>
findCodeReferences(const Image &image, const UnwindTable &unwind,
                   const Target &target, const AddressSet &wanted) {
  return find(image, unwind, target, wanted, true);
}

} // namespace relink
