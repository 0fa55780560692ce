//===- Hash.h - Which file it was -------------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SHA-256 is what people compare; it takes half a second for 100 MB where the
// processor has no instructions for it. The BLAKE3 hashes of blocks take a tenth
// of that, and tell where two files differ.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_HASH_H
#define RELINK_HASH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace relink {

using Digest = std::array<uint8_t, 32>;

Digest sha256(llvm::ArrayRef<uint8_t> bytes);
Digest blake3(llvm::ArrayRef<uint8_t> bytes);
/// The first eight bytes of the BLAKE3 hash, for checks of small pieces.
uint64_t shortHash(llvm::ArrayRef<uint8_t> bytes);
std::string toHex(const Digest &digest);

constexpr uint64_t hashBlock = 65536; ///< bytes

/// What identifies a file's contents.
struct FileHash {
  uint64_t size = 0;
  /// BLAKE3 over the hashes of the blocks, in order, each 32 bytes.
  Digest tree{};
  std::vector<uint64_t> blocks; ///< of each block's hash the first 8 bytes
  std::optional<Digest> sha;    ///< SHA-256, if the file is not too large for it
};

/// Files up to this size get a SHA-256.
constexpr uint64_t mostSha = uint64_t(64) << 20;

FileHash hashFile(llvm::ArrayRef<uint8_t> bytes);
/// The same without the SHA-256.
FileHash hashBlocks(llvm::ArrayRef<uint8_t> bytes);

/// Hashes a file in a thread of its own, until it is asked. It reads the file
/// rather than its mapping, whose pages would have to be mapped one by one and
/// would count as memory in use.
class PendingHash {
public:
  /// \p bytes are the file's, mapped.
  PendingHash(llvm::StringRef path, llvm::ArrayRef<uint8_t> bytes)
      : thread([this, path = path.str(), bytes] { run(path, bytes); }) {}
  /// Nobody has to wait for what nobody asked for.
  ~PendingHash() {
    cancelled = true;
    wait();
  }
  PendingHash(const PendingHash &) = delete;
  const FileHash &get() {
    wait();
    return result;
  }

private:
  void run(const std::string &path, llvm::ArrayRef<uint8_t> bytes);
  void wait() {
    if (thread.joinable())
      thread.join();
  }
  FileHash result;
  std::atomic<bool> cancelled = false;
  std::thread thread;
};

} // namespace relink

#endif
