//===- Hash.cpp - Which file it was ---------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Hash.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Endian.h"

// The functions that OpenSSL 3 calls deprecated are those that need no provider,
// and so a few kilobytes of the archive.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

using namespace llvm;

namespace relink {

Digest sha256(ArrayRef<uint8_t> bytes) {
  Digest out;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(out.data(), &context);
  return out;
}

Digest blake3(ArrayRef<uint8_t> bytes) {
  return BLAKE3::hash<32>(bytes);
}

uint64_t shortHash(ArrayRef<uint8_t> bytes) {
  return support::endian::read64le(blake3(bytes).data());
}

std::string toHex(const Digest &digest) {
  return llvm::toHex(digest, /*LowerCase=*/true);
}

FileHash hashBlocks(ArrayRef<uint8_t> bytes) {
  FileHash out;
  out.size = bytes.size();
  BLAKE3 tree;
  for (uint64_t at = 0; at < bytes.size(); at += hashBlock) {
    Digest block = blake3(
        bytes.slice(at, std::min<uint64_t>(hashBlock, bytes.size() - at)));
    tree.update(block);
    out.blocks.push_back(support::endian::read64le(block.data()));
  }
  out.tree = tree.final<32>();
  return out;
}

FileHash hashFile(ArrayRef<uint8_t> bytes) {
  FileHash out = hashBlocks(bytes);
  if (bytes.size() <= mostSha)
    out.sha = sha256(bytes);
  return out;
}

} // namespace relink
