//===- SpliceRedirects.cpp - The entries of replaced functions ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Padding.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

namespace {

/// Redirects that need padding wait until the others are known, and those that
/// need a cave until all padding behind functions is taken that has to be.
class Redirector {
public:
  Redirector(const SpliceContext &c, Output &out)
      : c(c), image(c.image), out(out), done(c.plan.replacements.size()) {}
  Error run();

private:
  struct Outcome {
    ReplacedFunction function;
    Extent place;             ///< the code whose entry is redirected,
    uint64_t destination = 0; ///< and where to
    bool redirected = false, unchanged = false;
    std::string whyNot;
  };
  Error begin(const Replacement &r, Outcome &o);
  std::optional<uint64_t> jumpAt(uint64_t at, bool *isShort) const;
  std::optional<uint64_t> earlierRedirect(uint64_t at) const;
  Error followEarlierPatch(const Replacement &r, Outcome &o) const;
  void overwrite(const Replacement &r, const PatchSymbol &body, Outcome &o);
  Error plan(const Replacement &r, Outcome &o, bool withCaves);
  void readPadding();

  const SpliceContext &c;
  const Image &image;
  Output &out;
  std::vector<Outcome> done;
  std::optional<Padding> padding;
};

Error Redirector::begin(const Replacement &r, Outcome &o) {
  const PatchSymbol *body = c.patch.symbol(r.linkName);
  const PatchSymbol *entry = c.patch.symbol(r.entryName);
  if (!body || !body->section || !entry)
    return makeError(image.path + ": the new body of " + r.body->name +
                     " is missing from the link");
  if (!image.fileOffset(r.address))
    return makeError(image.path + ": " + r.body->name + " at " +
                     hex(r.address) + " has no bytes in the file");
  ReplacedFunction &f = o.function;
  f.name = r.body->name;
  f.oldAddress = r.address;
  f.oldSize = r.size;
  f.newAddress = body->value;
  f.newSize = r.body->size;
  if (r.preserved)
    f.preserved = c.target.describe(r.preserved);
  o.place = {r.address, r.address + r.size};
  o.destination = f.newEntry = entry->value;
  if (r.inPlace)
    overwrite(r, *body, o);
  return followEarlierPatch(r, o);
}

/// Where the jump goes that the function at \p at starts with, behind a landing
/// pad, if it does. \p isShort is set if that has two bytes.
std::optional<uint64_t> Redirector::jumpAt(uint64_t at, bool *isShort) const {
  Instruction i;
  if (c.target.isLandingPad(image.bytesFrom(at)) &&
      c.target.decode(image.bytesFrom(at), at, i))
    at += i.size;
  if (!c.target.decode(image.bytesFrom(at), at, i) || !i.isBranch ||
      i.isConditional)
    return std::nullopt;
  if (isShort)
    *isShort = i.fieldSize == 1;
  return i.branchTarget;
}

/// What an earlier patch made the function at \p at lead to. A tail call may
/// look so too, but --redirect-calls leaves those that a function starts with.
std::optional<uint64_t> Redirector::earlierRedirect(uint64_t at) const {
  // Each patch has segments of its own, behind all there were, or lies in the
  // reserve.
  auto isPatch = [&](uint64_t to) {
    if (c.reserve && c.reserve->isInPool(to))
      return true;
    const Section *there = image.sectionAt(to);
    return there && there->name.starts_with(".patch.") && to > at &&
           image.loadAt(to) != image.loadAt(at);
  };
  // Padding is in no function.
  auto isPadding = [&](uint64_t to) {
    bool isFunction = bool(c.unwind.find(image, to));
    forEachFunctionAt(image, {to}, [&](uint64_t, StringRef) { isFunction = true; });
    return !isFunction;
  };
  bool isShort = false;
  auto to = jumpAt(at, &isShort);
  if (to && isShort && isPadding(*to))
    to = jumpAt(*to, nullptr);
  return to && isPatch(*to) ? to : std::nullopt;
}

/// A symbol that an earlier patch could not move (.dynsym) names an entry that
/// leads to that patch's code. Callers that go there directly have to reach the
/// new body too, so it is redirected in turn.
Error Redirector::followEarlierPatch(const Replacement &r, Outcome &o) const {
  uint64_t at = r.address;
  for (unsigned patches = 0; patches < 256; ++patches) {
    auto to = earlierRedirect(at);
    if (!to)
      break;
    at = *to;
  }
  if (at == r.address)
    return Error::success();
  auto fde = c.unwind.find(image, at);
  if (!fde || fde->start != at)
    return makeError(image.path + ": " + r.body->name + " at " +
                     hex(r.address) + " leads to " + hex(at) +
                     ", where an earlier patch put it, and how long it is there "
                     "is not known\n>>> remedy: --symbol " + r.body->name + "=" +
                     hex(at) + ":SIZE, or patch the original program");
  o.place = {at, at + fde->size};
  if (r.inPlace) {
    o.destination = r.address;
    o.redirected = false;
  }
  return Error::success();
}

/// The new body takes the old one's place.
void Redirector::overwrite(const Replacement &r, const PatchSymbol &body,
                           Outcome &o) {
  std::vector<uint8_t> bytes(body.section->data);
  bytes.resize(r.size, c.target.trapByte());
  o.function.newAddress = r.address;
  o.function.method = RedirectMethod::InPlace;
  o.redirected = true;
  o.unchanged = ArrayRef(bytes).equals(image.bytesAt(r.address, r.size));
  if (!o.unchanged)
    out.edit(*image.fileOffset(r.address), bytes, "body of " + r.body->name);
}

/// Padding matters only where an entry is short of bytes, so it is read late,
/// and only around such entries.
void Redirector::readPadding() {
  std::vector<Extent> windows, own;
  for (const auto &[r, o] : zip(c.plan.replacements, done)) {
    own.push_back(o.place);
    if (!o.redirected)
      windows.push_back(Padding::windowAround(own.back()));
  }
  padding.emplace(image, c.target,
                  CodeMap::read(image, c.unwind, std::move(windows), own));
}

/// Leaves `whyNot` where no redirect fits.
Error Redirector::plan(const Replacement &r, Outcome &o, bool withCaves) {
  auto site = siteOf(image, o.place);
  if (!site)
    return makeError(image.path + ": " + r.body->name + " at " +
                     hex(o.place.start) + " has no bytes in the file");
  std::vector<Cave> caves;
  if (padding)
    site->padding = padding->behind(o.place.end);
  if (withCaves)
    caves = padding->near(o.place.start);
  site->caves = caves;
  auto redirect = c.target.planRedirect(*site, o.destination);
  if (!redirect) {
    o.whyNot = toString(redirect.takeError());
    return Error::success();
  }
  for (auto &[address, bytes] : redirect->writes) {
    out.edit(*image.fileOffset(address), bytes, "entry of " + r.body->name);
    if (padding)
      padding->take(address, bytes.size());
  }
  if (!r.inPlace)
    o.function.method = redirect->method;
  o.redirected = true;
  return Error::success();
}

Error Redirector::run() {
  for (auto [r, o] : zip(c.plan.replacements, done)) {
    if (Error e = begin(r, o))
      return e;
    if (!o.redirected)
      if (Error e = plan(r, o, false))
        return e;
  }
  for (bool withCaves : {false, true})
    for (auto [r, o] : zip(c.plan.replacements, done)) {
      if (o.redirected)
        continue;
      if (!padding)
        readPadding();
      if (Error e = plan(r, o, withCaves))
        return e;
    }
  for (auto [r, o] : zip(c.plan.replacements, done)) {
    if (!o.redirected)
      return makeError(image.path + ": " + r.body->name + " at " +
                       hex(r.address) + " can't be redirected: " + o.whyNot +
                       "\n>>> remedy: --relink, which needs no redirect; replace its "
                       "callers instead, or rebuild with "
                       "-fpatchable-function-entry");
    if (o.unchanged)
      out.unchanged.push_back(r.body->name);
    else
      out.replaced.push_back(o.function);
  }
  return Error::success();
}

} // namespace

Error redirectEntries(const SpliceContext &c, Output &out) {
  return Redirector(c, out).run();
}

} // namespace relink
