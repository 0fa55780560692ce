//===- CommandLine.cpp - From argv to a Config ----------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "Refusals.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Option/Option.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/StringSaver.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llvm::opt;

namespace relink {
namespace {

enum ID {
  OPT_INVALID = 0,
#define OPTION(...) LLVM_MAKE_OPT_ID(__VA_ARGS__),
#include "Options.inc"
#undef OPTION
};

#define OPTTABLE_STR_TABLE_CODE
#include "Options.inc"
#undef OPTTABLE_STR_TABLE_CODE

#define OPTTABLE_PREFIXES_TABLE_CODE
#include "Options.inc"
#undef OPTTABLE_PREFIXES_TABLE_CODE

constexpr OptTable::Info infoTable[] = {
#define OPTION(...) LLVM_CONSTRUCT_OPT_INFO(__VA_ARGS__),
#include "Options.inc"
#undef OPTION
};

class RelinkOptions : public GenericOptTable {
public:
  RelinkOptions()
      : GenericOptTable(OptionStrTable, OptionPrefixesTable, infoTable) {}
};

constexpr const char *examples = R"(
EXAMPLES
  Replace a function by its fixed version, everything else stays:
    gcc -O2 -c foo.c && relink app foo.o --replace parse_header -o app.fixed

  Replace what changed in a whole unit, compiled as the app was; or compare it
  with the object before the fix, which serves for a stripped app too:
    relink app foo.o -o app.fixed -v
    relink app foo.o --orig foo.orig.o -o app.fixed -v

  The program was stripped, its symbols are in a separate file, or in a
  disassembler:
    relink app foo.o --replace f --debug-file app.debug -o app.fixed
    relink app foo.o --symbol f=0x1139 -o app.fixed

  The objects that changed in a build directory of Ninja:
    relink --from-ninja build app-as-shipped --ninja-target=app -o app.fixed

  Look before you leap:
    relink app foo.o --replace f -o app.fixed --dry-run -v

  What was done to a file, whether that is all, and back:
    relink --list app.fixed
    relink --verify app.fixed --original app --patch foo.o
    relink --revert app.fixed -o app.again

Exit status: 0 done, 1 refused or failed (nothing is written) or not verified,
2 usage.
)";

ParseResult usageError(const Twine &message) {
  errs() << "error: " << message << "\n>>> try relink --help\n";
  return ParseResult::UsageError;
}

bool parseSymbol(StringRef text, UserSymbol &out) {
  auto [name, place] = text.rsplit('=');
  auto [address, size] = place.split(':');
  out.name = name.str();
  return !name.empty() && !address.getAsInteger(0, out.address) &&
         (size.empty() || !size.getAsInteger(0, out.size));
}

} // namespace

/// The commands that are no patching.
static std::optional<ParseResult>
parseOtherCommand(const InputArgList &args, ArrayRef<std::string> inputs,
                  Invocation &out) {
  struct {
    unsigned option;
    Command command;
    unsigned least, most; ///< files
    bool writes;
    const char *usage;
  } commands[] = {
      {OPT_check_loadable, Command::CheckLoadable, 1, ~0u, false,
       "--check-loadable FILE..."},
      {OPT_survey, Command::Survey, 1, 1, false, "--survey APP"},
      {OPT_reserve, Command::Reserve, 1, 1, false, "--reserve APP"},
      {OPT_map, Command::Map, 1, 1, false, "--map APP"},
      {OPT_list_patches, Command::List, 1, 1, false, "--list FILE"},
      {OPT_verify, Command::Verify, 1, 1, false, "--verify FILE"},
      {OPT_revert, Command::Revert, 1, 1, true, "--revert FILE -o OUT"},
      {OPT_export, Command::Export, 2, 2, true, "--export APP FIXED -o FIX.rlp"},
      {OPT_import, Command::Import, 2, 2, true, "--import APP FIX.rlp -o FIXED"}};
  for (const auto &c : commands) {
    if (!args.hasArg(c.option))
      continue;
    out.command = c.command;
    out.files = inputs;
    out.original = args.getLastArgValue(OPT_original).str();
    out.patches = args.getAllArgValues(OPT_patch);
    out.all = args.hasArg(OPT_all);
    out.config.output = args.getLastArgValue(OPT_o).str();
    out.config.dropPrivileges = args.hasArg(OPT_drop_privileges);
    out.config.verbose = args.hasArg(OPT_verbose);
    if (inputs.size() < c.least || inputs.size() > c.most ||
        (c.writes && out.config.output.empty()))
      return usageError(Twine("expected relink ") + c.usage);
    return ParseResult::Run;
  }
  return std::nullopt;
}

