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

static std::optional<uint64_t> tlsAddress(const Image &file) {
  if (const Phdr *tls = file.segmentOfType(ELF::PT_TLS))
    return tls->p_vaddr;
  return std::nullopt;
}

/// The functions that it replaced; none if the record has none.
static ArrayRef<json::Value> replacedBy(const Record &record) {
  const json::Array *functions = record.description.getArray("replaced");
  return functions ? ArrayRef(functions->data(), functions->size())
                   : ArrayRef<json::Value>();
}

/// With that nothing is where it was before.
static bool isFullRelink(const Record &record) {
  return any_of(replacedBy(record), [](const json::Value &v) {
    const json::Object *f = v.getAsObject();
    return f && f->getString("method") == toString(RedirectMethod::Relinked);
  });
}

void EarlierPatches::addBodies(const Record &record) {
  for (const json::Value &v : replacedBy(record)) {
    const json::Object *f = v.getAsObject();
    if (!f)
      continue;
    auto from = f->getInteger("oldAddress"), to = f->getInteger("newAddress"),
         size = f->getInteger("newSize");
    auto name = f->getString("name");
    if (from && to && name && size)
      addFunction(*name, bodyOf(*to), *size);
    if (from && to && *from != *to)
      bodies[*from] = *to;
  }
}

/// The newest record comes first.
void EarlierPatches::addFunction(StringRef name, uint64_t address, uint64_t size) {
  auto [it, isNew] = functions.try_emplace(name);
  AppSymbol &s = it->second;
  if (!isNew && s.address != address)
    s.type = ELF::STT_NOTYPE; // static functions of several files
  if (!isNew)
    return;
  s.name = name.str();
  s.address = address;
  s.size = size;
  s.type = ELF::STT_FUNC;
  s.binding = ELF::STB_LOCAL; // which the record does not say
  s.source = AppSymbol::Source::Record;
}

/// False for records of a relink that did not say.
bool EarlierPatches::addDefined(const Record &record) {
  const json::Array *all = record.description.getArray("defined");
  if (!all)
    return false;
  for (const json::Value &v : *all) {
    const json::Object *o = v.getAsObject();
    auto name = o ? o->getString("name") : std::nullopt;
    if (!name || define(*name)) // in a newer one
      continue;
    auto address = o->getInteger("address"), size = o->getInteger("size"),
         type = o->getInteger("type");
    if (!address || !size || !type || *type == ELF::STT_TLS) {
      unplaced.insert(*name);
      continue;
    }
    AppSymbol &s = defined[*name];
    s.name = name->str();
    s.address = *address;
    s.size = *size;
    s.type = *type & 15;
    s.binding = ELF::STB_GLOBAL;
    s.source = AppSymbol::Source::Record;
  }
  return true;
}

EarlierPatches EarlierPatches::read(const Image &app) {
  EarlierPatches out;
  out.isPatched = any_of(app.sections, [](const Section &s) {
    return s.isAlloc() && StringRef(s.name).starts_with(".patch.");
  });
  const Image *file = &app;
  std::unique_ptr<Image> older;
  for (unsigned n = 0;; ++n) {
    auto record = readRecord(*file);
    if (!record)
      consumeError(record.takeError());
    if (!record || n == mostPatches)
      out.tellDefined = false;
    if (!record || !*record || n == mostPatches)
      break;
    out.isPatched = true;
    if (isFullRelink(**record)) {
      out.tellDefined = false;
      break;
    }
    out.tellDefined &= out.addDefined(**record);
    out.addBodies(**record);
    std::vector<uint8_t> bytes = restore(file->bytes(), **record);
    auto before = Image::read(
        MemoryBuffer::getMemBufferCopy(toStringRef(bytes), app.path), app.path);
    if (!before) {
      consumeError(before.takeError());
      out.tellDefined = false;
      break;
    }
    out.movedTls |= tlsAddress(**before) != tlsAddress(app);
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
