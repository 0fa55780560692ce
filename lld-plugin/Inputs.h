//===- Inputs.h - The inputs of a link, as lld gets them --------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The reserve is lld's last input. Its name is that of the linker's own file,
// which exists, and which the output does depend on: --dependency-file lists
// it, and --reproduce stores the reserve under it.
//
// When lld asks for it, which members of archives the link will take is not
// known yet. --trace tells: lld prints each object when it takes it, the
// reserve last, and reads that one's section headers after it has said so. By
// then all objects that count have been seen, and the pools get their final
// sizes in the buffer lld holds. The record of hot-patch entries is completed
// when lld opens the output.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_INPUTS_H
#define RELINK_LLD_INPUTS_H

#include "HotPatch.h"
#include "LinkOptions.h"
#include "PatchMapWriter.h"
#include "ReserveObject.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ThreadPool.h"
#include <deque>
#include <mutex>

namespace relink {

class Inputs {
public:
  Inputs(const LinkOptions &options, std::vector<llvm::GlobPattern> except,
         std::string reserveName, std::string program)
      : options(options), except(std::move(except)),
        reserveName(std::move(reserveName)), program(std::move(program)) {}

  /// The reserve, if \p path is its name; else null.
  std::unique_ptr<llvm::MemoryBuffer> reserveFor(llvm::StringRef path);

  /// What lld gets for the file at \p path.
  std::unique_ptr<llvm::MemoryBuffer>
  adapt(llvm::StringRef path, std::unique_ptr<llvm::MemoryBuffer> file);

  /// lld has opened a member of the thin archive at \p path. Its buffer is named
  /// after the member.
  void opened(llvm::StringRef path, llvm::MemoryBufferRef member);

  /// A line that lld prints. True if it is one of --trace's.
  bool traced(llvm::StringRef line);

  /// A line that lld prints. True if it is one of --print-icf-sections'.
  bool folded(llvm::StringRef line);

  /// All inputs are known, the output is about to be made.
  llvm::Error finish();

  /// What describes the output that is about to be made; null if nothing does.
  std::unique_ptr<PatchMapWriter> takeMap() { return std::move(map); }

  /// Sections that were made longer where they lie. All inputs are known.
  const GrownSections &grown() const { return grownSections; }

private:
  using Sizes = std::array<uint64_t, reserve::poolKinds>;

  /// An object by the name lld prints for it.
  struct Source {
    llvm::StringRef bytes;
    std::string path; ///< of a thin archive's member
    bool isToolchain = false;
    bool isTaken = false;
    llvm::StringRef original; ///< bytes as they were on disk, unless
    std::string originalPath; ///< a thin archive's member was padded
    std::string file, member; ///< the latter of an archive's
  };

  void noteMachine(llvm::StringRef bytes);
  void addObject(llvm::StringRef path, llvm::StringRef bytes,
                 llvm::StringRef original);
  void addMembers(llvm::StringRef path, llvm::MemoryBufferRef archive,
                  llvm::MemoryBufferRef original);
  std::unique_ptr<llvm::MemoryBuffer> pad(llvm::StringRef path,
                                          const llvm::MemoryBuffer &file);
  void take(llvm::StringRef name, Source &source);
  void addToMap(llvm::StringRef name, Source &source);
  /// What one object's entries are; found in another thread.
  struct Entries {
    std::string name;
    llvm::StringRef bytes;
    HotPatchFacts facts;
  };
  void addEntries(const Entries &entries);
  Sizes poolSizes(const Sizes &held) const;
  void warn(const llvm::Twine &message) const;

  const LinkOptions &options;
  std::vector<llvm::GlobPattern> except;
  std::string reserveName, program;

  std::mutex mutex; ///< of all below
  uint16_t machine = 0;
  unsigned char fileClass = 0, encoding = 0;
  Sizes named{}; ///< what objects named on the command line hold
  Sizes taken{}; ///< what all objects that are linked hold
  uint64_t bytesRead = 0;
  llvm::StringMap<std::vector<Source>> sources;
  llvm::StringMap<llvm::StringRef> padded; ///< by path: files are named twice
  ZeroedMemory paddedMemory; ///< archives
  GrownSections grownSections;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> kept;
  std::optional<ReserveObject> reserve;
  std::unique_ptr<PatchMapWriter> map;
  std::string keptFold; ///< of --print-icf-sections, the last
  ReserveContents contents;
  bool anyTaken = false, anyReady = false, mixed = false, isFinished = false;
  std::vector<std::string> notReady, odd, bitcode;
  std::deque<Entries> entries;
  llvm::DefaultThreadPool threads; ///< end before what they work on
  llvm::ThreadPoolTaskGroup entryTasks{threads};
};

} // namespace relink

#endif
