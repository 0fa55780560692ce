//===- LinkOptions.cpp - lld's command line and what we add ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinkOptions.h"
#include "Error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

constexpr uint64_t maxPool = uint64_t(1) << 30;

/// Pools that nobody asked for are small: 3 % of a program of 300 KB, a few
/// kilobytes of a smaller one, and in a large one what several patches take.
constexpr std::array<PoolRequest, reserve::poolKinds> defaultPools = {{
    {3072, 2, 256 << 10}, // text
    {768, 1, 64 << 10},   // rodata
    {256, 0},             // relro
    {512, 1, 64 << 10},   // data
    {4096, 0},            // bss: takes no bytes of the file
    {0, 0},               // tls: every thread pays for it
}};

/// What lld's options say about the link.
struct LinkKind {
  bool relocatable = false, script = false, rawBinary = false,
       indexOnly = false, inputs = false, binaryFormat = false,
       positionIndependent = false;
};

/// "64K", "1M", "0x1000".
bool parseSize(StringRef text, uint64_t &out) {
  unsigned shift = 0;
  if (text.consume_back_insensitive("k"))
    shift = 10;
  else if (text.consume_back_insensitive("m"))
    shift = 20;
  else if (text.consume_back_insensitive("g"))
    shift = 30;
  if (text.getAsInteger(0, out) || out > (maxPool >> shift))
    return false;
  out <<= shift;
  return true;
}

/// What is counted in entries rather than bytes; null when \p name is no such.
unsigned *findCount(StringRef name, LinkOptions &o, unsigned &most) {
  most = name == "phdrs" ? 16 : reserve::mostFrameRows;
  return StringSwitch<unsigned *>(name)
      .Case("phdrs", &o.spareHeaders)
      .Case("frames", &o.tables.frames)
      .Case("imports", &o.tables.imports)
      .Case("ctors", &o.tables.constructors)
      .Default(nullptr);
}

Error parsePool(StringRef item, LinkOptions &o) {
  auto [name, size] = item.split(':');
  unsigned most;
  if (unsigned *count = findCount(name, o, most)) {
    if (size.getAsInteger(10, *count) || *count > most)
      return makeError("--patch-reserve=" + item + ": expected 0 to " +
                       Twine(most));
    return Error::success();
  }
  if (name == "record") {
    if (parseSize(size, o.tables.record))
      return Error::success();
    return makeError("--patch-reserve=" + item +
                     ": expected a size of at most 1 GiB, as 8K");
  }
  auto kind = llvm::find(reserve::poolNames, name);
  if (kind == std::end(reserve::poolNames))
    return makeError("--patch-reserve=" + item +
                     ": expected one of text, "
                     "rodata, relro, data, bss, tls, record, frames, imports, "
                     "ctors, phdrs");
  PoolRequest &pool = o.pools[kind - std::begin(reserve::poolNames)];
  uint64_t least = pool.bytes;
  pool = {};
  if (size.consume_back("%")) {
    pool.bytes = least;
    if (size.getAsInteger(10, pool.percent) || pool.percent > 1000)
      return makeError("--patch-reserve=" + item +
                       ": expected a percentage of at most 1000");
    if (!pool.percent)
      pool.bytes = 0;
    return Error::success();
  }
  if (!parseSize(size, pool.bytes))
    return makeError("--patch-reserve=" + item +
                     ": expected a size of at most 1 GiB, as 64K, or a "
                     "percentage, as 5%");
  return Error::success();
}

Error parseReserve(StringRef text, LinkOptions &o) {
  o.reserve = o.askedReserve = text != "none";
  if (text == "none")
    return Error::success();
  if (text == "default") {
    o.pools = defaultPools;
    o.spareHeaders = defaultSpareHeaders;
    o.tables = {};
    return Error::success();
  }
  // Compilers split what follows -Wl at commas.
  SmallVector<StringRef, 8> items;
  SplitString(text, items, ",+");
  for (StringRef item : items)
    if (Error e = parsePool(item, o))
      return e;
  return Error::success();
}

Error parsePadding(StringRef text, LinkOptions &o) {
  o.padding = {};
  StringRef number = text;
  bool good =
      number.consume_back("%")
          ? !number.getAsInteger(10, o.padding.percent) &&
                o.padding.percent <= 1000
          : parseSize(number, o.padding.bytes) && o.padding.bytes <= 65536;
  return good ? Error::success()
              : makeError("--function-padding=" + text +
                          ": expected at most 64K, or a percentage of at most "
                          "1000");
}

Error parseHotPatch(StringRef text, LinkOptions &o) {
  if (text != "require" && text != "allow" && text != "off")
    return makeError("--hotpatch=" + text + ": expected require, allow or off");
  o.hotPatch = text == "require" ? HotPatchPolicy::Require
               : text == "allow" ? HotPatchPolicy::Allow
                                 : HotPatchPolicy::Off;
  return Error::success();
}

Error parseHotPatchTable(StringRef text, LinkOptions &o) {
  if (text != "compact" && text != "keep")
    return makeError("--hotpatch-table=" + text + ": expected compact or keep");
  o.keepEntryTables = text == "keep";
  return Error::success();
}

