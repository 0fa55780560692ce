//===- map.cpp - Any bytes as what the map says of an object --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks are packed, where no mutation finds its way in: the input is the names
// and what is known of inlined copies, with their sizes in two bytes each in
// front, and the details of one object, of which a map is made for the app.
//
//===----------------------------------------------------------------------===//

#include "AddedSection.h"
#include "Config.h"
#include "Fuzz.h"
#include "MapDetailsReader.h"
#include "MapEncoder.h"
#include "MapObject.h"
#include "MapOriginal.h"
#include "PatchMap.h"
#include "Relink.h"
#include "llvm/Support/Compression.h"

using namespace llvm;
using namespace relink;
using namespace relink::map;

namespace {

struct Block {
  BlockKind kind;
  SmallVector<uint8_t, 0> bytes;
  uint32_t count;
};

SmallVector<uint8_t, 0> copyOf(ArrayRef<uint8_t> bytes) {
  return SmallVector<uint8_t, 0>(bytes.begin(), bytes.end());
}

SmallVector<uint8_t, 0> makeMap(ArrayRef<Block> blocks) {
  MapEncoder table, data;
  for (const Block &b : blocks) {
    SmallVector<uint8_t, 0> packed;
    compression::zstd::compress(b.bytes, packed, 1);
    BlockEntry e;
    e.kind = uint32_t(b.kind);
    e.packed = packed.size();
    e.unpacked = b.bytes.size();
    e.count = b.count;
    table.structure(e);
    data.raw(packed);
  }
  Header h;
  memset(&h, 0, sizeof(h));
  memcpy(h.magic, magic, sizeof(magic));
  h.version = formatVersion;
  h.blockCount = blocks.size();
  h.blockEntrySize = sizeof(BlockEntry);
  MapEncoder out;
  out.structure(h);
  out.raw(table.bytes);
  out.raw(data.bytes);
  return std::move(out.bytes);
}

/// One object, which the patch was by its source's name.
SmallVector<uint8_t, 0> inputs() {
  MapEncoder out;
  out.number(uint64_t(InputKind::Object));
  out.raw(Digest{});
  for (int i = 0; i < 3; ++i)
    out.number(0);
  out.string("patch.o");
  out.string("");
  out.string("patch.c");
  return std::move(out.bytes);
}

support::ulittle64_t rightCheck(const Image &app, ArrayRef<uint8_t> names,
                                ArrayRef<uint8_t> bytes) {
  SmallVector<StringRef> list;
  toStringRef(names).split(list, '\0');
  MapDetails details;
  details.bytes.assign(bytes.begin(), bytes.end());
  details.bytes.resize(bytes.size() + 8);
  auto nameOf = [&](uint64_t n) -> Expected<StringRef> {
    if (n >= list.size() - 1) // behind the last NUL is no name
      return createStringError("no such name");
    return list[n];
  };
  support::ulittle64_t check;
  check = 0;
  auto wrong = [](const Twine &what) { return createStringError(what); };
  auto bytesAt = [&](uint64_t address, uint64_t size) {
    return app.bytesAt(address, size);
  };
  if (Error e = MapDetailsReader(details, nameOf, bytesAt, wrong).read())
    drop(std::move(e));
  else
    check = hashContents(app, details);
  return check;
}

/// relink --map, in both forms.
void printAll(const std::string &path) {
  auto image = Image::open(path);
  if (!image)
    return drop(image.takeError());
  auto map = PatchMap::read(**image);
  if (!map)
    return drop(map.takeError());
  if (!*map)
    abort();
  if (Error e = printMap(**map, path, true, nulls()))
    drop(std::move(e));
  auto json = toJson(**map, path);
  if (!json)
    drop(json.takeError());
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static std::unique_ptr<Image> app = cantFail(Image::open(RELINK_FUZZ_APP));
  ArrayRef<uint8_t> rest(bytes, size);
  if (size < 4)
    return 0;
  size_t namesSize = rest[0] | rest[1] << 8, inlinedSize = rest[2] | rest[3] << 8;
  rest = rest.drop_front(4);
  auto take = [&](size_t most) {
    ArrayRef<uint8_t> out = rest.take_front(std::min(most, rest.size()));
    rest = rest.drop_front(out.size());
    return out;
  };
  ArrayRef<uint8_t> names = take(namesSize), inlined = take(inlinedSize),
                    details = rest;
  MapEncoder object, lengths, definers;
  if (details.size() > 8)
    details = details.drop_back(8); // its check, which is made right
  lengths.number(details.size() + 8);
  object.raw(details);
  object.structure(rightCheck(*app, names, details));
  uint32_t count = llvm::count(names, 0);
  for (uint32_t i = 0; i < count; ++i)
    definers.number(i & 1);
  SmallVector<uint8_t, 0> map =
      makeMap({{BlockKind::Inputs, inputs(), 1},
               {BlockKind::Objects, lengths.bytes, 1},
               {BlockKind::Details, object.bytes, 1},
               {BlockKind::Names, copyOf(names), count},
               {BlockKind::Definers, definers.bytes, count},
               {BlockKind::Folds, copyOf(details.take_front(64)), 9},
               {BlockKind::Inlined, copyOf(inlined), 1}});
  auto section = AddedSection::plan(app->bytes(), sectionName);
  if (!section)
    abort(); // then nothing would be tested
  std::vector<uint8_t> headers = section->finish(map.size());
  std::vector<uint8_t> file(section->fileSize());
  std::vector<AddedSection::Part> parts = section->firstParts();
  parts.push_back({section->contentsAt(), map});
  parts.push_back({section->headersAt(), headers});
  parts.push_back({0, section->fileHeader()});
  for (const AddedSection::Part &p : parts)
    llvm::copy(p.bytes, file.begin() + p.offset);
  MemoryFile mapped(file.data(), file.size());
  printAll(mapped.path());
  Config config;
  config.app = mapped.path();
  config.patches = {RELINK_FUZZ_PATCH};
  config.dryRun = true;
  config.accepted = {"lost-cet", "constructors", "clones", "shared-code"};
  config.debugDirs = {"/nonexistent"};
  auto report = relink::relink(config);
  if (!report)
    drop(report.takeError());
  return 0;
}
