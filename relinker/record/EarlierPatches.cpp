//===- EarlierPatches.cpp - What a patched app has replaced ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EarlierPatches.h"
#include "Record.h"
#include "Target.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace relink {
namespace {

void addBodies(const Record &record, AddressMap<uint64_t> &bodies) {
  const json::Array *functions = record.description.getArray("replaced");
  if (!functions)
    return;
  for (const json::Value &v : *functions) {
    const json::Object *f = v.getAsObject();
    if (!f || f->getString("method") == toString(RedirectMethod::Relinked))
      continue;
    auto from = f->getInteger("oldAddress"), to = f->getInteger("newAddress");
    if (from && to && *from != *to)
      bodies[*from] = *to;
  }
}

} // namespace

EarlierPatches EarlierPatches::read(const Image &app) {
  EarlierPatches out;
  out.isPatched = any_of(app.sections, [](const Section &s) {
    return s.isAlloc() && StringRef(s.name).starts_with(".patch.");
  });
  const Image *file = &app;
  std::unique_ptr<Image> older;
  for (unsigned n = 0; n < mostPatches; ++n) {
    auto record = readRecord(*file);
    if (!record)
      consumeError(record.takeError());
    if (!record || !*record)
      break;
    out.isPatched = true;
    addBodies(**record, out.bodies);
    std::vector<uint8_t> bytes = restore(file->bytes(), **record);
    auto before = Image::read(
        MemoryBuffer::getMemBufferCopy(toStringRef(bytes), app.path), app.path);
    if (!before) {
      consumeError(before.takeError());
      break;
    }
    older = std::move(*before);
    file = older.get();
  }
  return out;
}

uint64_t EarlierPatches::bodyOf(uint64_t address) const {
  for (unsigned n = 0; n < mostPatches; ++n) {
    auto next = bodies.find(address);
    if (next == bodies.end())
      break;
    address = next->second;
  }
  return address;
}

} // namespace relink
