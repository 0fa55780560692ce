//===- Fuzz.h - What the fuzz targets share ---------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// relink reads files by name, so the bytes become an anonymous file that has one,
// or files of a directory.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_TEST_FUZZ_H
#define RELINK_TEST_FUZZ_H

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace relink {

class MemoryFile {
public:
  MemoryFile(const uint8_t *bytes, size_t size) : fd(memfd_create("fuzz", 0)) {
    for (size_t done = 0; done < size;) {
      ssize_t n = ::write(fd, bytes + done, size - done);
      if (n <= 0)
        abort();
      done += n;
    }
  }
  ~MemoryFile() { ::close(fd); }
  MemoryFile(const MemoryFile &) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

private:
  int fd;
};

/// A directory in memory where that is possible, so that writing is no delay.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    const char *given = ::getenv("TMPDIR");
    name = std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                       : given                        ? given
                                                      : "/tmp") +
           "/fuzz-XXXXXX";
    if (!::mkdtemp(name.data()))
      abort();
  }
  ~TemporaryDirectory() { llvm::sys::fs::remove_directories(name); }
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  const std::string &path() const { return name; }
  void write(llvm::StringRef file, llvm::StringRef bytes) const {
    std::error_code error;
    llvm::raw_fd_ostream os(name + "/" + file.str(), error);
    if (error)
      abort();
    os << bytes;
  }
  /// Without what was written there.
  void clear() const {
    llvm::sys::fs::remove_directories(name);
    if (llvm::sys::fs::create_directory(name))
      abort();
  }

private:
  std::string name;
};

/// An error is a good answer; its text has to be one that can be made.
inline void drop(llvm::Error e) {
  if (e)
    llvm::toString(std::move(e));
}

} // namespace relink

// LLVM's shared library is not sanitised: see test/lit.cfg.py.
extern "C" const char *__asan_default_options();
inline const char *__asan_default_options() {
  return "detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=0";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
