//===- DebugFile.cpp - Symbols kept apart from the program ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DebugFile.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/CRC.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <lzma.h>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

std::string buildId(StringRef elf) {
  auto file = object::ELFFile<ELFT>::create(elf);
  if (!file) {
    consumeError(file.takeError());
    return {};
  }
  std::string id;
  auto search = [&](const auto &header) {
    Error e = Error::success();
    for (auto note : file->notes(header, e))
      if (note.getType() == NT_GNU_BUILD_ID && note.getName() == "GNU")
        id = toHex(note.getDesc(4), /*LowerCase=*/true);
    consumeError(std::move(e));
  };
  // A debug file's program headers point to bytes it does not have; its
  // section headers are right.
  auto sections = file->sections();
  if (!sections)
    consumeError(sections.takeError());
  else if (!sections->empty()) {
    for (const Shdr &s : *sections)
      if (s.sh_type == SHT_NOTE)
        search(s);
    return id;
  }
  auto segments = file->program_headers();
  if (!segments) {
    consumeError(segments.takeError());
    return {};
  }
  for (const Phdr &p : *segments)
    if (p.p_type == PT_NOTE)
      search(p);
  return id;
}

namespace {

std::unique_ptr<MemoryBuffer> openIfThere(const Twine &path) {
  if (!sys::fs::exists(path))
    return nullptr;
  auto file = MemoryBuffer::getFile(path, false, false);
  return file ? std::move(*file) : nullptr;
}

/// .gnu_debuglink: file name, NUL, padding to 4, CRC-32 of the file (gdb
/// manual, "Separate Debug Files").
std::unique_ptr<MemoryBuffer> followDebugLink(const Image &image,
                                              const Config &config) {
  const Section *s = image.section(".gnu_debuglink");
  if (!s || s->type == SHT_NOBITS || s->size < 8)
    return nullptr;
  StringRef data = toStringRef(image.bytes().slice(s->offset, s->size));
  StringRef name = data.take_until([](char c) { return c == 0; });
  uint64_t at = alignTo(name.size() + 1, 4);
  if (at + 4 > data.size() || name.empty() || name.contains('/'))
    return nullptr;
  uint32_t crc = support::endian::read32le(data.data() + at);

  SmallString<256> directory(image.path);
  sys::fs::make_absolute(directory);
  sys::path::remove_filename(directory);
  std::vector<std::string> places = {
      (directory + "/" + name).str(), (directory + "/.debug/" + name).str()};
  for (const std::string &d : config.debugDirs)
    places.push_back((d + directory + "/" + name).str());
  for (const std::string &place : places)
    if (auto file = openIfThere(place))
      if (llvm::crc32(arrayRefFromStringRef(file->getBuffer())) == crc)
        return file;
  return nullptr;
}

std::unique_ptr<MemoryBuffer> followBuildId(const Image &image,
                                            const Config &config) {
  std::string id = buildId(toStringRef(image.bytes()));
  if (id.size() < 6)
    return nullptr;
  for (const std::string &d : config.debugDirs)
    if (auto file = openIfThere(d + "/.build-id/" + id.substr(0, 2) + "/" +
                                id.substr(2) + ".debug"))
      return file;
  return nullptr;
}

/// .gnu_debugdata ("MiniDebugInfo"). A few kilobytes can claim to unpack to
/// anything, so memory is bounded by what such tables really reach.
std::unique_ptr<MemoryBuffer> unpackDebugData(const Image &image) {
  const Section *s = image.section(".gnu_debugdata");
  if (!s || s->type == SHT_NOBITS)
    return nullptr;
  constexpr uint64_t most = uint64_t(512) << 20;
  ArrayRef<uint8_t> packed = image.bytes().slice(s->offset, s->size);
  std::vector<uint8_t> out;
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, most, 0) != LZMA_OK)
    return nullptr;
  stream.next_in = packed.data();
  stream.avail_in = packed.size();
  lzma_ret status = LZMA_OK;
  while (status == LZMA_OK && out.size() < most) {
    size_t before = out.size();
    out.resize(before + (size_t(1) << 20));
    stream.next_out = out.data() + before;
    stream.avail_out = out.size() - before;
    status = lzma_code(&stream, LZMA_FINISH);
    out.resize(out.size() - stream.avail_out);
  }
  lzma_end(&stream);
  if (status != LZMA_STREAM_END)
    return nullptr;
  return MemoryBuffer::getMemBufferCopy(toStringRef(ArrayRef(out)),
                                        image.path + "(.gnu_debugdata)");
}

} // namespace

Expected<std::unique_ptr<MemoryBuffer>> findDebugFile(const Image &image,
                                                      const Config &config) {
  if (!config.debugFile.empty()) {
    auto file = MemoryBuffer::getFile(config.debugFile, false, false);
    if (!file)
      return makeError(config.debugFile + ": cannot open: " +
                       file.getError().message());
    std::string ours = buildId(toStringRef(image.bytes())),
                theirs = buildId((*file)->getBuffer());
    if (!ours.empty() && !theirs.empty() && ours != theirs)
      return makeError(config.debugFile + ": is the debug file of another "
                       "build\n>>> its build-id is " + theirs + "\n>>> " +
                       image.path + " has " + ours);
    return std::move(*file);
  }
  if (auto file = followBuildId(image, config))
    return file;
  if (auto file = followDebugLink(image, config))
    return file;
  return unpackDebugData(image);
}

} // namespace relink
