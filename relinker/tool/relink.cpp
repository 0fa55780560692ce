//===- relink.cpp - The relink command ------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "Error.h"
#include "LoaderRules.h"
#include "Relink.h"
#include "Reserve.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace relink;

/// `relink --check-loadable FILE...`
static int checkLoadable(ArrayRef<std::string> files) {
  int status = 0;
  for (const std::string &path : files) {
    auto file = MemoryBuffer::getFile(path, false, false);
    if (!file) {
      errs() << "error: " << path << ": " << file.getError().message() << "\n";
      status = 1;
      continue;
    }
    bool broken = false;
    for (const RuleViolation &v :
         checkLoaderRules(arrayRefFromStringRef((*file)->getBuffer()))) {
      errs() << (v.warning ? "warning: " : "error: ") << path << ": [" << v.rule
             << "] " << v.message << "\n";
      broken |= !v.warning;
    }
    if (!broken)
      outs() << path << ": loadable\n";
    status |= broken;
  }
  return status;
}

/// `relink --reserve APP`
static int printReserveOf(StringRef path, bool asJson) {
  auto fail = [](Error e) {
    errs() << "error: " << toString(std::move(e)) << "\n";
    return 1;
  };
  auto image = Image::open(path);
  if (!image)
    return fail(image.takeError());
  auto reserve = readReserve(**image);
  if (!reserve)
    return fail(reserve.takeError());
  if (!*reserve)
    return fail(makeError(path + ": it has no reserve\n"
                          ">>> remedy: link it with ld.relink"));
  if (asJson)
    outs() << formatv("{0:2}\n", toJson(**reserve, path));
  else
    printReserve(**reserve, path, outs());
  return 0;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  Invocation call;
  switch (parseCommandLine(ArrayRef(argv, argc), call)) {
  case ParseResult::Done:
    return 0;
  case ParseResult::UsageError:
    return 2;
  case ParseResult::Run:
    break;
  }
  if (!call.checkLoadable.empty())
    return checkLoadable(call.checkLoadable);
  if (!call.reserveOf.empty())
    return printReserveOf(call.reserveOf, call.json);

  Expected<Report> report = relink::relink(call.config);
  if (!report) {
    outs().flush();
    errs() << "error: " << toString(report.takeError()) << "\n";
    return 1;
  }
  if (call.json)
    outs() << formatv("{0:2}\n", toJson(*report));
  else if (!call.quiet)
    printSummary(*report, call.config.verbose, outs());
  return 0;
}
