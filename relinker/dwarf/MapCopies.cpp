//===- MapCopies.cpp - Inlined copies that the map tells of ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapCopies.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Of a template there is the name with its parameters.
bool MapCopies::mayBeMeant(StringRef name) const {
  return names.all().contains(name) ||
         names.all().contains(name.take_until([](char c) { return c == '<'; }));
}

/// Whether its code is neither replaced nor what the patch's source says.
bool MapCopies::stays(const MapInlining::Caller &caller) const {
  auto isCode = [&](uint64_t address) {
    const Phdr *home = image.loadAt(address);
    return home && (home->p_flags & PF_X);
  };
  return any_of(caller.starts, isCode) &&
         none_of(caller.starts, [&](uint64_t a) { return covered.contains(a); });
}

Error MapCopies::add(size_t input, const MapInlining &inlining,
                     const Names &wanted) {
  std::vector<SmallVector<unsigned, 1>> meant(inlining.functions.size());
  bool any = false;
  for (auto [i, f] : enumerate(inlining.functions)) {
    auto it = wanted.find(f.name);
    if (it == wanted.end())
      continue;
    auto file = map.nameOf(f.file);
    if (!file)
      return file.takeError();
    bool isLinkage = f.flags & map::inlinedHasLinkageName;
    meant[i] = names.find({isLinkage ? it->second : "",
                           isLinkage ? "" : it->second, *file,
                           (f.flags & map::inlinedMayBeExternal) != 0});
    any |= !meant[i].empty();
  }
  if (!any)
    return Error::success();
  for (const MapInlining::Caller &c : inlining.callers) {
    if (!stays(c))
      continue;
    for (const auto &copies : c.copies)
      for (unsigned number : meant[copies.function]) {
        auto into = map.nameOf(c.name);
        if (!into)
          return into.takeError();
        InlinedPlace p;
        p.function = number;
        p.into = into->empty() ? hex(c.starts.front()) : into->str();
        p.address = c.starts.front();
        p.times = copies.times;
        p.input = input;
        p.starts = c.starts;
        places.push_back(std::move(p));
      }
  }
  return Error::success();
}

void MapCopies::dismiss(const std::set<uint64_t> &addresses) {
  erase_if(places, [&](const InlinedPlace &p) {
    return any_of(p.starts, [&](uint64_t a) { return addresses.contains(a); });
  });
}

/// The objects of the function's source that have code at its address: several, if
/// it was folded.
Expected<std::set<size_t>> MapCopies::homesOf(const Replacement &r) {
  std::set<size_t> out;
  StringRef source = r.body->file;
  if (auto it = plan.renamedSources.find(source); it != plan.renamedSources.end())
    source = it->second;
  for (auto [i, input] : enumerate(map.inputs())) {
    if (baseName(input.source) != baseName(source))
      continue;
    auto details = map.details(i);
    if (!details)
      return details.takeError();
    if (*details && any_of((*details)->sections, [&](const MapSection &s) {
          return s.kind == map::SectionKind::Placed && s.address <= r.address &&
                 r.address - s.address < s.size;
        }))
      out.insert(i);
  }
  return out;
}

/// Other objects' functions of the same name are none of a static one.
Error MapCopies::placeLocals(ArrayRef<map::Inlining> inputs) {
  for (auto [number, r] : enumerate(plan.replacements)) {
    if (!names.isLocal(number))
      continue;
    auto homes = homesOf(r);
    if (!homes)
      return homes.takeError();
    known[number] = !homes->empty() && all_of(*homes, [&](size_t input) {
      return inputs[input] == map::Inlining::All;
    });
    if (!homes->empty())
      erase_if(places, [&, function = number](const InlinedPlace &p) {
        return p.function == function && !homes->contains(p.input);
      });
  }
  return Error::success();
}

Error MapCopies::findGlobals(ArrayRef<map::Inlining> inputs) {
  StringSet<> globals;
  for (auto [number, r] : enumerate(plan.replacements))
    if (!names.isLocal(number))
      globals.insert(r.app->name);
  auto definers = map.definersOf(globals);
  if (!definers)
    return definers.takeError();
  for (auto [number, r] : enumerate(plan.replacements)) {
    auto it = definers->find(r.app->name);
    if (!names.isLocal(number))
      known[number] =
          it != definers->end() && inputs[it->second] == map::Inlining::All;
  }
  return Error::success();
}

Error MapCopies::find() {
  auto wanted = map.namesThat([&](StringRef name) { return mayBeMeant(name); });
  if (!wanted)
    return wanted.takeError();
  std::vector<map::Inlining> inputs(map.inputs().size(), map::Inlining::Unknown);
  auto visit = [&](size_t input, const MapInlining &inlining) {
    inputs[input] = inlining.known;
    return add(input, inlining, *wanted);
  };
  if (Error e = map.readInlining(visit))
    return e;
  if (Error e = placeLocals(inputs))
    return e;
  auto key = [](const InlinedPlace &p) { return std::tie(p.address, p.function); };
  stable_sort(places, [&](auto &a, auto &b) { return key(a) < key(b); });
  places.erase(llvm::unique(places, [&](auto &a, auto &b) { return key(a) == key(b); }),
               places.end());
  return findGlobals(inputs);
}

} // namespace relink
