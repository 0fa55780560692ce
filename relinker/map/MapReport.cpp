//===- MapReport.cpp - relink --map ---------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "History.h"
#include "PatchMap.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace relink::map;

namespace relink {
namespace {

/// Copies of one function in another.
struct Copies {
  StringRef function, file, into;
  uint64_t address, times;
};

/// What is known of inlined copies in an input's code.
struct Known {
  Inlining known = Inlining::Unknown;
  uint64_t functions = 0; ///< that were inlined
  std::vector<Copies> copies;
};

Error list(PatchMap &map, const MapInlining &from, std::vector<Copies> &out) {
  for (const MapInlining::Caller &c : from.callers)
    for (const auto &copies : c.copies) {
      const MapInlining::Function &f = from.functions[copies.function];
      auto function = map.nameOf(f.name);
      if (!function)
        return function.takeError();
      auto file = map.nameOf(f.file);
      if (!file)
        return file.takeError();
      auto into = map.nameOf(c.name);
      if (!into)
        return into.takeError();
      out.push_back({*function, *file, *into,
                     c.starts.empty() ? 0 : c.starts.front(), copies.times});
    }
  return Error::success();
}

/// By input. Lists of copies are left out unless \p withLists.
Expected<std::vector<Known>> readKnown(PatchMap &map, bool withLists) {
  std::vector<Known> out(map.inputs().size());
  auto visit = [&](size_t input, const MapInlining &inlining) {
    out[input].known = inlining.known;
    out[input].functions = inlining.functions.size();
    return withLists ? list(map, inlining, out[input].copies) : Error::success();
  };
  if (Error e = map.readInlining(visit))
    return e;
  return out;
}

StringRef toString(InputKind kind) {
  return kind == InputKind::Object ? "object" : "bitcode";
}

void print(const Copies &c, raw_ostream &os) {
  auto text = [](StringRef name) { return printable(demangle(name)); };
  os << formatv("    {0} ({1}) inlined into {2} at {3}", text(c.function),
                printable(c.file), text(c.into), hex(c.address));
  if (c.times > 1)
    os << ", " << c.times << " times";
  os << "\n";
}

} // namespace

Error printMap(PatchMap &map, StringRef path, bool verbose, raw_ostream &os) {
  auto known = readKnown(map, verbose);
  if (!known)
    return known.takeError();
  os << formatv("{0}: map, version {1}, {2} bytes, {3} inputs\n", path,
                map.version(), map.size(), map.inputs().size());
  for (auto [m, k] : zip(map.inputs(), *known)) {
    os << formatv("  {0,-8} {1}  {2}", toString(m.kind), toHex(m.hash),
                  m.name());
    if (m.kind == InputKind::Object)
      os << formatv(", {0} functions, {1} relocations", m.functions,
                    m.relocations);
    if (k.known != Inlining::Unknown)
      os << formatv(", {0}{1} inlined", k.known == Inlining::Part ? "at least " : "",
                    k.functions);
    os << "\n";
    for (const Copies &c : k.copies)
      print(c, os);
  }
  return Error::success();
}

Expected<json::Value> toJson(PatchMap &map, StringRef path) {
  auto known = readKnown(map, true);
  if (!known)
    return known.takeError();
  json::Array inputs;
  // An input may have any bytes in its name.
  auto text = [](StringRef s) { return json::fixUTF8(s); };
  for (auto [m, k] : zip(map.inputs(), *known)) {
    json::Object input{{"kind", toString(m.kind)},
                       {"path", text(m.path)},
                       {"blake3", toHex(m.hash)},
                       {"size", m.size}};
    if (!m.member.empty())
      input["member"] = text(m.member);
    if (m.kind == InputKind::Object) {
      input["functions"] = m.functions;
      input["relocations"] = m.relocations;
    }
    if (k.known != Inlining::Unknown) {
      json::Array copies;
      for (const Copies &c : k.copies)
        copies.push_back(json::Object{{"function", text(c.function)},
                                      {"file", text(c.file)},
                                      {"into", text(c.into)},
                                      {"address", c.address},
                                      {"times", c.times}});
      input["inlined"] = std::move(copies);
      input["inlinedComplete"] = k.known == Inlining::All;
    }
    inputs.push_back(std::move(input));
  }
  return json::Object{{"file", text(path)},
                      {"version", map.version()},
                      {"size", map.size()},
                      {"inputs", std::move(inputs)}};
}

} // namespace relink