Error parseHotPatchExcept(StringRef text, LinkOptions &o) {
  o.hotPatchExcept.push_back(text.str());
  return Error::success();
}

/// The options of lld that have to do with ours. An option's separate value is
/// told from an input by this list, which matters only to command lines that
/// have no input at all.
class LldView {
public:
  LldView(LinkKind &kind, LinkOptions &options)
      : kind(kind), options(options) {}
  void look(StringRef arg);

private:
  void lookAtLong(StringRef name, StringRef value);
  LinkKind &kind;
  LinkOptions &options;
  std::string expects; ///< the option whose value comes next
};

void LldView::lookAtLong(StringRef name, StringRef value) {
  if (name == "relocatable")
    kind.relocatable = true;
  else if (name == "script" || name == "default-script")
    kind.script = true;
  else if (name == "oformat")
    kind.rawBinary = value == "binary";
  else if (name == "format")
    kind.binaryFormat = value == "binary";
  else if (name.starts_with("thinlto-index-only") ||
           name.starts_with("plugin-opt=thinlto-index-only"))
    kind.indexOnly = true;
  else if (name == "help")
    options.help = true;
  else if (name == "trace")
    options.trace = true;
  else if (name == "print-icf-sections" || name == "no-print-icf-sections")
    options.printFolds = name.starts_with("print");
  else if (name == "reproduce")
    options.reproduce = true;
  else if (name == "icf")
    options.comparesCode = value != "none";
  else if (name.starts_with("bp-")) // sections ordered by their contents
    options.comparesCode = true;
  else if (name == "library")
    kind.inputs = true;
  else if (name == "pie" || name == "pic-executable" || name == "shared" ||
           name == "Bshareable") {
    kind.positionIndependent = true;
    options.shared |= name == "shared" || name == "Bshareable";
  }
  else if (name == "no-pie" || name == "no-pic-executable")
    kind.positionIndependent = false;
}

void LldView::look(StringRef arg) {
  if (!expects.empty()) {
    lookAtLong(expects, arg);
    expects.clear();
    return;
  }
  if (!arg.starts_with("-") || arg == "-") {
    kind.inputs = true;
    return;
  }
  StringRef name = arg.ltrim('-');
  if (name == "r" || name == "t") {
    lookAtLong(name == "r" ? "relocatable" : "trace", "");
    return;
  }
  if (!arg.starts_with("--")) {
    if (name.starts_with("l") && name != "lto") {
      kind.inputs = true;
      return;
    }
    if (name.starts_with("dT")) // --default-script
      name = name.drop_front();
    if (name.starts_with("T") && !name.starts_with("Ttext") &&
        !name.starts_with("Tdata") && !name.starts_with("Tbss")) {
      kind.script = true;
      if (name == "T")
        expects = "script";
      return;
    }
    // Joined or separate short options with a value.
    if (name.size() == 1 && StringRef("oLmzeuyhIFfRbcA").contains(name[0])) {
      expects = name == "b" ? "format" : name.str();
      return;
    }
    if (name.starts_with("b") && name.size() > 1)
      kind.binaryFormat = name.drop_front() == "binary";
  }
  auto [key, value] = name.split('=');
  if (name.contains('='))
    lookAtLong(key, value);
  else if (StringSwitch<bool>(name)
               .Cases({"script", "default-script", "oformat", "format",
                       "reproduce", "library", "library-path", "output",
                       "entry", "dynamic-linker", "rpath", "soname",
                       "version-script", "plugin", "plugin-opt", "Map"},
                      true)
               .Default(false))
    expects = name.str();
  else
    lookAtLong(name, "");
}

/// Ours, with its value; null when \p arg is none of them.
using OptionParser = Error (*)(StringRef, LinkOptions &);

OptionParser findOption(StringRef name) {
  return StringSwitch<OptionParser>(name)
      .Case("patch-reserve", parseReserve)
      .Case("function-padding", parsePadding)
      .Case("hotpatch", parseHotPatch)
      .Case("hotpatch-except", parseHotPatchExcept)
      .Case("hotpatch-table", parseHotPatchTable)
      .Default(nullptr);
}

/// The name of the standard output as lld knows it. By another, such as /dev/stdout, lld
/// would remove that name and make a file of it where the output is redirected to one.
bool isStandardOutput(StringRef path) {
  std::array<char, 32> link = {};
  bool isLink = ::readlink(path.str().c_str(), link.data(), link.size() - 1) > 0;
  StringRef meant = isLink ? StringRef(link.data()) : path;
  return meant == "/proc/self/fd/1" || path == "/dev/fd/1";
}

