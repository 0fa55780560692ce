//===- Selections.cpp - What the user said by name ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Selections.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;

namespace relink {

std::string shown(StringRef name) { return demangle(name.str()); }

std::string describe(const AppSymbol &a) {
  return hex(a.address) + " " + (a.file.empty() ? "" : a.file + ":") + a.name;
}

/// A demangled name without its ABI tags, `f[abi:cxx11](int)`, which sources lack.
static std::string withoutTags(StringRef name) {
  std::string out;
  while (!name.empty()) {
    auto [front, rest] = name.split("[abi:");
    out += front;
    name = rest.split(']').second;
  }
  return out;
}

/// Whether \p name is what \p s is called when it is shown, or without parameters.
static bool isShownAs(const ObjectSymbol &s, StringRef name) {
  std::string readable = demangle(s.name);
  if (readable == s.name)
    return false;
  std::string untagged = withoutTags(readable);
  for (StringRef r : {StringRef(readable), StringRef(untagged)})
    if (r == name || r.take_until([](char c) { return c == '('; }) == name)
      return true;
  return false;
}

std::string bindOption(StringRef name, ArrayRef<const AppSymbol *> candidates) {
  const AppSymbol &first = *candidates.front();
  bool isTold = !first.file.empty() &&
                none_of(candidates.drop_front(),
                        [&](const AppSymbol *a) { return a->file == first.file; });
  return ("--bind " + name + "=" +
          (isTold ? first.file + ":" + first.name : hex(first.address)))
      .str();
}

bool Selections::matches(const ObjectSymbol &s, StringRef pattern) {
  StringRef name = pattern;
  if (!isOutlinedPart(s.name) && isShownAs(s, pattern))
    return true;
  // file.c:name, but not the :: of a demangled name.
  if (size_t colon = pattern.find(':');
      colon != StringRef::npos && !pattern.substr(colon).starts_with("::")) {
    if (s.file != pattern.take_front(colon))
      return false;
    name = pattern.drop_front(colon + 1);
  }
  if (s.name == name)
    return true;
  if (isOutlinedPart(s.name))
    return false;
  if (plainName(s.name) == name && !StringRef(s.name).contains(".part."))
    return true;
  return isShownAs(s, name);
}

StringRef Selections::find(const ObjectSymbol &s,
                           ArrayRef<std::string> patterns) {
  StringRef found;
  for (const std::string &pattern : patterns)
    if (matches(s, pattern)) {
      found = pattern;
      used.insert(pattern);
    }
  return found;
}

Expected<const AppSymbol *> Selections::boundTo(const ObjectSymbol &s) {
  for (const auto &[name, what] : config.bind) {
    if (name != s.name && plainName(s.name) != name && !matches(s, name))
      continue;
    used.insert(name);
    StringRef target = what, file;
    uint64_t address;
    if (target.consume_front("0x") && !target.getAsInteger(16, address)) {
      // The index holds user symbols under their own name; see collectNames.
      for (const AppSymbol *a : index.find(plainName("--bind " + name)))
        return a;
      return nullptr;
    }
    target = what;
    if (size_t colon = target.find(':');
        colon != StringRef::npos && !target.substr(colon).starts_with("::")) {
      file = target.take_front(colon);
      target = target.drop_front(colon + 1);
    }
    SmallVector<const AppSymbol *> found;
    for (const AppSymbol *a : index.find(plainName(target)))
      if ((a->name == target || plainName(a->name) == target) &&
          (file.empty() || a->file == file))
        found.push_back(a);
    if (found.size() == 1)
      return found[0];
    return makeError("--bind " + name + "=" + what + ": " + image.path +
                     (found.empty() ? " has no such symbol"
                                    : " has several symbols of that name") +
                     "\n>>> remedy: name it as file.c:name or by address, "
                     "0xADDR");
  }
  return nullptr;
}

Error Selections::checkUsed(const Plan &plan) const {
  auto missing = [&](StringRef option, StringRef pattern) {
    std::string message = ("--" + option + " " + pattern +
                           ": the patch defines no such function or variable")
                              .str();
    std::vector<std::pair<unsigned, std::string>> near;
    for (auto &object : plan.objects)
      for (const ObjectSymbol &s : object->symbols)
        if (s.isDefined() && s.isFunction())
          near.push_back({StringRef(s.name).edit_distance(pattern), s.name});
    llvm::sort(near);
    for (size_t i = 0; i < near.size() && i < 3; ++i)
      message += "\n>>> it defines: " + shown(near[i].second);
    return makeError(message);
  };
  for (const std::string &p : config.replace)
    if (!used.contains(p))
      return missing("replace", p);
  for (const std::string &p : config.keep)
    if (!used.contains(p))
      return missing("keep", p);
  for (const std::string &p : config.newData)
    if (!used.contains(p))
      return missing("new-data", p);
  for (const std::string &p : config.exports)
    if (!plan.definitions.count(p))
      return missing("export-symbol", p);
  return Error::success();
}

StringRef realName(StringRef name) {
  return name.consume_front("__real_") ? name : StringRef();
}

StringSet<> collectNames(const Config &config, const Plan &plan,
                         ArrayRef<std::unique_ptr<Object>> originals) {
  StringSet<> names;
  for (auto objects : {ArrayRef(plan.objects), originals})
    for (auto &object : objects)
      for (const ObjectSymbol &s : object->symbols)
        if (!s.name.empty() && !s.isSection() &&
            !StringRef(s.name).starts_with(".L")) {
          names.insert(plainName(s.name));
          if (auto [name, version] = splitVersion(s.name); !version.empty())
            names.insert((name + "@@" + version).str());
          if (StringRef real = realName(s.name); !real.empty())
            names.insert(plainName(real));
        }
  for (const auto &[name, what] : config.bind) {
    StringRef target = what;
    if (size_t colon = target.find(':');
        colon != StringRef::npos && !target.substr(colon).starts_with("::"))
      target = target.drop_front(colon + 1);
    names.insert(plainName(target));
  }
  return names;
}

} // namespace relink
