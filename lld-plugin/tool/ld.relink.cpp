//===- ld.relink.cpp - lld with room for patches --------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A drop-in for ld.lld: the command line goes to lld, in process, less our
// options and plus one input, the reserve. With nothing of ours in effect it
// is exactly lld.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Inputs.h"
#include "LinkOptions.h"
#include "TraceFilter.h"
#include "Wrap.h"
#include "lld/Common/Driver.h"
#include "lld/Common/ErrorHandler.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace relink;

/// Directly, not through lldMain(): that one guards against crashes for the
/// sake of a caller that goes on, and frees everything.
static bool link(ArrayRef<const char *> arguments, raw_ostream &out) {
  return lld::elf::link(arguments, out, errs(), /*exitEarly=*/true,
                        /*disableOutput=*/false);
}

static Expected<std::vector<GlobPattern>>
globs(ArrayRef<std::string> patterns) {
  std::vector<GlobPattern> out;
  for (const std::string &text : patterns) {
    auto glob = GlobPattern::create(text);
    if (!glob)
      return makeError("--hotpatch-except=" + text + ": " +
                       toString(glob.takeError()));
    out.push_back(std::move(*glob));
  }
  return out;
}

static int fail(StringRef program, Error error) {
  errs() << program << ": error: " << toString(std::move(error)) << "\n";
  return 1;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  sys::Process::UseANSIEscapeCodes(true);
  BumpPtrAllocator allocator;
  StringSaver saver(allocator);
  StringRef program = sys::path::filename(argv[0]);

  Expected<LinkOptions> options = parseLinkOptions(ArrayRef(argv, argc), saver);
  if (!options)
    return fail(program, options.takeError());
  SmallVector<const char *, 0> arguments = options->arguments;
  if (options->help || !options->inEffect()) {
    bool good = link(arguments, outs());
    if (options->help)
      printAddedHelp(outs());
    outs().flush();
    lld::exitLld(!good);
  }

  auto except = globs(options->hotPatchExcept);
  if (!except)
    return fail(program, except.takeError());
  std::string self =
      sys::fs::getMainExecutable(argv[0], reinterpret_cast<void *>(&fail));
  Inputs inputs(*options, std::move(*except), self, program.str());
  wrapFiles(inputs);
  if (options->reserve)
    arguments.push_back(saver.save(self).data());
  arguments.push_back("--trace");
  if (options->patchMap)
    arguments.push_back("--print-icf-sections");
  TraceFilter out(inputs, options->trace, options->printFolds);
  bool good = link(arguments, out);
  outs().flush();
  lld::exitLld(!good);
}
