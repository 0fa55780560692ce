//===- PortablePatch.cpp - A patch as a small file ------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PortablePatch.h"
#include "Commit.h"
#include "Error.h"
#include "Hash.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#define ZSTD_STATIC_LINKING_ONLY // ZSTD_CCtx_refPrefix() was experimental once
#include <zstd.h>

using namespace llvm;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

constexpr char magic[16] = {'r', 'e', 'l', 'i', 'n', 'k', ' ', 'p',
                            'a', 't', 'c', 'h', 0,   0,   '\r', '\n'};
constexpr uint32_t version = 1;
constexpr uint64_t headerSize = 144, editSize = 16;

/// Few bytes can claim to unpack to anything, so memory is bounded by what is
/// there: the app, a constant, and some times the packed size.
bool isTooLarge(uint64_t data, uint64_t app, uint64_t packed) {
  return data > app + (uint64_t(64) << 20) + packed * 32;
}

/// zstd's largest window; larger files are not used as a dictionary.
constexpr unsigned mostWindowLog = 31;

struct Portable {
  uint64_t appSize = 0, keep = 0; ///< bytes; the app's from `keep` on are dropped
  uint64_t resultSize = 0;
  Digest app{}, result{}; ///< FileHash::tree
  std::vector<std::pair<uint64_t, uint64_t>> edits; ///< offset, size
  std::vector<uint8_t> data; ///< new bytes of the edits, then those from `keep`
};

/// Differing runs of the two; a few equal bytes between two join them.
void findEdits(ArrayRef<uint8_t> a, ArrayRef<uint8_t> b, Portable &p) {
  constexpr uint64_t joined = editSize;
  constexpr uint64_t step = 4096;
  for (uint64_t at = 0; at < p.keep;) {
    uint64_t size = std::min(step, p.keep - at);
    if (memcmp(&a[at], &b[at], size) == 0) {
      at += size;
      continue;
    }
    for (uint64_t end = at + size; at < end; ++at) {
      if (a[at] == b[at])
        continue;
      if (!p.edits.empty() &&
          at < p.edits.back().first + p.edits.back().second + joined)
        p.edits.back().second = at + 1 - p.edits.back().first;
      else
        p.edits.push_back({at, 1});
    }
  }
  for (auto [offset, length] : p.edits)
    p.data.insert(p.data.end(), b.begin() + offset, b.begin() + offset + length);
  p.data.insert(p.data.end(), b.begin() + p.keep, b.end());
}

unsigned windowLog(uint64_t dictionary, uint64_t data) {
  return std::clamp<unsigned>(Log2_64_Ceil(dictionary + data + 1024), 17,
                              mostWindowLog);
}

bool usesDictionary(uint64_t appSize) {
  return appSize < (uint64_t(1) << (mostWindowLog - 1));
}

Expected<std::vector<uint8_t>> pack(ArrayRef<uint8_t> app,
                                    ArrayRef<uint8_t> data) {
  ZSTD_CCtx *c = ZSTD_createCCtx();
  auto free = scope_exit([&] { ZSTD_freeCCtx(c); });
  // The best levels take minutes for a dictionary of 100 MB.
  int level = app.size() <= (uint64_t(32) << 20) ? 19 : 9;
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
  if (usesDictionary(app.size())) {
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog,
                           windowLog(app.size(), data.size()));
    ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1);
    ZSTD_CCtx_refPrefix(c, app.data(), app.size());
  }
  std::vector<uint8_t> out(ZSTD_compressBound(data.size()));
  size_t n = ZSTD_compress2(c, out.data(), out.size(), data.data(), data.size());
  if (ZSTD_isError(n))
    return makeError(Twine("cannot compress: ") + ZSTD_getErrorName(n));
  out.resize(n);
  return out;
}

