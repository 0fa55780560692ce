//===- Diagnostic.cpp - An error, taken apart -----------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Diagnostic.h"
#include "Refusals.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace relink {

json::Value toJsonError(StringRef text) {
  json::Object out;
  json::Array context, remedies;
  auto [message, rest] = text.split('\n');
  for (StringRef line : split(rest, '\n')) {
    line.consume_front(">>> ");
    if (line.consume_front("remedy: ")) {
      remedies.push_back(line);
      continue;
    }
    StringRef name = line;
    if (name.consume_front("or --accept ")) {
      name = name.take_until([](char c) { return c == ' '; });
      if (auto refusal = refusalNamed(name)) {
        out["refusal"] = name;
        out["rule"] = ruleNumber(*refusal);
        continue;
      }
    }
    if (!line.empty())
      context.push_back(line);
  }
  out["message"] = message;
  out["context"] = std::move(context);
  out["remedies"] = std::move(remedies);
  return json::Object{
      {"version", 1}, {"written", false}, {"error", std::move(out)}};
}

std::string listed(ArrayRef<std::string> names) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < 3; ++i)
    out += (i ? ", " : "") + names[i];
  if (names.size() > 3)
    out += " and " + std::to_string(names.size() - 3) + " more";
  return out;
}

} // namespace relink
