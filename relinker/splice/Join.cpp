//===- Join.cpp - Linking the patch and joining it to the app -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Join.h"
#include "Error.h"

using namespace llvm;

namespace relink {
namespace {

class Joiner {
public:
  explicit Joiner(const JoinContext &c) : c(c) {}
  Expected<Output> run();

private:
  Expected<PatchImage> link(const Placement &placement) const;
  Expected<SpliceContext> contextFor(const PatchImage &patch) const;
  std::string whyNotInReserve() const;
  Expected<std::optional<Output>> tryReserve();
  Expected<Output> behind() const;

  const JoinContext &c;
  std::string whyNot; ///< why the reserve is not used
};

Expected<PatchImage> Joiner::link(const Placement &placement) const {
  auto linked = linkPatch(c.image, c.plan, c.inputs, placement);
  if (!linked)
    return linked.takeError();
  return PatchImage::read(std::move(*linked));
}

Expected<SpliceContext> Joiner::contextFor(const PatchImage &patch) const {
  auto identity = c.identify();
  if (!identity)
    return identity.takeError();
  return SpliceContext{c.config, c.image,  c.plan,
                       c.inputs, patch,    c.unwind,
                       c.target, c.reserve, *identity};
}

/// What a reserve has no place for at all.
std::string Joiner::whyNotInReserve() const {
  if (!c.config.useReserve)
    return "--no-reserve";
  if (c.config.fullSymbolTable || c.config.fullDebugInfo)
    return "--full-symtab and --full-debug need a longer file";
  if (c.inputs.tls.grows && (!c.reserve->pool(reserve::PoolKind::Tls) ||
                             c.inputs.tls.align > c.inputs.tls.appAlign))
    return "it has no room for thread-local variables";
  if (c.inputs.hasDestructors)
    return "it has no room for destructors";
  return "";
}

/// Nothing if the patch does not fit; `whyNot` says what has no room then.
Expected<std::optional<Output>> Joiner::tryReserve() {
  whyNot = whyNotInReserve();
  if (!whyNot.empty())
    return std::nullopt;
  ReserveSpace space(c.image, *c.reserve);
  Placement placement;
  placement.reserve = &space;
  placement.address = alignTo(c.image.memoryEnd(), pageSize);
  for (;;) {
    auto patch = link(placement);
    if (!patch)
      return patch.takeError();
    bool fits = !space.rearrange(patch->poolEnds, whyNot);
    if (fits && !space.isFree(patch->poolEnds)) {
      whyNot = "what its note calls free holds something else";
    } else if (fits) {
      auto context = contextFor(*patch);
      if (!context)
        return context.takeError();
      auto output = spliceIntoReserve(*context, space);
      if (!output)
        return output.takeError();
      whyNot = output->reserveLacks;
      if (whyNot.empty())
        return std::optional(std::move(*output));
    }
    if (!whyNot.empty())
      return std::nullopt;
  }
}

Expected<Output> Joiner::behind() const {
  auto placement =
      placeBehind(c.image, !canGrowProgramHeaders(c.image, c.reserve, 3));
  if (!placement)
    return placement.takeError();
  auto patch = link(*placement);
  if (!patch)
    return patch.takeError();
  auto context = contextFor(*patch);
  if (!context)
    return context.takeError();
  return splice(*context, *placement);
}

Expected<Output> Joiner::run() {
  if (!c.reserve)
    return behind();
  auto inside = tryReserve();
  if (!inside)
    return inside.takeError();
  if (*inside)
    return std::move(**inside);
  auto output = behind();
  if (!output)
    return makeError(toString(output.takeError()) +
                     "\n>>> the reserve is not used: " + whyNot);
  if (output->hasTail())
    output->notes.push_back("the reserve is not used: " + whyNot);
  return output;
}

} // namespace

Expected<Output> joinPatch(const JoinContext &context) {
  return Joiner(context).run();
}

} // namespace relink
