//===- ChangedInputs.cpp - What differs from what the app was made of -----===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChangedInputs.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace relink {

/// Without directories, which may be named from another place now.
static std::string shortName(StringRef path, StringRef member) {
  std::string name = sys::path::filename(path).str();
  return member.empty() ? name
                        : name + "(" + sys::path::filename(member).str() + ")";
}

ChangedInputs::ChangedInputs(PatchMap m)
    : map(std::move(m)), seen(map.inputs().size()) {
  for (auto [i, input] : enumerate(map.inputs())) {
    byDigest[input.hash].push_back(i);
    sizes.insert(input.size);
    byName[shortName(input.path, input.member)].push_back(i);
  }
}

/// Every input of the app with this hash is accounted for.
bool ChangedInputs::isKnown(StringRef bytes) {
  // Most members of large archives need no hash.
  if (!sizes.contains(bytes.size()))
    return false;
  auto it = byDigest.find(blake3(arrayRefFromStringRef(bytes)));
  if (it == byDigest.end())
    return false;
  for (size_t i : it->second)
    seen[i] = true;
  ++same;
  return true;
}

void ChangedInputs::take(StringRef path, const Twine &name, StringRef how) {
  taken.push_back({name.str(), how.str()});
  if (!is_contained(files, path))
    files.push_back(path.str());
}

void ChangedInputs::takeNeeded(StringRef path, StringRef member) {
  take(path, path + "(" + member + ")", "is new");
}

ChangedInputs::Choice ChangedInputs::chooseObject(StringRef path, StringRef bytes) {
  if (isKnown(bytes))
    return Choice::Leave;
  // Of main.c.o in two directories, that of the longest path that fits; the
  // directory may have another name now.
  std::optional<size_t> was;
  size_t unseen = 0, last = 0;
  for (size_t i : byName.lookup(shortName(path, ""))) {
    StringRef old = map.inputs()[i].path;
    if (seen[i])
      continue;
    ++unseen;
    last = i;
    if (path.ends_with(old) && (!was || old.size() > map.inputs()[*was].path.size()))
      was = i;
  }
  if (!was && unseen == 1)
    was = last;
  if (was)
    seen[*was] = true;
  take(path, path, was ? "differs" : "is new");
  return Choice::Take;
}

Expected<std::vector<ChangedInputs::Choice>>
ChangedInputs::chooseMembers(StringRef path, ArrayRef<Member> members) {
  std::vector<Choice> out;
  // Those that are known first: what is left of the map then has changed.
  for (const Member &m : members)
    out.push_back(isKnown(m.bytes) ? Choice::Leave : Choice::IfNeeded);
  StringMap<unsigned> unknown;
  for (auto [m, choice] : zip(members, out))
    unknown[shortName(path, m.name)] += choice == Choice::IfNeeded;
  for (auto [m, choice] : zip(members, out)) {
    std::string name = shortName(path, m.name);
    auto places = byName.lookup(name);
    auto was = find_if(places, [&](size_t i) { return !seen[i]; });
    if (choice != Choice::IfNeeded || was == places.end())
      continue;
    if (unknown[name] > 1)
      return makeError(path + ": several members " + m.name +
                       " differ from the one that the app was linked from\n"
                       ">>> remedy: name the object that has changed, without "
                       "--changed-only");
    seen[*was] = true;
    choice = Choice::Take;
    take(path, path + "(" + m.name + ")", "differs");
  }
  return out;
}

std::vector<std::string> ChangedInputs::missing() const {
  std::vector<std::string> out;
  for (auto [i, input] : enumerate(map.inputs()))
    if (!seen[i] && !sys::path::is_absolute(input.path))
      out.push_back(input.name());
  return out;
}

} // namespace relink
