//===- X86_64Redirect.cpp - x86-64: jumps at a function's entry -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "X86_64.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using support::endian::read32le;
using support::endian::write32le;

namespace relink {

StringRef toString(RedirectMethod method) {
  switch (method) {
  case RedirectMethod::InPlace:
    return "in place";
  case RedirectMethod::HotPatch:
    return "hot-patch nops";
  case RedirectMethod::NearJump:
    return "near jump";
  case RedirectMethod::ShortJump:
    return "short jump";
  case RedirectMethod::Relinked:
    return "linked again";
  }
  llvm_unreachable("all methods are named");
}

namespace {

/// With IBT, indirect calls must land on this instruction.
constexpr uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
constexpr uint64_t nearSize = 5, shortSize = 2; ///< bytes of a jump

bool allNops(ArrayRef<uint8_t> bytes) {
  return all_of(bytes, [](uint8_t b) { return b == 0x90; });
}

/// A two-byte nop, as -fpatchable-function-entry puts it at the entry (66 90,
/// or 90 90 from gcc 12).
bool startsWithShortNop(ArrayRef<uint8_t> code) {
  return code.size() >= 2 && (code[0] == 0x66 || code[0] == 0x90) &&
         code[1] == 0x90;
}

/// Whether any bytes of \p body, wherever instructions begin, encode a direct
/// jump into (from, to); offsets in the body. All of them end in an 8-bit or
/// 32-bit field.
bool mayJumpInto(ArrayRef<uint8_t> body, int64_t from, int64_t to) {
  auto inside = [&](int64_t target) { return target > from && target < to; };
  for (int64_t i = 0, size = body.size(); i < size; ++i) {
    if (i > 0 && isShortJumpX86_64(body[i - 1]) &&
        inside(i + 1 + int8_t(body[i])))
      return true;
    if (i + 4 <= size && inside(i + 4 + int32_t(read32le(&body[i]))) &&
        fieldUseX86_64(body.take_front(i)) == FieldUse::Branch)
      return true;
  }
  return false;
}

/// Refuses when a direct jump of \p body lands inside [from, to), which the
/// redirect overwrites. A jump to `from` itself is fine: it finds the redirect.
Error checkNoJumpInto(const Target &target, uint64_t entry,
                      ArrayRef<uint8_t> body, uint64_t from, uint64_t to) {
  if (!mayJumpInto(body, from - entry, to - entry))
    return Error::success();
  for (uint64_t at = 0; at < body.size();) {
    Instruction i;
    if (!target.decode(body.drop_front(at), entry + at, i))
      return makeError("its code at " + hex(entry + at) +
                       " is no x86-64 instruction, so jumps into its entry "
                       "can't be excluded");
    if (i.branchTarget && !i.isCall && *i.branchTarget > from &&
        *i.branchTarget < to)
      return makeError("the instruction at " + hex(i.address) +
                       " jumps to " + hex(*i.branchTarget) +
                       ", into the bytes a jump at its entry would overwrite");
    at += i.size;
  }
  return Error::success();
}

/// Plans the redirect of one function, in the order in which methods are
/// preferred.
class Planner {
public:
  Planner(const Target &target, const RedirectSite &site, uint64_t destination)
      : target(target), site(site), destination(destination),
        // endbr64 stays: with IBT, indirect calls must land on it.
        skip(isLandingPadX86_64(site.body) ? sizeof(endbr64) : 0),
        at(site.entry + skip), rest(site.body.drop_front(skip)) {}
  Expected<Redirect> plan() const;

private:
  std::optional<Redirect> planHotPatch() const;
  Error checkNearJump() const;
  std::optional<uint64_t> placeInCave() const;
  Expected<Redirect> planShortJump(Error whyNotNear) const;

  bool inReach(uint64_t place) const {
    return isInt<32>(int64_t(destination - (place + nearSize)));
  }
  SmallVector<uint8_t, 8> nearJump(uint64_t place) const {
    SmallVector<uint8_t, 8> bytes(nearSize, 0xe9);
    write32le(&bytes[1], uint32_t(destination - (place + nearSize)));
    return bytes;
  }
  SmallVector<uint8_t, 8> shortJump(uint64_t to) const {
    return {0xeb, uint8_t(int8_t(int64_t(to - (at + shortSize))))};
  }

