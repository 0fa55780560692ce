//===- delink.cpp - The program `delink` ----------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Delink.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Option/Option.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/StringSaver.h"

using namespace llvm;
using namespace llvm::opt;
using namespace relink;

namespace {

enum ID {
  OPT_INVALID = 0,
#define OPTION(...) LLVM_MAKE_OPT_ID(__VA_ARGS__),
#include "DelinkOptions.inc"
#undef OPTION
};

#define OPTTABLE_STR_TABLE_CODE
#include "DelinkOptions.inc"
#undef OPTTABLE_STR_TABLE_CODE

#define OPTTABLE_PREFIXES_TABLE_CODE
#include "DelinkOptions.inc"
#undef OPTTABLE_PREFIXES_TABLE_CODE

constexpr OptTable::Info infoTable[] = {
#define OPTION(...) LLVM_CONSTRUCT_OPT_INFO(__VA_ARGS__),
#include "DelinkOptions.inc"
#undef OPTION
};

class DelinkOptions : public GenericOptTable {
public:
  DelinkOptions()
      : GenericOptTable(OptionStrTable, OptionPrefixesTable, infoTable) {}
};

constexpr const char *examples = R"(
EXAMPLES
  Into an object and back into a program, by any linker:
    delink app -o app.d
    cd app.d && cc @link.rsp -fuse-ld=lld -o app

  Prove that the object is the program:
    delink app --check

Exit status: 0 done, 1 refused, failed or not proven, 2 usage.
)";

int usageError(const Twine &message) {
  errs() << "error: " << message << "\n>>> try delink --help\n";
  return 2;
}

/// A usage error's exit status, or nothing.
std::optional<int> readConfig(const InputArgList &args, DelinkConfig &c) {
  for (const Arg *a : args.filtered(OPT_UNKNOWN))
    return usageError("unknown option " + a->getAsString(args));
  std::vector<std::string> inputs = args.getAllArgValues(OPT_INPUT);
  if (inputs.size() != 1)
    return usageError("expected one program");
  c.app = inputs[0];
  c.output = args.getLastArgValue(OPT_o).str();
  c.check = args.hasArg(OPT_check);
  if (c.output.empty() != c.check)
    return usageError(c.check ? "--check writes no output; leave -o out"
                              : "no output named; use -o DIR, or --check");
  if (const Arg *a = args.getLastArg(OPT_granularity)) {
    using Granularity = DelinkConfig::Granularity;
    auto granularity = StringSwitch<std::optional<Granularity>>(a->getValue())
                           .Case("whole", Granularity::Whole)
                           .Case("file", Granularity::File)
                           .Case("function", Granularity::Function)
                           .Default(std::nullopt);
    if (!granularity)
      return usageError(Twine("--granularity=") + a->getValue() +
                        ": expected file, function or whole");
    c.granularity = *granularity;
  }
  c.asLibrary = args.hasArg(OPT_shared);
  c.exports = args.getAllArgValues(OPT_export_symbol);
  if (c.asLibrary && c.check)
    return usageError("--shared and --check exclude each other");
  if (!c.exports.empty() && !c.asLibrary)
    return usageError("--export-symbol needs --shared");
  uint64_t seed;
  if (const Arg *a = args.getLastArg(OPT_shuffle)) {
    if (StringRef(a->getValue()).getAsInteger(0, seed))
      return usageError(Twine("--shuffle=") + a->getValue() +
                        ": expected a number");
    c.shuffle = seed;
  }
  c.references = args.getLastArgValue(OPT_references).str();
  c.assumeAddresses = args.hasArg(OPT_assume_addresses);
  c.strict = args.hasArg(OPT_strict);
  c.debugFile = args.getLastArgValue(OPT_debug_file).str();
  c.debugDirs = args.getAllArgValues(OPT_debug_dir);
  if (c.debugDirs.empty())
    c.debugDirs.push_back("/usr/lib/debug");
  return std::nullopt;
}

} // namespace

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  DelinkOptions table;
  BumpPtrAllocator allocator;
  StringSaver saver(allocator);
  bool wrong = false;
  InputArgList args =
      table.parseArgs(argc, argv, OPT_INVALID, saver, [&](StringRef message) {
        errs() << "error: " << message << "\n";
        wrong = true;
      });
  if (wrong)
    return usageError("the command line was not understood");
  if (args.hasArg(OPT_help) || argc == 1) {
    table.printHelp(outs(), "delink [options] APP -o DIR",
                    "delink: a finished program back into objects");
    outs() << examples;
    return argc == 1 ? 2 : 0;
  }
  if (args.hasArg(OPT_version)) {
    outs() << "delink " RELINK_VERSION " (LLVM " RELINK_LLVM_VERSION ")\n";
    return 0;
  }
  DelinkConfig config;
  if (auto status = readConfig(args, config))
    return *status;
  Expected<DelinkReport> report = delink(config);
  if (!report) {
    errs() << "error: " << toString(report.takeError()) << "\n";
    return 1;
  }
  if (!args.hasArg(OPT_quiet))
    printReport(*report, outs());
  if (report->differences.empty())
    return 0;
  errs() << "error: " << config.app << ": the object is not the program: "
         << report->differences.size() << " differences\n";
  return 1;
}
