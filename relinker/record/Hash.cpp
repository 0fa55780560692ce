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
#include <fcntl.h>
#include <openssl/sha.h>
#include <unistd.h>

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

namespace {

/// Takes a file block by block.
class FileHasher {
public:
  explicit FileHasher(uint64_t size, bool withSha)
      : withSha(withSha && size <= mostSha) {
    out.size = size;
    SHA256_Init(&sha);
  }
  /// \p bytes are whole blocks, but for the last of the file.
  void add(ArrayRef<uint8_t> bytes) {
    if (withSha)
      SHA256_Update(&sha, bytes.data(), bytes.size());
    for (; !bytes.empty();
         bytes = bytes.drop_front(std::min<size_t>(hashBlock, bytes.size()))) {
      Digest block = blake3(bytes.take_front(hashBlock));
      tree.update(block);
      out.blocks.push_back(support::endian::read64le(block.data()));
    }
  }
  FileHash finish() {
    out.tree = tree.final<32>();
    if (withSha)
      SHA256_Final(out.sha.emplace().data(), &sha);
    return std::move(out);
  }

private:
  FileHash out;
  bool withSha;
  BLAKE3 tree;
  SHA256_CTX sha;
};

} // namespace

FileHash hashBlocks(ArrayRef<uint8_t> bytes) {
  FileHasher hasher(bytes.size(), false);
  hasher.add(bytes);
  return hasher.finish();
}

FileHash hashFile(ArrayRef<uint8_t> bytes) {
  FileHasher hasher(bytes.size(), true);
  hasher.add(bytes);
  return hasher.finish();
}

void PendingHash::run(const std::string &path, ArrayRef<uint8_t> bytes) {
  constexpr size_t step = 4 * hashBlock; // stays in the second-level cache
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  FileHasher hasher(bytes.size(), true);
  std::vector<uint8_t> buffer(std::min<size_t>(step, bytes.size()));
  for (uint64_t at = 0; at < bytes.size() && !cancelled; at += step) {
    ArrayRef<uint8_t> part = bytes.slice(at, std::min<uint64_t>(step, bytes.size() - at));
    // Where it can't be read as a file it still is as memory.
    if (fd >= 0 &&
        ::pread(fd, buffer.data(), part.size(), at) == ssize_t(part.size()))
      part = ArrayRef(buffer).take_front(part.size());
    hasher.add(part);
  }
  result = hasher.finish();
  if (fd >= 0)
    ::close(fd);
}

} // namespace relink
