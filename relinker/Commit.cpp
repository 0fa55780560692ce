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

/// Returns 0 or an errno.
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

/// Rules that the input breaks already are not the output's fault.
std::string newViolations(const Image &image, ArrayRef<uint8_t> file,
                          const Output &output) {
  LoaderBaseline baseline{image.bytes(),
                          {{output.tailOffset, output.tail.size()}}};
  for (const Edit &edit : output.edits)
    baseline.written.push_back({edit.offset, edit.bytes.size()});
  std::vector<RuleViolation> found = checkLoaderRules(file, &baseline);
  erase_if(found, [](const RuleViolation &v) { return v.warning; });
  if (found.empty())
    return {};
  std::vector<RuleViolation> had = checkLoaderRules(image.bytes());
  std::string message;
  for (const RuleViolation &v : found)
    if (none_of(had, [&](const RuleViolation &h) {
          return h.rule == v.rule && !h.warning;
        }))
      message += "\n>>> [" + v.rule + "] " + v.message;
  return message;
}

} // namespace

PendingOutput::PendingOutput(const Config &config, const Image &image)
    : config(config), image(image) {
  StringRef path = config.output;
  StringRef directory = sys::path::parent_path(path);
  temporary = (directory.empty() ? "" : directory.str() + "/") + "." +
              sys::path::filename(path).str() + ".relink-XXXXXX";
  fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    createError = errno;
    return;
  }
  sys::RemoveFileOnSignal(temporary);
  copier = std::thread([this] { copyOriginal(); });
}

PendingOutput::~PendingOutput() {
  if (copier.joinable())
    copier.join();
  if (fd < 0)
    return;
  ::close(fd);
  if (!committed)
    ::unlink(temporary.c_str());
  sys::DontRemoveFileOnSignal(temporary);
}

/// The kernel copies, or shares the blocks where the file system can.
void PendingOutput::copyOriginal() {
  int from = ::open(image.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) {
    copyError = errno;
    return;
  }
  auto close = scope_exit([&] { ::close(from); });
  if (::ioctl(fd, FICLONE, from) == 0)
    return;
  uint64_t size = image.bytes().size(), done = 0;
  while (done < size) {
    loff_t in = done, to = done;
    ssize_t n = ::copy_file_range(from, &in, fd, &to, size - done, 0);
    if (n <= 0)
      break;
    done += n;
  }
  // Across file systems, or where it is not implemented.
  copyError = writeAll(fd, image.bytes().drop_front(done), done);
}

Error PendingOutput::write(ArrayRef<uint8_t> bytes, uint64_t offset) {
  if (int e = writeAll(fd, bytes, offset))
    return makeError(config.output + ": cannot write: " + strerror(e));
  return Error::success();
}

Error PendingOutput::copyAttributes() {
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

Error PendingOutput::checkLoadable(const Output &output) const {
  auto written = MemoryBuffer::getOpenFile(fd, temporary, -1, false);
  if (!written)
    return makeError(config.output + ": cannot read back: " +
                     written.getError().message());
  std::string message = newViolations(
      image, arrayRefFromStringRef((*written)->getBuffer()), output);
  if (message.empty())
    return Error::success();
  return makeError(config.output + ": the output would not load; nothing was "
                   "written" + message +
                   "\n>>> this is a bug in relink: please report it");
}

Error checkOutputPath(const Config &config) {
  struct stat in, out;
  if (config.output.empty())
    return Error::success();
  if (::stat(config.output.c_str(), &out) != 0)
    return Error::success();
  if (S_ISDIR(out.st_mode))
    return makeError(config.output + ": is a directory, expected a file name");
  std::vector<std::string> inputs = config.patches;
  append_range(inputs, config.originals);
  inputs.push_back(config.app);
  for (const std::string &path : inputs)
    if (::stat(path.c_str(), &in) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino)
      return makeError(config.output + ": the output is the input file " + path +
                       ", which is never changed\n>>> remedy: name another "
                       "file with -o, and move it over the input afterwards");
  return Error::success();
}

Error PendingOutput::commit(const Output &output) {
  const std::string &path = config.output;
  if (copier.joinable())
    copier.join();
  if (createError)
    return makeError(path + ": cannot write to its directory: " +
                     strerror(createError));
  if (copyError)
    return makeError(path + ": cannot write: " + strerror(copyError));
  // The tail takes the place of what followed the app's ELF part, and ends with
  // it.
  if (output.hasTail() && ::ftruncate(fd, image.elfEnd) != 0)
    return systemError(path + ": cannot write");
  if (Error e = write(output.tail, output.tailOffset))
    return e;
  for (const Edit &edit : output.edits)
    if (Error e = write(edit.bytes, edit.offset))
      return e;
  if (Error e = copyAttributes())
    return e;
  if (Error e = checkLoadable(output))
    return e;
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return systemError(path + ": cannot rename the finished file");
  committed = true;
  return Error::success();
}

} // namespace relink