ParseResult parseCommandLine(ArrayRef<char *> argv, Invocation &out) {
  RelinkOptions table;
  BumpPtrAllocator allocator;
  StringSaver saver(allocator);
  bool wrong = false;
  InputArgList args = table.parseArgs(
      argv.size(), const_cast<char **>(argv.data()), OPT_INVALID, saver,
      [&](StringRef message) {
        errs() << "error: " << message << "\n";
        wrong = true;
      });
  if (wrong)
    return usageError("the command line was not understood");
  if (args.hasArg(OPT_help) || argv.size() == 1) {
    table.printHelp(outs(), "relink [options] APP PATCH.o... -o OUT",
                    "relink: replace functions of a finished program");
    outs() << examples;
    return argv.size() == 1 ? ParseResult::UsageError : ParseResult::Done;
  }
  if (args.hasArg(OPT_version)) {
    outs() << "relink " RELINK_VERSION " (LLVM " RELINK_LLVM_VERSION ")\n";
    return ParseResult::Done;
  }
  if (args.hasArg(OPT_explain)) {
    StringRef topic = args.getLastArgValue(OPT_explain);
    return explainRule(topic, outs())
               ? ParseResult::Done
               : usageError("--explain " + topic +
                            ": expected a rule's number, the name of a refusal, "
                            "or all");
  }
  for (const Arg *a : args.filtered(OPT_UNKNOWN)) {
    std::string near;
    table.findNearest(a->getAsString(args), near);
    return usageError("unknown option " + a->getAsString(args) +
                      (near.empty() ? "" : "; did you mean " + near + "?"));
  }
  std::vector<std::string> inputs = args.getAllArgValues(OPT_INPUT);
  out.quiet = args.hasArg(OPT_quiet);
  out.json = args.hasArg(OPT_json);
  if (auto result = parseOtherCommand(args, inputs, out))
    return *result;
  Config &c = out.config;
  c.ninjaDirectory = args.getLastArgValue(OPT_from_ninja).str();
  c.ninjaTarget = args.getLastArgValue(OPT_ninja_target).str();
  c.changedOnly = args.hasArg(OPT_changed_only);
  if (!c.ninjaDirectory.empty() && (inputs.size() != 1 || c.changedOnly))
    return usageError("--from-ninja finds the objects: expected relink --from-ninja "
                      "DIR APP -o OUT");
  if (!c.ninjaTarget.empty() && c.ninjaDirectory.empty())
    return usageError("--ninja-target " + c.ninjaTarget + ": needs --from-ninja");
  if (c.ninjaDirectory.empty() && inputs.size() < 2)
    return usageError("expected the program and at least one patch object");

  c.app = inputs[0];
  c.patches.assign(inputs.begin() + 1, inputs.end());
  c.output = args.getLastArgValue(OPT_o).str();
  c.dryRun = args.hasArg(OPT_dry_run);
  if (c.output.empty() && !c.dryRun)
    return usageError("no output named; use -o FILE");
  if (c.output.empty())
    c.output = c.app;
  c.originals = args.getAllArgValues(OPT_orig);
  c.useMap = !args.hasArg(OPT_no_map);
  c.replace = args.getAllArgValues(OPT_replace);
  c.keep = args.getAllArgValues(OPT_keep);
  c.newData = args.getAllArgValues(OPT_new_data);
  c.exports = args.getAllArgValues(OPT_export_symbol);
  c.symbolFiles = args.getAllArgValues(OPT_symbols);
  c.debugFile = args.getLastArgValue(OPT_debug_file).str();
  c.debugDirs = args.getAllArgValues(OPT_debug_dir);
  if (c.debugDirs.empty())
    c.debugDirs.push_back("/usr/lib/debug");
  c.libraryPaths = args.getAllArgValues(OPT_L);
  c.libraries = args.getAllArgValues(OPT_l);
  c.sysroot = args.getLastArgValue(OPT_sysroot).str();
  c.dropPrivileges = args.hasArg(OPT_drop_privileges);
  c.accepted = args.getAllArgValues(OPT_accept);
  if (args.hasArg(OPT_allow_lost_cet))
    c.accepted.push_back("lost-cet");
  for (const std::string &name : c.accepted)
    if (!refusalNamed(name))
      return usageError("--accept " + name +
                        ": no such refusal; relink --explain all lists them");
  c.record = !args.hasArg(OPT_no_record);
  c.verbose = args.hasArg(OPT_verbose);
  c.debugInfo = !args.hasArg(OPT_no_debug);
  c.fullDebugInfo = args.hasArg(OPT_full_debug);
  c.fullSymbolTable = args.hasArg(OPT_full_symtab);
  c.keepRegisters = !args.hasArg(OPT_no_keep_registers);
  c.redirectCalls = args.hasArg(OPT_redirect_calls);
  c.useReserve = !args.hasArg(OPT_no_reserve);
  c.fullRelink = args.hasArg(OPT_relink);
  if (c.fullRelink)
    c.debugInfo = false;
  if (args.hasArg(OPT_no_in_place) || c.fullRelink)
    c.inPlace = InPlacePolicy::Never;

  for (const std::string &text : args.getAllArgValues(OPT_symbol)) {
    UserSymbol s;
    if (!parseSymbol(text, s))
      return usageError("--symbol " + text + ": expected NAME=ADDR[:SIZE]");
    c.symbols.push_back(s);
  }
  for (const std::string &text : args.getAllArgValues(OPT_bind)) {
    auto [name, what] = StringRef(text).split('=');
    if (name.empty() || what.empty())
      return usageError("--bind " + text + ": expected NAME=WHAT");
    c.bind.push_back({name.str(), what.str()});
    uint64_t address;
    if (what.starts_with("0x") && !what.getAsInteger(0, address))
      c.symbols.push_back({("--bind " + name).str(), address, 0, 'T'});
  }
  return ParseResult::Run;
}

} // namespace relink
