//===- PatchMapWriter.cpp - Makes the map of a link -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchMapWriter.h"
#include "MapEncoder.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Compression.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::map;

namespace relink {
namespace {

using ELFT = object::ELF64LE;

struct Counts {
  uint64_t functions = 0, relocations = 0;
};

/// What the tables of an object hold; nothing of what can't be read.
Counts count(StringRef bytes) {
  Counts out;
  auto file = object::ELFFile<ELFT>::create(bytes);
  if (!file) {
    consumeError(file.takeError());
    return out;
  }
  auto headers = file->sections();
  if (!headers) {
    consumeError(headers.takeError());
    return out;
  }
  for (const ELFT::Shdr &h : *headers) {
    if (h.sh_type == SHT_RELA && h.sh_info < headers->size() &&
        ((*headers)[h.sh_info].sh_flags & SHF_ALLOC))
      out.relocations += h.sh_size / sizeof(ELFT::Rela);
    if (h.sh_type != SHT_SYMTAB)
      continue;
    auto symbols = file->symbols(&h);
    if (!symbols) {
      consumeError(symbols.takeError());
      continue;
    }
    for (const ELFT::Sym &s : *symbols)
      out.functions += s.getType() == STT_FUNC && s.st_shndx != SHN_UNDEF;
  }
  return out;
}

} // namespace

void PatchMapWriter::add(const MapObject &object) {
  bool isBitcode = identify_magic(object.bytes) == file_magic::bitcode;
  entries.push_back(
      {object, isBitcode ? InputKind::Bitcode : InputKind::Object, {}});
  Entry &e = entries.back();
  threads.async([&e] { look(e); });
}

void PatchMapWriter::look(Entry &e) {
  e.hash = sha256(arrayRefFromStringRef(e.object.original));
  if (e.kind != InputKind::Object)
    return;
  Counts c = count(e.object.bytes);
  e.functions = c.functions;
  e.relocations = c.relocations;
}

std::vector<uint8_t> PatchMapWriter::encodeInputs() const {
  MapEncoder out;
  for (const Entry &e : entries) {
    out.number(uint64_t(e.kind));
    out.raw(e.hash);
    out.number(e.object.original.size());
    out.number(e.functions);
    out.number(e.relocations);
    out.string(e.object.path);
    out.string(e.object.member);
  }
  return std::move(out.bytes);
}

std::vector<uint8_t> PatchMapWriter::finish() {
  threads.wait();
  std::vector<uint8_t> inputs = encodeInputs();
  SmallVector<uint8_t, 0> packed;
  compression::zstd::compress(inputs, packed);

  Header h;
  memset(&h, 0, sizeof(h));
  memcpy(h.magic, magic, sizeof(magic));
  h.version = formatVersion;
  h.blockCount = 1;
  h.blockEntrySize = sizeof(BlockEntry);
  BlockEntry b;
  b.kind = uint32_t(BlockKind::Inputs);
  b.packed = packed.size();
  b.unpacked = inputs.size();
  b.count = entries.size();
  MapEncoder out;
  out.structure(h);
  out.structure(b);
  out.raw(packed);
  return std::move(out.bytes);
}

} // namespace relink
