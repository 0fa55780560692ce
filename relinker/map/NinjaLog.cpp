//===- NinjaLog.cpp - When Ninja made what, and of what -------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NinjaLog.h"
#include "Error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"

using namespace llvm;
using support::endian::read32le;

namespace relink {

std::optional<uint64_t> NinjaLog::timeOf(StringRef output) const {
  auto it = times.find(output);
  return it == times.end() ? std::nullopt : std::optional(it->second);
}

Error NinjaLog::readLog() {
  auto [head, rest] = log->getBuffer().split('\n');
  unsigned version = 0;
  if (!head.consume_front("# ninja log v") || head.getAsInteger(10, version))
    return makeError(path + ": is not a log of Ninja");
  if (version < 5 || version > 7)
    return makeError(path + ": version " + Twine(version) +
                     "; expected 5 to 7\n>>> remedy: build with another version of "
                     "Ninja, or name the objects: relink APP OBJECT... -o OUT");
  while (!rest.empty()) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    SmallVector<StringRef, 5> fields;
    line.split(fields, '\t');
    uint64_t time;
    if (fields.size() == 5 && !fields[2].getAsInteger(10, time))
      times[fields[3]] = time;
  }
  return Error::success();
}

Error NinjaLog::readDependencies(StringRef file) {
  StringRef data = deps->getBuffer();
  bool known = data.consume_front("# ninjadeps\n") && data.size() >= 4;
  uint32_t version = known ? read32le(data.data()) : 0;
  if (version != 3 && version != 4)
    return makeError(file + ": is not a dependency log of version 3 or 4 of Ninja");
  data = data.drop_front(4);
  size_t head = version == 3 ? 8 : 12;
  while (data.size() >= 4) {
    uint32_t size = read32le(data.data());
    bool isRecord = size >> 31;
    size &= 0x7fffffff;
    StringRef record = data.substr(4, size);
    // What an interrupted Ninja leaves; it stops reading there, too.
    if (record.size() != size || size % 4 || size < (isRecord ? head : 4))
      break;
    data = data.drop_front(4 + size);
    if (!isRecord) {
      paths.push_back(record.drop_back(4).rtrim('\0'));
      continue;
    }
    uint32_t output = read32le(record.data());
    if (output < paths.size())
      records[paths[output]] = record.drop_front(head);
  }
  return Error::success();
}

std::vector<StringRef> NinjaLog::dependencies(StringRef output) const {
  std::vector<StringRef> out;
  StringRef numbers = records.lookup(output);
  for (; numbers.size() >= 4; numbers = numbers.drop_front(4))
    if (uint32_t n = read32le(numbers.data()); n < paths.size())
      out.push_back(paths[n]);
  return out;
}

Expected<NinjaLog> NinjaLog::read(const NinjaManifest &manifest) {
  NinjaLog out;
  std::string stem = manifest.logDirectory();
  out.path = stem + "/.ninja_log";
  auto log = openRegular(out.path);
  if (!log)
    return makeError(toString(log.takeError()) +
                     "\n>>> remedy: ninja -C " + manifest.directory);
  out.log = std::move(*log);
  if (Error e = out.readLog())
    return e;
  if (!sys::fs::exists(stem + "/.ninja_deps"))
    return out;
  auto deps = openRegular(stem + "/.ninja_deps");
  if (!deps)
    return deps.takeError();
  out.deps = std::move(*deps);
  if (Error e = out.readDependencies(stem + "/.ninja_deps"))
    return e;
  return out;
}

} // namespace relink
