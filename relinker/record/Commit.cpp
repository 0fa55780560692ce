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
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

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
    : config(config), image(image), file(config.output) {
  if (!file.isOpen())
    return;
  copier = std::thread([this] { copyOriginal(); });
}

PendingOutput::~PendingOutput() {
  if (copier.joinable())
    copier.join();
}

/// The kernel copies, or shares the blocks where the file system can.
void PendingOutput::copyOriginal() {
  int fd = file.descriptor();
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

Error PendingOutput::checkWritten(const Output &output) const {
  auto written = file.readBack();
  if (!written)
    return written.takeError();
  if (output.expected &&
      hashBlocks(arrayRefFromStringRef((*written)->getBuffer())).tree !=
          *output.expected)
    return makeError(config.output + ": the result would not be the file it "
                     "should be; nothing was written");
  std::string message = newViolations(
      image, arrayRefFromStringRef((*written)->getBuffer()), output);
  if (message.empty())
    return Error::success();
  return makeError(config.output + ": the output would not load; nothing was "
                   "written" + message +
                   "\n>>> this is a bug in relink: please report it");
}

Error PendingOutput::commit(const Output &output) {
  if (copier.joinable())
    copier.join();
  if (Error e = file.checkCreated())
    return e;
  if (copyError)
    return makeError(config.output + ": cannot write: " + strerror(copyError));
  // The tail takes the place of what followed the app's ELF part, and ends with
  // it.
  if (output.hasTail() || output.expected)
    if (Error e = file.truncate(std::min(image.elfEnd, output.tailOffset)))
      return e;
  if (Error e = file.write(output.tail, output.tailOffset))
    return e;
  for (const Edit &edit : output.edits)
    if (Error e = file.write(edit.bytes, edit.offset))
      return e;
  if (Error e = file.copyAttributes(image.path, config.dropPrivileges))
    return e;
  if (Error e = checkWritten(output))
    return e;
  return file.commit();
}

} // namespace relink
