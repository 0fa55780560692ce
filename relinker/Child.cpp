//===- Child.cpp - Work that may crash -------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Child.h"
#include "Error.h"
#include "OutputFile.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

enum Status { Good = 0, Failed = 3, CannotWrite = 4 };
constexpr rlim_t mostSeconds = 600;

/// Never returns. The result, or the error's text, is left in \p fd.
[[noreturn]] void doWork(function_ref<Bytes()> work, int fd) {
  // The parent says what happened; no dump, no stack trace.
  for (int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP})
    ::signal(s, SIG_DFL);
  rlimit none = {0, 0}, time = {mostSeconds, mostSeconds};
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_CPU, &time);
  if (int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0)
    ::dup2(null, STDERR_FILENO);
  Bytes result = work();
  std::string text = result ? "" : toString(result.takeError());
  StringRef bytes = text.empty() ? (*result)->getBuffer() : StringRef(text);
  if (writeAll(fd, arrayRefFromStringRef(bytes), 0))
    ::_exit(CannotWrite);
  ::_exit(text.empty() ? Good : Failed);
}

} // namespace

Bytes runInChild(function_ref<Bytes()> work, StringRef name) {
  int fd = ::memfd_create("relink", MFD_CLOEXEC);
  if (fd < 0)
    return makeError("cannot create an anonymous file: " + Twine(strerror(errno)));
  auto close = scope_exit([&] { ::close(fd); });
  pid_t child = ::fork();
  if (child < 0)
    return makeError("cannot start a process: " + Twine(strerror(errno)));
  if (child == 0)
    doWork(work, fd);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFSIGNALED(status))
    return makeError(name + ": LLVM crashed on it (" +
                     strsignal(WTERMSIG(status)) + "); is the file broken?");
  auto out = MemoryBuffer::getOpenFile(fd, name, -1, false);
  if (!out)
    return makeError(name + ": " + out.getError().message());
  if (WEXITSTATUS(status) == Failed)
    return makeError((*out)->getBuffer());
  if (WEXITSTATUS(status) != Good)
    return makeError(name + ": LLVM gave up on it");
  return std::move(*out);
}

} // namespace relink
