//===- DebugSections.cpp - Sections of DWARF, ready to be read ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DebugSections.h"
#include "Error.h"
#include "llvm/Object/Decompressor.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// A few bytes can claim to unpack to anything. zlib reaches 1032 to 1, and
/// DWARF 10 to 1.
constexpr uint64_t mostRatio = 1100, mostUnpacked = uint64_t(8) << 30;

Expected<std::unique_ptr<MemoryBuffer>> unpack(StringRef name, StringRef data) {
  auto packed = object::Decompressor::create(name, data, true, true);
  if (!packed)
    return packed.takeError();
  uint64_t size = packed->getDecompressedSize();
  if (size > mostUnpacked || size / mostRatio > data.size())
    return makeError("claims to unpack to " + Twine(size) + " bytes");
  auto out = WritableMemoryBuffer::getNewUninitMemBuffer(size, name);
  if (!out)
    return makeError("no memory for " + Twine(size) + " bytes");
  if (Error e = packed->decompress(
          {reinterpret_cast<uint8_t *>(out->getBufferStart()), size}))
    return e;
  return std::unique_ptr<MemoryBuffer>(std::move(out));
}

/// Widths of the relocations that DWARF has (psABI, table 4.9).
unsigned widthOf(uint32_t type) {
  switch (type) {
  case R_X86_64_64:
  case R_X86_64_DTPOFF64:
    return 8;
  case R_X86_64_32:
  case R_X86_64_32S:
  case R_X86_64_DTPOFF32:
    return 4;
  default:
    return 0;
  }
}

class ObjectRelocator {
public:
  ObjectRelocator(const Plan &plan, const Object &object)
      : plan(plan), object(object) {}
  ObjectDebugSections run();

private:
  void place();
  void relocate(const ObjectSection &section);
  std::optional<uint64_t> addressOf(const ObjectSymbol *symbol);

  const Plan &plan;
  const Object &object;
  ObjectDebugSections out;
  /// Where each section starts: debug sections of one name follow each other,
  /// others get addresses of their own.
  DenseMap<const ObjectSection *, uint64_t> starts;
  DenseMap<const ObjectSymbol *, uint64_t> commons;
  StringMap<std::string> bytes;
  /// Fits the 32-bit fields of thread-local variables.
  uint64_t next = uint64_t(1) << 20;
};

void ObjectRelocator::place() {
  for (const ObjectSection &s : object.sections) {
    if (s.isDebug()) {
      std::string &all = bytes[StringRef(s.name).drop_front()];
      starts[&s] = all.size();
      all.append(s.data.begin(), s.data.end());
      continue;
    }
    starts[&s] = next;
    next += alignTo(s.size + 64, 64);
  }
}

std::optional<uint64_t> ObjectRelocator::addressOf(const ObjectSymbol *symbol) {
  symbol = plan.definitionOf(const_cast<ObjectSymbol *>(symbol));
  if (!symbol)
    return std::nullopt;
  if (symbol->kind == ObjectSymbol::Kind::Common) {
    auto [it, isNew] = commons.try_emplace(symbol, next);
    if (isNew) {
      next += alignTo(symbol->size + 64, 64);
      out.symbols[it->second] = symbol;
    }
    return it->second;
  }
  auto it = starts.find(symbol->section);
  if (!symbol->section || it == starts.end())
    return std::nullopt;
  return it->second + symbol->value;
}

void ObjectRelocator::relocate(const ObjectSection &s) {
  std::string &all = bytes[StringRef(s.name).drop_front()];
  for (const ObjectRelocation &r : s.relocations) {
    unsigned width = widthOf(r.type);
    if (!width || r.offset + width > s.data.size())
      continue;
    uint64_t value = addressOf(r.symbol).value_or(0) + r.addend;
    char *field = all.data() + starts[&s] + r.offset;
    if (width == 8)
      support::endian::write64le(field, value);
    else
      support::endian::write32le(field, uint32_t(value));
  }
}

ObjectDebugSections ObjectRelocator::run() {
  place();
  for (const ObjectSection &s : object.sections)
    if (s.isDebug() && !s.dropped)
      relocate(s);
  for (const ObjectSymbol &s : object.symbols)
    if (s.section && s.isDefined() && !s.isSection() && !s.section->isDebug())
      out.symbols.try_emplace(starts[s.section] + s.value, &s);
  for (auto &entry : bytes)
    out.sections[entry.first()] =
        MemoryBuffer::getMemBufferCopy(entry.second, entry.first());
  return std::move(out);
}

} // namespace

Expected<DebugSections> readDebugSections(StringRef elf, const Twine &path) {
  DebugSections out;
  auto file = object::ELFFile<ELFT>::create(elf);
  if (!file)
    return makeError(path + ": " + toString(file.takeError()));
  auto sections = file->sections();
  if (!sections)
    return makeError(path + ": " + toString(sections.takeError()));
  for (const Shdr &s : *sections) {
    auto name = file->getSectionName(s);
    if (!name)
      return makeError(path + ": " + toString(name.takeError()));
    if (s.sh_type == SHT_NOBITS || (s.sh_flags & SHF_ALLOC) ||
        !name->starts_with(".debug_"))
      continue;
    auto data = file->getSectionContents(s);
    if (!data)
      return makeError(path + ": " + toString(data.takeError()));
    auto &slot = out[name->drop_front()];
    if (!(s.sh_flags & SHF_COMPRESSED)) {
      slot = MemoryBuffer::getMemBuffer(toStringRef(*data), *name, false);
      continue;
    }
    auto unpacked = unpack(*name, toStringRef(*data));
    if (!unpacked)
      return makeError(path + ": " + *name + ": " +
                       toString(unpacked.takeError()));
    slot = std::move(*unpacked);
  }
  return out;
}

bool hasSection(StringRef elf, StringRef wanted) {
  auto file = object::ELFFile<ELFT>::create(elf);
  auto sections = file ? file->sections() : file.takeError();
  if (!sections) {
    consumeError(sections.takeError());
    return false;
  }
  for (const Shdr &s : *sections) {
    auto name = file->getSectionName(s);
    if (!name)
      consumeError(name.takeError());
    else if (*name == wanted)
      return true;
  }
  return false;
}

ObjectDebugSections relocateDebugSections(const Plan &plan,
                                          const Object &object) {
  return ObjectRelocator(plan, object).run();
}

std::unique_ptr<DWARFContext> readDwarf(const DebugSections &sections) {
  auto ignore = [](Error e) { consumeError(std::move(e)); };
  return DWARFContext::create(sections, /*AddrSize=*/8, /*isLittleEndian=*/true,
                              ignore, ignore);
}

} // namespace relink
