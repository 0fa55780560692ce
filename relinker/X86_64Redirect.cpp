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
  }
  llvm_unreachable("all methods are named");
}

namespace {

constexpr uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

bool startsWithEndbr(ArrayRef<uint8_t> bytes) {
  return bytes.take_front(sizeof(endbr64)).equals(endbr64);
}

bool allNops(ArrayRef<uint8_t> bytes) {
  return all_of(bytes, [](uint8_t b) { return b == 0x90; });
}

/// Refuses when a direct jump of \p body lands inside [from, to), which the
/// redirect overwrites. A jump to `from` itself is fine: it finds the redirect.
Error checkNoJumpInto(const Target &target, uint64_t entry,
                      ArrayRef<uint8_t> body, uint64_t from, uint64_t to) {
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

} // namespace

Expected<Redirect> planRedirectX86_64(const Target &target, uint64_t entry,
                                      ArrayRef<uint8_t> body,
                                      ArrayRef<uint8_t> before,
                                      uint64_t padding, uint64_t destination) {
  // endbr64 stays: with IBT, indirect calls must land on it.
  uint64_t skip = startsWithEndbr(body) ? sizeof(endbr64) : 0;
  ArrayRef<uint8_t> rest = body.drop_front(skip);
  uint64_t at = entry + skip;
  auto nearJump = [&](uint64_t place) {
    SmallVector<uint8_t, 8> bytes(5, 0xe9);
    write32le(&bytes[1], uint32_t(destination - (place + 5)));
    return bytes;
  };
  auto inReach = [&](uint64_t place) {
    return isInt<32>(int64_t(destination - (place + 5)));
  };

  // -fpatchable-function-entry=N,M: M nops in front of the entry and, behind
  // any endbr64, at least two nop bytes (66 90, or 90 90 from gcc 12).
  bool shortSlot = rest.size() >= 2 && (rest[0] == 0x66 || rest[0] == 0x90) &&
                   rest[1] == 0x90;
  size_t prefix = before.size();
  while (prefix && before[prefix - 1] == 0x90)
    --prefix;
  prefix = before.size() - prefix;
  if (shortSlot && prefix >= 5 && inReach(entry - 6)) {
    Redirect r;
    r.method = RedirectMethod::HotPatch;
    uint64_t pad = entry - std::min<size_t>(prefix, 6);
    r.writes.push_back({pad, nearJump(pad)});
    r.writes.push_back(
        {at, {0xeb, uint8_t(int8_t(int64_t(pad) - int64_t(at + 2)))}});
    return r;
  }
  if (!inReach(at))
    return makeError("the new body at " + hex(destination) +
                     " is out of a near jump's reach (2 GiB) from " + hex(at));
  if (rest.size() + padding < 5)
    return makeError("it has " + Twine(body.size()) + " bytes" +
                     (padding ? " and " + std::to_string(padding) +
                                    " of padding behind them"
                              : "") +
                     ", and a jump" + (skip ? " behind its endbr64" : "") +
                     " needs " + Twine(skip + 5));
  Redirect r;
  r.method = rest.size() >= 5 && allNops(rest.take_front(5))
                 ? RedirectMethod::HotPatch
                 : RedirectMethod::NearJump;
  if (Error e = checkNoJumpInto(target, entry, body, at, at + 5))
    return e;
  r.writes.push_back({at, nearJump(at)});
  return r;
}

/// Assemblers pad with the long nops (66..., 0f 1f), linkers with int3 or nop;
/// five or more one-byte nops in front of a function are its own, put there by
/// -fpatchable-function-entry.
uint64_t paddingLengthX86_64(const Target &target, ArrayRef<uint8_t> bytes) {
  uint64_t at = 0, oneByteNops = 0;
  while (at < bytes.size() && at < 64) {
    Instruction i;
    uint8_t first = bytes[at];
    if (first == 0xcc) {
      ++at;
      oneByteNops = 0;
      continue;
    }
    bool maybeNop = first == 0x90 || first == 0x66 || first == 0x2e ||
                    (first == 0x0f && at + 1 < bytes.size() &&
                     bytes[at + 1] == 0x1f);
    if (!maybeNop || !target.decode(bytes.drop_front(at), at, i) || !i.isNop)
      break;
    oneByteNops = i.size == 1 ? oneByteNops + 1 : 0;
    at += i.size;
  }
  return oneByteNops >= 5 ? at - oneByteNops : at;
}

} // namespace relink