Expected<std::vector<uint8_t>> unpack(ArrayRef<uint8_t> app,
                                      ArrayRef<uint8_t> packed, uint64_t size) {
  ZSTD_DCtx *d = ZSTD_createDCtx();
  auto free = scope_exit([&] { ZSTD_freeDCtx(d); });
  ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, mostWindowLog);
  if (usesDictionary(app.size()))
    ZSTD_DCtx_refPrefix(d, app.data(), app.size());
  // In steps, so that a small file that claims a large result fails early.
  std::vector<uint8_t> out;
  ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
  for (;;) {
    size_t had = out.size();
    out.resize(std::min<uint64_t>(size + 1, std::max<uint64_t>(had * 2, 65536)));
    ZSTD_outBuffer to = {out.data(), out.size(), had};
    size_t n = ZSTD_decompressStream(d, &to, &in);
    if (ZSTD_isError(n))
      return makeError(ZSTD_getErrorName(n));
    bool stuck = to.pos == had && in.pos == in.size;
    out.resize(to.pos);
    if (n == 0)
      break;
    if (stuck || out.size() > size)
      return makeError("its data has another size than it says");
  }
  if (out.size() != size)
    return makeError("its data has another size than it says");
  return out;
}

std::vector<uint8_t> encode(const Portable &p, ArrayRef<uint8_t> packed) {
  std::vector<uint8_t> out(magic, magic + sizeof(magic));
  auto number = [&](uint64_t v, unsigned size) {
    for (unsigned i = 0; i < size; ++i)
      out.push_back(v >> (8 * i));
  };
  number(version, 4);
  number(p.edits.size(), 4);
  for (uint64_t v : {p.appSize, p.keep, p.resultSize, uint64_t(p.data.size()),
                     uint64_t(packed.size())})
    number(v, 8);
  out.insert(out.end(), p.app.begin(), p.app.end());
  out.insert(out.end(), p.result.begin(), p.result.end());
  number(0, 8); // reserved
  number(0, 8);
  for (auto [offset, size] : p.edits) {
    number(offset, 8);
    number(size, 8);
  }
  out.insert(out.end(), packed.begin(), packed.end());
  return out;
}

/// Everything but `data`, which only the right app can unpack; \p packed is what
/// it is in.
Error decode(StringRef path, ArrayRef<uint8_t> bytes, Portable &p,
             ArrayRef<uint8_t> &packed, uint64_t &dataSize) {
  auto error = [&](const Twine &what) { return makeError(path + ": " + what); };
  if (bytes.size() < headerSize ||
      memcmp(bytes.data(), magic, sizeof(magic)) != 0)
    return error("is no portable patch, as relink --export writes it");
  const uint8_t *b = bytes.data();
  if (read32le(b + 16) != version)
    return error("has version " + Twine(read32le(b + 16)) + ", expected " +
                 Twine(version));
  uint64_t count = read32le(b + 20);
  p.appSize = read64le(b + 24);
  p.keep = read64le(b + 32);
  p.resultSize = read64le(b + 40);
  dataSize = read64le(b + 48);
  uint64_t packedSize = read64le(b + 56);
  llvm::copy(bytes.slice(64, 32), p.app.begin());
  llvm::copy(bytes.slice(96, 32), p.result.begin());
  uint64_t packedAt = headerSize + count * editSize;
  if (packedAt > bytes.size() || packedSize != bytes.size() - packedAt)
    return error("is truncated");
  uint64_t end = 0, changed = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t *e = b + headerSize + i * editSize;
    uint64_t offset = read64le(e), size = read64le(e + 8);
    if (offset < end || offset > p.keep || size > p.keep - offset)
      return error("a change lies outside of the program");
    end = offset + size;
    changed += size;
    p.edits.push_back({offset, size});
  }
  if (p.keep > p.appSize || p.keep > p.resultSize || dataSize < changed ||
      dataSize - changed != p.resultSize - p.keep)
    return error("its sizes contradict each other");
  packed = bytes.drop_front(packedAt);
  if (isTooLarge(dataSize, p.appSize, packedSize))
    return error("claims " + Twine(dataSize) + " bytes of data, more than a "
                 "file of its size holds");
  return Error::success();
}

