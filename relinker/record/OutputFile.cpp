//===- OutputFile.cpp - The output appears whole or not at all ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

Error systemError(const Twine &what) {
  return makeError(what + ": " + strerror(errno));
}

/// Whether \p path can't be replaced by a file: a device, a pipe, or the name of a file
/// that is open, as /dev/stdout is.
bool isStream(const std::string &path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0)
    return false;
  char link[64] = {};
  bool isLink = ::readlink(path.c_str(), link, sizeof(link) - 1) > 0;
  return (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) ||
         StringRef(isLink ? link : path.c_str()).starts_with("/proc/") ||
         StringRef(path).starts_with("/dev/fd/");
}

/// All that \p from has, behind what \p path has.
int appendTo(const std::string &path, int from) {
  int to = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (to < 0)
    return errno;
  std::vector<char> buffer(1 << 20);
  off_t at = 0;
  int error = 0;
  for (ssize_t n; !error && (n = ::pread(from, buffer.data(), buffer.size(), at)) != 0;
       at += n) {
    if (n < 0)
      error = errno;
    for (ssize_t done = 0; !error && done < n;) {
      ssize_t written = ::write(to, buffer.data() + done, n - done);
      if (written < 0 && errno != EINTR)
        error = errno;
      done += std::max<ssize_t>(written, 0);
    }
  }
  ::close(to);
  return error;
}

} // namespace

int writeAll(int fd, ArrayRef<uint8_t> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n ? errno : EIO;
    bytes = bytes.drop_front(n);
    offset += n;
  }
  return 0;
}

OutputFile::OutputFile(StringRef path) : path(path) {
  if (isStream(this->path)) {
    goesToStream = true;
    fd = ::memfd_create("relink", MFD_CLOEXEC);
    createError = fd < 0 ? errno : 0;
    return;
  }
  StringRef directory = sys::path::parent_path(path);
  // Without a name, nothing is left of it however this process ends. Not every
  // file system can do that.
  std::string where = directory.empty() ? "." : directory.str();
  fd = ::open(where.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0)
    return;
  temporary = temporaryName();
  fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    createError = errno;
    return;
  }
  sys::RemoveFileOnSignal(temporary);
}

/// Beside the final name, and hidden.
std::string OutputFile::temporaryName() const {
  StringRef directory = sys::path::parent_path(path);
  return (directory.empty() ? "" : directory.str() + "/") + "." +
         sys::path::filename(path).str() + ".relink-XXXXXX";
}

/// open(2), "O_TMPFILE": a file without a name gets one through /proc. It can't
/// replace another, so it is a temporary one at first.
Error OutputFile::giveName() {
  std::string self = "/proc/self/fd/" + std::to_string(fd);
  for (unsigned tries = 0; tries < 100; ++tries) {
    std::string name = temporaryName();
    std::string unique = std::to_string(::getpid()) + "-" + std::to_string(tries);
    name.replace(name.size() - 6, 6, unique);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(),
                 AT_SYMLINK_FOLLOW) == 0) {
      temporary = name;
      sys::RemoveFileOnSignal(temporary);
      return Error::success();
    }
    if (errno != EEXIST)
      break;
  }
  return systemError(path + ": cannot name the finished file");
}

OutputFile::~OutputFile() {
  if (fd < 0)
    return;
  ::close(fd);
  if (temporary.empty())
    return;
  if (!committed)
    ::unlink(temporary.c_str());
  sys::DontRemoveFileOnSignal(temporary);
}

Error OutputFile::checkCreated() const {
  if (!createError)
    return Error::success();
  return makeError(path + ": cannot write to its directory: " +
                   strerror(createError));
}

Error OutputFile::write(ArrayRef<uint8_t> bytes, uint64_t offset) {
  if (int e = writeAll(fd, bytes, offset))
    return makeError(path + ": cannot write: " + strerror(e));
  return Error::success();
}

Error OutputFile::truncate(uint64_t size) {
  return ::ftruncate(fd, size) == 0 ? Error::success()
                                    : systemError(path + ": cannot write");
}

Expected<std::unique_ptr<MemoryBuffer>> OutputFile::readBack() const {
  auto written = MemoryBuffer::getOpenFile(fd, path, -1, false);
  if (!written)
    return makeError(path + ": cannot read back: " +
                     written.getError().message());
  return std::move(*written);
}

Error OutputFile::copyAttributes(const std::string &from, bool dropPrivileges) {
  struct stat was;
  if (::stat(from.c_str(), &was) != 0)
    return systemError(from + ": cannot read its attributes");
  bool privileged = was.st_mode & (S_ISUID | S_ISGID);
  mode_t mode = was.st_mode & 07777;
  if (::fchown(fd, was.st_uid, was.st_gid) != 0) {
    if (privileged && !dropPrivileges)
      return makeError(from + ": is setuid or setgid and belongs to "
                       "another user, so the output can't be the same\n>>> "
                       "remedy: run relink as its owner or root, or "
                       "--drop-privileges to make an ordinary file");
    mode &= ~mode_t(S_ISUID | S_ISGID);
  }
  if (::fchmod(fd, mode) != 0)
    return systemError(path + ": cannot set its mode");

  char names[65536];
  ssize_t length = ::listxattr(from.c_str(), names, sizeof(names));
  for (ssize_t at = 0; at < length; at += strlen(names + at) + 1) {
    const char *name = names + at;
    std::vector<char> value(65536);
    ssize_t n = ::getxattr(from.c_str(), name, value.data(), value.size());
    if (n < 0 || ::fsetxattr(fd, name, value.data(), n, 0) == 0)
      continue;
    if (StringRef(name) == "security.capability" && !dropPrivileges)
      return makeError(from + ": has file capabilities that can't be "
                       "given to the output: " + strerror(errno) +
                       "\n>>> remedy: run relink as root, or "
                       "--drop-privileges to make a file without them");
  }
  return Error::success();
}

Error OutputFile::publish() {
  if (goesToStream)
    return commit();
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0)
    return systemError(path + ": cannot set its mode");
  return commit();
}

Error OutputFile::commit() {
  if (goesToStream) {
    outs().flush();
    int e = appendTo(path, fd);
    return e ? makeError(path + ": cannot write: " + strerror(e)) : Error::success();
  }
  if (temporary.empty())
    if (Error e = giveName())
      return e;
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return systemError(path + ": cannot rename the finished file");
  committed = true;
  return Error::success();
}

Error checkOutputPath(const std::string &path,
                      ArrayRef<std::string> inputs) {
  struct stat in, out;
  if (path.empty())
    return Error::success();
  if (::stat(path.c_str(), &out) != 0)
    return Error::success();
  if (S_ISDIR(out.st_mode))
    return makeError(path + ": is a directory, expected a file name");
  if (isStream(path))
    return makeError(path + ": is no file that a program can replace\n>>> remedy: name "
                            "a file with -o; --dry-run writes none");
  for (const std::string &input : inputs)
    if (::stat(input.c_str(), &in) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino)
      return makeError(path + ": the output is the input file " + input +
                       ", which is never changed\n>>> remedy: name another "
                       "file with -o, and move it over the input afterwards");
  return Error::success();
}

} // namespace relink
