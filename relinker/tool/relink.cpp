//===- relink.cpp - The relink command ------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "Diagnostic.h"
#include "Error.h"
#include "History.h"
#include "LoaderRules.h"
#include "PatchMap.h"
#include "PortablePatch.h"
#include "Relink.h"
#include "Reserve.h"
#include "Survey.h"
#include "Verify.h"
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

/// `relink --survey FILE`
static Error survey(const Invocation &call) {
  Config config = call.config;
  config.app = call.files[0];
  Expected<Survey> found = surveyApp(config);
  if (!found)
    return found.takeError();
  if (call.json)
    outs() << formatv("{0:2}\n", toJson(*found));
  else
    printSurvey(*found, config.verbose, outs());
  return Error::success();
}

/// `relink --reserve APP`
static Error printReserveOf(StringRef path, bool asJson) {
  auto image = Image::open(path);
  if (!image)
    return image.takeError();
  auto reserve = readReserve(**image);
  if (!reserve)
    return reserve.takeError();
  if (!*reserve)
    return makeError(path + ": it has no reserve\n>>> remedy: link it with "
                     "ld.relink");
  if (asJson)
    outs() << formatv("{0:2}\n", toJson(**image, **reserve));
  else
    printReserve(**image, **reserve, outs());
  return Error::success();
}

/// `relink --map APP`
static Error printMapOf(StringRef path, bool asJson, bool verbose) {
  auto image = Image::open(path);
  if (!image)
    return image.takeError();
  auto map = PatchMap::read(**image);
  if (!map)
    return map.takeError();
  if (!*map)
    return makeError(path + ": it has no map\n>>> remedy: link it with "
                     "ld.relink, without --no-patch-map");
  if (!asJson)
    return printMap(**map, path, verbose, outs());
  auto value = toJson(**map, path);
  if (!value)
    return value.takeError();
  outs() << formatv("{0:2}\n", *value);
  return Error::success();
}

/// What the commands that work on patched files say; true if all is well.
static Expected<bool> runOther(const Invocation &call) {
  const Config &c = call.config;
  PortableOptions portable{call.files[0], call.files.back(), c.output,
                           c.dropPrivileges, call.quiet, call.json};
  auto done = [](Error e) -> Expected<bool> {
    if (e)
      return e;
    return true;
  };
  switch (call.command) {
  case Command::Survey:
    return done(survey(call));
  case Command::Reserve:
    return done(printReserveOf(call.files[0], call.json));
  case Command::Map:
    return done(printMapOf(call.files[0], call.json, c.verbose));
  case Command::List:
    return done(listPatches(call.files[0], call.json, outs()));
  case Command::Revert:
    return done(revertPatch({call.files[0], c.output, call.all, c.dropPrivileges,
                             call.quiet, call.json},
                            outs()));
  case Command::Export:
    return done(exportPatch(portable, outs()));
  case Command::Import:
    return done(importPatch(portable, outs()));
  case Command::Verify: {
    auto target = createX86_64Target();
    if (!target)
      return target.takeError();
    return verifyFile({call.files[0], call.original, call.patches, call.quiet,
                       call.json},
                      **target, outs());
  }
  default:
    llvm_unreachable("handled by main()");
  }
}

static int fail(Error e, bool json) {
  std::string text = toString(std::move(e));
  if (json)
    outs() << formatv("{0:2}\n", toJsonError(text));
  outs().flush();
  errs() << "error: " << text << "\n";
  return 1;
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
  if (call.command == Command::CheckLoadable)
    return checkLoadable(call.files);
  if (call.command != Command::Relink) {
    auto good = runOther(call);
    return good ? !*good : fail(good.takeError(), call.json);
  }
  Expected<Report> report = relink::relink(call.config);
  if (!report)
    return fail(report.takeError(), call.json);
  if (call.json)
    outs() << formatv("{0:2}\n", toJson(*report));
  else if (!call.quiet)
    printSummary(*report, call.config.verbose, outs());
  return 0;
}
