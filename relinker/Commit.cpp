//===- Commit.cpp - The output appears whole or not at all ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Commit.h"
#include "Error.h"
#include "LoaderRules.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

Error systemError(const Twine &what) {
  return makeError(what + ": " + strerror(errno));
}

Error writeAll(int fd, ArrayRef<uint8_t> bytes, uint64_t offset,
               StringRef path) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return systemError(path + ": cannot write");
    bytes = bytes.drop_front(n);
    offset += n;
  }
  return Error::success();
}

/// The kernel copies, or shares the blocks where the file system can.
Error copyOriginal(const Image &image, uint64_t size, int fd, StringRef path) {
  int from = ::open(image.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0)
    return systemError(image.path + ": cannot open");
  auto close = scope_exit([&] { ::close(from); });
  if (::ioctl(fd, FICLONE, from) == 0) {
    if (::ftruncate(fd, size) != 0)
      return systemError(path + ": cannot write");
    return Error::success();
  }
  uint64_t done = 0;
  while (done < size) {
    loff_t in = done, to = done;
    ssize_t n = ::copy_file_range(from, &in, fd, &to, size - done, 0);
    if (n <= 0)
      break;
    done += n;
  }
  // Across file systems, or where it is not implemented.
  return writeAll(fd, image.bytes().slice(done, size - done), done, path);
}

Error copyAttributes(const Config &config, const Image &image, int fd) {
  struct stat was;
  if (::stat(image.path.c_str(), &was) != 0)
    return systemError(image.path + ": cannot read its attributes");
  bool privileged = was.st_mode & (S_ISUID | S_ISGID);
  mode_t mode = was.st_mode & 07777;
  if (::fchown(fd, was.st_uid, was.st_gid) != 0) {
    if (privileged && !config.dropPrivileges)
      return makeError(image.path + ": is setuid or setgid and belongs to "
                       "another user, so the output can't be the same\n>>> "
                       "remedy: run relink as its owner or root, or "
                       "--drop-privileges to make an ordinary file");
    mode &= ~mode_t(S_ISUID | S_ISGID);
  }
  if (::fchmod(fd, mode) != 0)
    return systemError(config.output + ": cannot set its mode");

  char names[65536];
  ssize_t length = ::listxattr(image.path.c_str(), names, sizeof(names));
  for (ssize_t at = 0; at < length; at += strlen(names + at) + 1) {
    const char *name = names + at;
    std::vector<char> value(65536);
    ssize_t n = ::getxattr(image.path.c_str(), name, value.data(), value.size());
    if (n < 0 || ::fsetxattr(fd, name, value.data(), n, 0) == 0)
      continue;
    if (StringRef(name) == "security.capability" && !config.dropPrivileges)
      return makeError(image.path + ": has file capabilities that can't be "
                       "given to the output: " + strerror(errno) +
                       "\n>>> remedy: run relink as root, or "
                       "--drop-privileges to make a file without them");
  }
  return Error::success();
}

Error checkLoadable(int fd, StringRef path) {
  auto written = MemoryBuffer::getOpenFile(fd, path, -1, false);
  if (!written)
    return makeError(path + ": cannot read back: " +
                     written.getError().message());
  std::string message;
  for (const RuleViolation &v :
       checkLoaderRules(arrayRefFromStringRef((*written)->getBuffer())))
    if (!v.warning)
      message += "\n>>> [" + v.rule + "] " + v.message;
  if (message.empty())
    return Error::success();
  return makeError(path + ": the output would not load; nothing was written" +
                   message + "\n>>> this is a bug in relink: please report it");
}

/// Rules the input breaks already are not the output's fault.
Error checkAgainstInput(const Image &image, int fd, StringRef path) {
  Error e = checkLoadable(fd, path);
  if (!e)
    return Error::success();
  std::vector<RuleViolation> had = checkLoaderRules(image.bytes());
  bool inputSound = none_of(had, [](auto &v) { return !v.warning; });
  if (inputSound)
    return e;
  auto written = MemoryBuffer::getOpenFile(fd, path, -1, false);
  if (!written)
    return e;
  for (const RuleViolation &v :
       checkLoaderRules(arrayRefFromStringRef((*written)->getBuffer())))
    if (!v.warning &&
        none_of(had, [&](const RuleViolation &h) { return h.rule == v.rule; }))
      return e;
  consumeError(std::move(e));
  return Error::success();
}

} // namespace

Error checkOutputPath(const Config &config) {
  struct stat in, out;
  if (config.output.empty())
    return Error::success();
  if (::stat(config.output.c_str(), &out) != 0)
    return Error::success();
  if (S_ISDIR(out.st_mode))
    return makeError(config.output + ": is a directory, expected a file name");
  std::vector<std::string> inputs = config.patches;
  inputs.push_back(config.app);
  for (const std::string &path : inputs)
    if (::stat(path.c_str(), &in) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino)
      return makeError(config.output + ": the output is the input file " + path +
                       ", which is never changed\n>>> remedy: name another "
                       "file with -o, and move it over the input afterwards");
  return Error::success();
}

Error commit(const Config &config, const Image &image, const Output &output) {
  std::string path = config.output;
  SmallString<256> directory(sys::path::parent_path(path));
  std::string temporary =
      (directory.empty() ? "" : directory.str().str() + "/") + "." +
      sys::path::filename(path).str() + ".relink-XXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0)
    return systemError(path + ": cannot write to its directory");
  sys::RemoveFileOnSignal(temporary);
  bool committed = false;
  auto cleanUp = scope_exit([&] {
    ::close(fd);
    if (!committed)
      ::unlink(temporary.c_str());
    sys::DontRemoveFileOnSignal(temporary);
  });

  uint64_t size = output.hasTail() ? image.elfEnd : image.bytes().size();
  if (Error e = copyOriginal(image, size, fd, path))
    return e;
  if (Error e = writeAll(fd, output.tail, output.tailOffset, path))
    return e;
  for (const Edit &edit : output.edits)
    if (Error e = writeAll(fd, edit.bytes, edit.offset, path))
      return e;
  if (Error e = copyAttributes(config, image, fd))
    return e;
  if (Error e = checkAgainstInput(image, fd, path))
    return e;
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return systemError(path + ": cannot rename the finished file");
  committed = true;
  return Error::success();
}

} // namespace relink
