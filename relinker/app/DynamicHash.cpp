//===- DynamicHash.cpp - .gnu.hash and .hash ------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DynamicHash.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include <numeric>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::write32le;
using support::endian::write64le;

namespace relink {
namespace {

/// The app's .gnu.hash header (glibc elf/dl-lookup.c, do_lookup_x).
struct GnuHashHeader {
  uint32_t buckets = 0, first = 0, bloomWords = 0, bloomShift = 0;
};

Expected<GnuHashHeader> readHeader(const Image &image, size_t count) {
  ArrayRef<uint8_t> t = image.bytesFrom(image.dynamic.gnuHash);
  if (t.size() < 16)
    return makeError(image.path + ": its .gnu.hash is truncated");
  GnuHashHeader h = {read32le(&t[0]), read32le(&t[4]), read32le(&t[8]),
                     read32le(&t[12])};
  uint64_t buckets = 16 + uint64_t(h.bloomWords) * 8;
  if (!h.buckets || !h.bloomWords || buckets > t.size() ||
      uint64_t(h.buckets) * 4 > t.size() - buckets)
    return makeError(image.path + ": its .gnu.hash lies about its size");
  // A table without symbols may say any first index.
  bool empty = true;
  for (uint32_t i = 0; i < h.buckets; ++i)
    empty &= read32le(&t[buckets + i * 4]) == 0;
  if (empty || h.first > count)
    h.first = count;
  return h;
}

std::vector<uint8_t> writeGnuHash(const GnuHashHeader &h,
                                  ArrayRef<uint32_t> hashes) {
  uint64_t buckets = 16 + uint64_t(h.bloomWords) * 8;
  uint64_t chains = buckets + uint64_t(h.buckets) * 4;
  std::vector<uint8_t> out(chains + hashes.size() * 4);
  write32le(&out[0], h.buckets);
  write32le(&out[4], h.first);
  write32le(&out[8], h.bloomWords);
  write32le(&out[12], h.bloomShift);
  std::vector<uint64_t> bloom(h.bloomWords);
  for (size_t i = 0; i < hashes.size(); ++i) {
    uint32_t hash = hashes[i], bucket = hash % h.buckets;
    bloom[(hash / 64) % h.bloomWords] |=
        uint64_t(1) << (hash % 64) |
        uint64_t(1) << ((hash >> (h.bloomShift & 31)) % 64);
    if (i == 0 || hashes[i - 1] % h.buckets != bucket)
      write32le(&out[buckets + bucket * 4], h.first + i);
    bool last = i + 1 == hashes.size() || hashes[i + 1] % h.buckets != bucket;
    write32le(&out[chains + i * 4], (hash & ~1u) | last);
  }
  for (uint32_t i = 0; i < h.bloomWords; ++i)
    write64le(&out[16 + i * 8], bloom[i]);
  return out;
}

/// gABI "Hash Table": nbucket, nchain, buckets, chains.
std::vector<uint8_t> writeSysvHash(const Image &image,
                                   ArrayRef<const DynamicSymbolEntry *> symbols) {
  ArrayRef<uint8_t> old = image.bytesAt(image.dynamic.hash, 8);
  uint32_t buckets = old.empty() ? 1 : std::max<uint32_t>(read32le(&old[0]), 1);
  buckets = std::min<uint32_t>(buckets, symbols.size() + 1);
  std::vector<uint8_t> out(8 + (buckets + symbols.size()) * 4);
  write32le(&out[0], buckets);
  write32le(&out[4], symbols.size());
  for (uint32_t i = symbols.size(); i-- > 1;) {
    uint8_t *bucket =
        &out[8 + (object::hashSysV(symbols[i]->name) % buckets) * 4];
    write32le(&out[8 + (buckets + i) * 4], read32le(bucket));
    write32le(bucket, i);
  }
  return out;
}

} // namespace

Expected<HashTables> buildHashTables(const Image &image,
                                     ArrayRef<DynamicSymbolEntry> symbols,
                                     size_t oldCount) {
  HashTables out;
  out.newIndex.resize(symbols.size());
  std::iota(out.newIndex.begin(), out.newIndex.end(), 0);
  bool definitions =
      any_of(symbols.drop_front(oldCount), [](auto &s) { return s.hashed; });
  if (image.dynamic.gnuHash && definitions) {
    auto header = readHeader(image, oldCount);
    if (!header)
      return header.takeError();
    struct Hashed {
      uint32_t index, hash;
    };
    std::vector<Hashed> covered;
    std::vector<uint32_t> undefined;
    for (uint32_t i = header->first; i < symbols.size(); ++i)
      if (i < oldCount || symbols[i].hashed)
        covered.push_back({i, object::hashGnu(symbols[i].name)});
      else
        undefined.push_back(i);
    stable_sort(covered, [&](const Hashed &a, const Hashed &b) {
      return a.hash % header->buckets < b.hash % header->buckets;
    });
    uint32_t next = header->first;
    std::vector<uint32_t> hashes;
    for (const Hashed &h : covered) {
      out.newIndex[h.index] = next++;
      hashes.push_back(h.hash);
    }
    for (uint32_t i : undefined)
      out.newIndex[i] = next++;
    out.gnu = writeGnuHash(*header, hashes);
  }
  if (image.dynamic.hash) {
    std::vector<const DynamicSymbolEntry *> ordered(symbols.size());
    for (size_t i = 0; i < symbols.size(); ++i)
      ordered[out.newIndex[i]] = &symbols[i];
    out.sysv = writeSysvHash(image, ordered);
  }
  return out;
}

} // namespace relink
