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
    const PatchSymbol *entry = nullptr;
    bool redirected = false, unchanged = false;
    std::string whyNot;
  };
  Error begin(const Replacement &r, Outcome &o);
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
  o.entry = c.patch.symbol(r.entryName);
  if (!body || !body->section || !o.entry)
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
  if (r.inPlace)
    overwrite(r, *body, o);
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
    own.push_back({r.address, r.address + r.size});
    if (!o.redirected)
      windows.push_back(Padding::windowAround(own.back()));
  }
  padding.emplace(image, c.target,
                  CodeMap::read(image, c.unwind, std::move(windows), own));
}

/// Leaves `whyNot` where no redirect fits.
Error Redirector::plan(const Replacement &r, Outcome &o, bool withCaves) {
  auto site = siteOf(image, {r.address, r.address + r.size});
  if (!site)
    return makeError(image.path + ": " + r.body->name + " at " +
                     hex(r.address) + " has no bytes in the file");
  std::vector<Cave> caves;
  if (padding)
    site->padding = padding->behind(r.address + r.size);
  if (withCaves)
    caves = padding->near(r.address);
  site->caves = caves;
  auto redirect = c.target.planRedirect(*site, o.entry->value);
  if (!redirect) {
    o.whyNot = toString(redirect.takeError());
    return Error::success();
  }
  for (auto &[address, bytes] : redirect->writes) {
    out.edit(*image.fileOffset(address), bytes, "entry of " + r.body->name);
    if (padding)
      padding->take(address, bytes.size());
  }
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
                       "\n>>> remedy: replace its callers instead, or rebuild "
                       "with -fpatchable-function-entry");
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