Output makeOutput(const Portable &p) {
  Output out;
  const uint8_t *from = p.data.data();
  for (auto [offset, size] : p.edits) {
    out.edit(offset, {from, size}, "portable patch");
    from += size;
  }
  out.tailOffset = p.keep;
  out.tail.assign(from, p.data.data() + p.data.size());
  out.expected = p.result;
  return out;
}

} // namespace

Error exportPatch(const PortableOptions &options, raw_ostream &os) {
  if (Error e = checkOutputPath(options.output, {options.app, options.other}))
    return e;
  auto app = Image::open(options.app);
  if (!app)
    return app.takeError();
  auto fixed = openMapped(options.other);
  if (!fixed)
    return fixed.takeError();
  ArrayRef<uint8_t> a = (*app)->bytes(),
                    b = arrayRefFromStringRef((*fixed)->getBuffer());
  Portable p;
  p.appSize = a.size();
  p.keep = std::min<uint64_t>((*app)->elfEnd, b.size());
  p.resultSize = b.size();
  p.app = hashBlocks(a).tree;
  p.result = hashBlocks(b).tree;
  findEdits(a, b, p);
  auto packed = pack(a, p.data);
  if (!packed)
    return packed.takeError();
  if (isTooLarge(p.data.size(), a.size(), packed->size()))
    return makeError(options.output + ": the change is too large: " +
                     Twine(p.data.size()) + " bytes");
  std::vector<uint8_t> bytes = encode(p, *packed);
  OutputFile out(options.output);
  if (Error e = out.checkCreated())
    return e;
  if (Error e = out.write(bytes, 0))
    return e;
  if (Error e = out.publish())
    return e;
  if (options.json)
    os << formatv("{0:2}\n", json::Value(json::Object{{"version", 1},
                                                      {"output", options.output},
                                                      {"size", bytes.size()}}));
  else if (!options.quiet)
    os << options.output << ": " << bytes.size() << " bytes turn " << options.app
       << " into " << options.other << "\n";
  return Error::success();
}

Error importPatch(const PortableOptions &options, raw_ostream &os) {
  if (Error e = checkOutputPath(options.output, {options.app, options.other}))
    return e;
  auto app = Image::open(options.app);
  if (!app)
    return app.takeError();
  auto file = openMapped(options.other);
  if (!file)
    return file.takeError();
  Portable p;
  ArrayRef<uint8_t> packed;
  uint64_t dataSize = 0;
  if (Error e = decode(options.other,
                       arrayRefFromStringRef((*file)->getBuffer()), p, packed,
                       dataSize))
    return e;
  ArrayRef<uint8_t> a = (*app)->bytes();
  Digest found = hashBlocks(a).tree;
  if (a.size() != p.appSize || found != p.app)
    return makeError(options.app + ": is not the file that " + options.other +
                     " was made for\n>>> expected " + Twine(p.appSize) +
                     " bytes, BLAKE3 tree " + toHex(p.app) + "\n>>> found " +
                     Twine(a.size()) + " bytes, BLAKE3 tree " +
                     toHex(found));
  auto data = unpack(a, packed, dataSize);
  if (!data)
    return makeError(options.other + ": " + toString(data.takeError()));
  p.data = std::move(*data);

  Config config;
  config.app = options.app;
  config.output = options.output;
  config.dropPrivileges = options.dropPrivileges;
  PendingOutput out(config, **app);
  if (Error e = out.commit(makeOutput(p)))
    return e;
  if (options.json)
    os << formatv("{0:2}\n", json::Value(json::Object{{"version", 1},
                                                      {"output", options.output},
                                                      {"size", p.resultSize}}));
  else if (!options.quiet)
    os << options.output << ": " << p.resultSize << " bytes, as " << options.other
       << " says\n";
  return Error::success();
}

} // namespace relink