/// Writes -o's value as lld has to have it.
void nameStandardOutput(SmallVectorImpl<const char *> &arguments) {
  for (size_t i = 1; i < arguments.size(); ++i) {
    StringRef arg = arguments[i], name = arg.ltrim('-');
    bool isSeparate = arg == "-o" || arg == "--output" || arg == "-output";
    if (isSeparate && i + 1 < arguments.size() && isStandardOutput(arguments[i + 1]))
      arguments[++i] = "-";
    else if (arg.starts_with("-") && name.consume_front("output=") &&
             isStandardOutput(name))
      arguments[i] = "-o-";
    else if (arg.starts_with("-o") && isStandardOutput(arg.drop_front(2)))
      arguments[i] = "-o-";
  }
}

/// As lld does it, --rsp-quoting included: our options may be in the file.
SmallVector<const char *, 0> expandResponseFiles(ArrayRef<const char *> argv,
                                                 StringSaver &saver) {
  SmallVector<const char *, 0> args(argv.begin(), argv.end());
  bool windows = false;
  for (StringRef arg : argv)
    if (arg.ltrim('-').starts_with("rsp-quoting="))
      windows = arg.ends_with("=windows");
  cl::ExpandResponseFiles(saver,
                          windows ? cl::TokenizeWindowsCommandLine
                                  : cl::TokenizeGNUCommandLine,
                          args);
  return args;
}

} // namespace

Expected<LinkOptions> parseLinkOptions(ArrayRef<const char *> argv,
                                       StringSaver &saver) {
  LinkOptions o;
  LinkKind kind;
  LldView lld(kind, o);
  o.pools = defaultPools;
  bool askedHotPatch = false;
  SmallVector<const char *, 0> args = expandResponseFiles(argv, saver);
  o.arguments.push_back(args.front());
  for (size_t i = 1; i < args.size(); ++i) {
    StringRef arg = args[i];
    auto [name, value] = arg.ltrim('-').split('=');
    bool dashed = arg.starts_with("-");
    if (dashed && name == "no-patch-reserve") {
      o.reserve = o.askedReserve = false;
      continue;
    }
    if (dashed && (name == "patch-map" || name == "no-patch-map")) {
      o.patchMap = name == "patch-map";
      continue;
    }
    OptionParser parse = dashed ? findOption(name) : nullptr;
    if (!parse) {
      o.arguments.push_back(args[i]);
      lld.look(arg);
      continue;
    }
    if (!arg.contains('=')) {
      if (++i == args.size())
        return makeError("--" + name + " needs a value");
      value = args[i];
    }
    askedHotPatch |= name == "hotpatch";
    if (Error e = parse(value, o))
      return e;
  }

  o.fixedAddress = !kind.positionIndependent;
  if (kind.relocatable || kind.indexOnly || !kind.inputs) {
    // Nothing is laid out yet: all of it is for the link that finishes this.
    o.reserve = false;
    o.padding = {};
    o.hotPatch = HotPatchPolicy::Off;
    o.patchMap = false;
  }
  o.patchMap &= !kind.rawBinary;
  // A script's author has fixed the layout, a raw image has no notes.
  if ((kind.script || kind.rawBinary) && !o.askedReserve)
    o.reserve = false;
  if (kind.script)
    o.spareHeaders = 0; // it may have a PHDRS command
  o.spareHeaders += o.spareHeaders && o.spareHeaders % 2 == 0;
  // There is no note to record entries in.
  if (!o.reserve && !askedHotPatch)
    o.hotPatch = HotPatchPolicy::Off;
  if (o.reserve && kind.binaryFormat)
    o.arguments.push_back("--format=default");
  o.reproduce |= ::getenv("LLD_REPRODUCE") != nullptr;
  nameStandardOutput(o.arguments);
  return o;
}

void printAddedHelp(raw_ostream &os) {
  os << R"(
ADDED BY ld.relink (ld.relink(1) has the details):
  --patch-reserve=<list>  Room for later patches: KIND:SIZE or KIND:PERCENT%,
                          separated by + or a comma (not after -Wl), KIND one of
                          text, rodata, relro, data, bss, tls, record; and NAME:N for
                          N spare entries of tables: frames, imports, ctors,
                          phdrs (an odd number). Not named is the default:
                          text:2%,rodata:1%,relro:256,data:1%,bss:4K,record:4K,
                          tls:0,frames:16,imports:6,ctors:2,phdrs:3
  --patch-reserve=none, --no-patch-reserve
                          No room and no .note.relink: link as ld.lld does
  --function-padding=<n>  n bytes (32, 1K) or percent (10%) of room behind each
                          function section
  --hotpatch=<policy>     require: refuse objects without hot-patch entries;
                          allow: record which have them (default); off
  --hotpatch-table=<how>  compact: 4 bytes an entry in place of the compiler's
                          __patchable_function_entries (default); keep: that
  --hotpatch-except=<glob>
                          Objects that --hotpatch=require lets pass
  --patch-map             Say in a section that is not loaded, .patch.map, which
                          objects were linked (default)
  --no-patch-map          Leave it out
  A link with -T or --oformat=binary gets a reserve only if --patch-reserve asks
  for one, a link with -r gets none.

  Ready for patches:
    clang -O2 -fpatchable-function-entry=8,6 -ffunction-sections \
      -fuse-ld=/path/to/ld.relink main.c -o app
    relink --reserve app
)";
}

} // namespace relink