  const Target &target;
  const RedirectSite &site;
  uint64_t destination, skip, at;
  ArrayRef<uint8_t> rest; ///< the body from `at` on
};

/// -fpatchable-function-entry=N,M: M nops in front of the entry and, behind
/// any endbr64, at least two nop bytes.
std::optional<Redirect> Planner::planHotPatch() const {
  ArrayRef<uint8_t> before = site.before;
  size_t prefix = before.size();
  while (prefix && before[prefix - 1] == 0x90)
    --prefix;
  prefix = before.size() - prefix;
  if (!startsWithShortNop(rest) || prefix < nearSize || !inReach(site.entry - 6))
    return std::nullopt;
  Redirect r;
  r.method = RedirectMethod::HotPatch;
  uint64_t pad = site.entry - std::min<size_t>(prefix, 6);
  r.writes.push_back({pad, nearJump(pad)});
  r.writes.push_back({at, shortJump(pad)});
  return r;
}

Error Planner::checkNearJump() const {
  if (!inReach(at))
    return makeError("the new body at " + hex(destination) +
                     " is out of a near jump's reach (2 GiB) from " + hex(at));
  if (rest.size() + site.padding < nearSize)
    return makeError("it has " + Twine(site.body.size()) + " bytes" +
                     (site.padding ? " and " + std::to_string(site.padding) +
                                         " of padding behind them"
                                   : "") +
                     ", and a jump" + (skip ? " behind its endbr64" : "") +
                     " needs " + Twine(skip + nearSize));
  return checkNoJumpInto(target, site.entry, site.body, at, at + nearSize);
}

/// Where a near jump fits that a short jump at the entry reaches.
std::optional<uint64_t> Planner::placeInCave() const {
  uint64_t from = at + shortSize, own = at + shortSize;
  uint64_t low = from - std::min<uint64_t>(from, 128), high = from + 127;
  for (const Cave &c : site.caves) {
    uint64_t place = std::max(c.address, low);
    // The short jump itself may need the first of the padding behind.
    if (place < own && place + nearSize > at)
      place = own;
    if (place <= high && place + nearSize <= c.address + c.size &&
        inReach(place))
      return place;
  }
  return std::nullopt;
}

Expected<Redirect> Planner::planShortJump(Error whyNotNear) const {
  std::string why = toString(std::move(whyNotNear));
  if (rest.size() + site.padding < shortSize)
    return makeError(why + "; a short jump needs " + Twine(skip + shortSize));
  auto place = placeInCave();
  if (!place)
    return makeError(why + "; a short jump finds no padding of " +
                     Twine(nearSize) + " bytes within its reach");
  if (Error e = checkNoJumpInto(target, site.entry, site.body, at,
                                at + shortSize))
    return e;
  Redirect r;
  r.method = RedirectMethod::ShortJump;
  r.writes.push_back({at, shortJump(*place)});
  r.writes.push_back({*place, nearJump(*place)});
  llvm::sort(r.writes);
  return r;
}

Expected<Redirect> Planner::plan() const {
  if (auto redirect = planHotPatch())
    return std::move(*redirect);
  if (Error e = checkNearJump())
    return planShortJump(std::move(e));
  Redirect r;
  r.method = rest.size() >= nearSize && allNops(rest.take_front(nearSize))
                 ? RedirectMethod::HotPatch
                 : RedirectMethod::NearJump;
  r.writes.push_back({at, nearJump(at)});
  return r;
}

} // namespace

/// call, jmp: e8, e9; jcc: 0f 8x; xbegin: c7 f8. A PC-relative operand's field
/// follows a ModRM byte with mod 0 and r/m 5 (Intel SDM, volume 2, table 2-7).
FieldUse fieldUseX86_64(ArrayRef<uint8_t> before) {
  if (before.empty())
    return FieldUse::None;
  uint8_t last = before.back(),
          first = before.size() > 1 ? before[before.size() - 2] : 0;
  if ((last & 0xfe) == 0xe8 || (first == 0x0f && last >> 4 == 8) ||
      (first == 0xc7 && last == 0xf8))
    return FieldUse::Branch;
  return (last & 0xc7) == 0x05 ? FieldUse::Operand : FieldUse::None;
}

/// jmp: eb; jcc: 7x; loop and jrcxz: e0 to e3.
bool isShortJumpX86_64(uint8_t opcode) {
  return opcode == 0xeb || opcode >> 4 == 7 || (opcode & 0xfc) == 0xe0;
}

bool isLandingPadX86_64(ArrayRef<uint8_t> code) {
  return code.take_front(sizeof(endbr64)).equals(endbr64);
}

Expected<Redirect> planRedirectX86_64(const Target &target,
                                      const RedirectSite &site,
                                      uint64_t destination) {
  return Planner(target, site, destination).plan();
}

/// Assemblers pad with the long nops (66..., 0f 1f), linkers with int3 or nop.
/// One-byte nops in front of a function are its own where there are five or
/// more or where it starts with a nop: -fpatchable-function-entry put them
/// there.
uint64_t paddingLengthX86_64(const Target &target, ArrayRef<uint8_t> gap,
                             ArrayRef<uint8_t> following) {
  uint64_t at = 0, oneByteNops = 0;
  while (at < gap.size()) {
    Instruction i;
    uint8_t first = gap[at];
    if (first == 0xcc) {
      ++at;
      oneByteNops = 0;
      continue;
    }
    bool maybeNop = first == 0x90 || first == 0x66 || first == 0x2e ||
                    (first == 0x0f && at + 1 < gap.size() &&
                     gap[at + 1] == 0x1f);
    if (!maybeNop || !target.decode(gap.drop_front(at), at, i) || !i.isNop)
      return 0;
    oneByteNops = i.size == 1 ? oneByteNops + 1 : 0;
    at += i.size;
  }
  uint64_t skip = isLandingPadX86_64(following) ? sizeof(endbr64) : 0;
  bool owned = oneByteNops >= nearSize ||
               startsWithShortNop(following.drop_front(skip));
  return owned ? at - oneByteNops : at;
}

} // namespace relink
