//===- ObjectPairs.cpp - Which object was which before the fix ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ObjectPairs.h"
#include "Selections.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

struct ObjectPairs::Source {
  const Object *object = nullptr;
  StringRef file; ///< of its local symbols, if that is one
  StringSet<> globals; ///< no inline functions and templates, which many define
};

ObjectPairs::ObjectPairs(const Plan &plan, const Plan &before) {
  auto read = [&](const Plan &from) {
    std::vector<Source> out;
    for (auto &object : from.objects) {
      Source source;
      source.object = object.get();
      bool isOne = true;
      for (const ObjectSymbol &s : object->symbols) {
        if (s.isLocal())
          homes[&s] = object.get();
        if (!s.isDefined())
          continue;
        if (s.binding == STB_GLOBAL)
          source.globals.insert(s.name);
        if (!s.isLocal() || s.file.empty())
          continue;
        isOne &= source.file.empty() || source.file == s.file;
        source.file = s.file;
      }
      if (!isOne)
        source.file = "";
      out.push_back(std::move(source));
    }
    return out;
  };
  std::vector<Source> news = read(plan), olds = read(before);
  for (const Source &theirs : olds)
    if (!theirs.globals.empty())
      named.insert(theirs.object);
  for (const Source &ours : news)
    pair(ours, olds);
  // The only one left on both sides, unless each has global names, and none of the
  // other's: that is a new file.
  StringSet<> oursLeft, theirsLeft;
  bool oursIsNamed = false, theirsIsNamed = false;
  auto hasFile = [](ArrayRef<Source> list, StringRef file) {
    return any_of(list, [&](const Source &s) { return s.file == file; });
  };
  for (const Source &s : news)
    if (!originals.count(s.object) && !s.file.empty() && !hasFile(olds, s.file))
      oursLeft.insert(s.file), oursIsNamed |= !s.globals.empty();
  for (const Source &s : olds)
    if (!s.file.empty() && !hasFile(news, s.file) &&
        none_of(originals, [&](auto &p) { return p.second == s.object; }))
      theirsLeft.insert(s.file), theirsIsNamed |= !s.globals.empty();
  if (oursLeft.size() == 1 && theirsLeft.size() == 1 &&
      !(oursIsNamed && theirsIsNamed))
    renamed[oursLeft.begin()->first()] = theirsLeft.begin()->first().str();
}

void ObjectPairs::pair(const Source &ours, ArrayRef<Source> theirs) {
  const Source *best = nullptr;
  size_t most = 0;
  bool isTied = false;
  for (const Source &s : theirs) {
    size_t common = count_if(
        ours.globals, [&](const auto &g) { return s.globals.contains(g.first()); });
    isTied = common == most ? isTied || best : common < most && isTied;
    if (common > most) {
      best = &s;
      most = common;
    }
  }
  if (!best && !ours.globals.empty())
    strangers.insert(ours.object);
  if (!best || isTied)
    return;
  originals[ours.object] = best->object;
  if (!ours.file.empty() && !best->file.empty() && ours.file != best->file)
    renamed[ours.file] = best->file.str();
}

bool ObjectPairs::mayBe(const ObjectSymbol &ours, const ObjectSymbol &theirs) const {
  const Object *home = homes.lookup(&ours), *other = homes.lookup(&theirs);
  if (const Object *original = originals.lookup(home)) {
    if (original != other)
      return false;
  } else if (strangers.contains(home) && named.contains(other)) {
    return false;
  }
  if (ours.file.empty() || theirs.file.empty())
    return true;
  auto it = renamed.find(ours.file);
  return (it == renamed.end() ? StringRef(ours.file) : StringRef(it->second)) ==
         theirs.file;
}

void leaveOutRivals(std::vector<std::unique_ptr<Object>> &originals, Plan &plan) {
  auto isStrong = [](const ObjectSymbol &s) {
    return s.isDefined() && s.binding == STB_GLOBAL && !s.name.empty() &&
           s.kind != ObjectSymbol::Kind::Common;
  };
  auto common = [&](const std::unique_ptr<Object> &object) {
    return count_if(object->symbols, [&](const ObjectSymbol &s) {
      return isStrong(s) && plan.definitions.contains(s.name);
    });
  };
  stable_sort(originals, [&](auto &a, auto &b) { return common(a) > common(b); });
  StringMap<std::string> definer;
  erase_if(originals, [&](std::unique_ptr<Object> &object) {
    for (const ObjectSymbol &s : object->symbols)
      if (auto known = definer.find(s.name); isStrong(s) && known != definer.end()) {
        plan.notes.push_back(object->name + " is not compared with: it defines " +
                             shown(s.name) + " as " + known->second + " does");
        return true;
      }
    for (const ObjectSymbol &s : object->symbols)
      if (isStrong(s))
        definer[s.name] = object->name;
    return false;
  });
}

} // namespace relink
