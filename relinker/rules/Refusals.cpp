//===- Refusals.cpp - What makes relink refuse ----------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Refusals.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace relink {
namespace {

struct RefusalText {
  Refusal refusal;
  const char *name;
  unsigned rule;
  const char *text;
};

constexpr RefusalText refusals[] = {
    {Refusal::Clones, "clones", 13,
     "The compiler has made clones of the function with fewer arguments or "
     "constants in place of them (.constprop, .isra, .part). Callers reach the "
     "clone, and it holds the old body. The patch has to hold a clone of the "
     "same name, or replace all of the clone's callers."},
    {Refusal::Inlined, "inlined", 13,
     "The compiler has inlined the function into another that the patch does not "
     "replace, so that the old code would go on running there. The app's debug "
     "information says where, or, if ld.relink has linked it, its map. Replace "
     "these callers too: give the objects they are in, compiled with the fix. "
     "Callers that the patch holds and that did not change are no matter: their "
     "code is the same with the fix."},
    {Refusal::SharedCode, "shared-code", 14,
     "The linker found two functions with the same code and kept one body for "
     "both (identical code folding, --icf). To redirect one is to redirect the "
     "other."},
    {Refusal::OtherBuild, "other-build", 16,
     "The patch object holds the build-id of the program it was made for (a note "
     "named GNU of type NT_GNU_BUILD_ID), and the app has another."},
    {Refusal::LostCet, "lost-cet", 16,
     "The app is marked for control-flow protection (IBT, SHSTK) and the patch "
     "object is not. Code without endbr64 can't be called through pointers "
     "where IBT is on."},
    {Refusal::VirtualTable, "virtual-table", 16,
     "The virtual table of a class differs: a virtual function was added, taken "
     "away, moved or overridden. The app's table stays, since objects and other "
     "libraries point to it, so calls through it would not reach what the patch's "
     "source says."},
    {Refusal::Layout, "layout", 16,
     "A struct, class or union has another size or other members in the patch "
     "than in the app, and code of the app that stays reads and writes it as it "
     "was. The units of the app that use it have to be part of the patch, "
     "compiled with the fix. Only types that the unit of a replaced function "
     "defines are compared, if both sides have debug information."},
    {Refusal::VariableType, "variable-type", 4,
     "A variable that the patch shares with the app has another type there, as "
     "the debug information of both says. The sizes are the same, but the bytes "
     "don't mean the same."},
    {Refusal::DataSize, "data-size", 4,
     "A variable, or a constant that other objects see, has another size in the patch "
     "than in the app, and no function that the patch replaces uses it. So what uses it "
     "did not change, and goes on with the app's: with a table that has grown it may "
     "read past the end."},
    {Refusal::Constructors, "constructors", 16,
     "A function that runs at start or end (an initialiser of global variables, a "
     "function with the constructor attribute) differs from the app's. The "
     "variables it sets up are the app's (rule 4); a changed initialiser has a "
     "say at the next start only, in a process that loads the patched file. If "
     "accepted, it is replaced as other functions are."},
};

struct RuleText {
  unsigned number;
  const char *text;
};

constexpr RuleText rules[] = {
    {1, "A global function that the app also defines replaces it: every way in "
        "leads to the new body. --replace NAME limits the patch to the functions "
        "named, --keep NAME leaves one out."},
    {2, "A weak function (inline, template) that is equal to the app's is bound to "
        "it; one that differs replaces it."},
    {3, "A static function replaces the one of the same source file, if it "
        "differs."},
    {4, "A variable that the app also has is the app's: state is never forked. "
        "The patch's initial value is ignored, with a remark where it differs. "
        "Another size, kind or type is an error. --new-data NAME asks for a fresh "
        "one."},
    {5, "Read-only data is the patch's own, unless it equals the app's. Virtual "
        "tables and type information are always the app's."},
    {6, "What the app lacks is added, if something that is kept refers to it."},
    {7, "Only what changed is replaced. A function is unchanged when its code is "
        "the same, relocated fields left out, and each of these refers to the "
        "same thing: the same function or variable, or a constant, string, jump "
        "table or exception table with the same contents. It is compared with the "
        "app's own code; or with the object before the fix, given by --orig or "
        "made again from the map of a program of ld.relink, which also finds the "
        "functions of a stripped app."},
    {8, "A reference means the first of: a definition in the patch; what --bind "
        "says; what unchanged code shows it to be; a global of the app; an "
        "import of the app; a static of the same source file; the only static of "
        "that name; a symbol of a needed library. None or several are an error."},
    {9, "__real_NAME in the patch is the old body of NAME, or what else NAME meant "
        "before the patch. Its first instructions are repeated elsewhere, and a "
        "jump behind them continues in the old body. An error when they can't "
        "stand elsewhere, or when the old body jumps back to its entry."},
    {10, "A replaced function has one address, that of its old entry, in old code, "
         "new code and other libraries."},
    {11, "A function that the app imports and the patch defines is interposed, as "
         "a link would have done: it is exported, and the app and other libraries "
         "find it before the library's. If the patch refers to __real_NAME, or "
         "its definition is hidden, only the app's own references lead to it (as "
         "with ld --wrap), and __real_NAME is the library's function. --keep NAME "
         "leaves the library's alone."},
    {12, "An export that the patch adds appears in .dynsym; hidden stays hidden; "
         "-Bsymbolic of the app is honoured."},
    {13, "Refused: copies of the old function live on elsewhere, as clones or "
         "inlined. Inlined copies are found in the app's debug information, or "
         "in its map if the objects had some; without either a note says that "
         "they can't be excluded."},
    {14, "Refused: another function shares the address."},
    {15, "Refused: no redirect fits the entry, or a jump of the function leads "
         "into the bytes that it would overwrite. Tried in this order: hot-patch "
         "nops; in place if the new body fits; a near jump (5 bytes); a short jump "
         "(2 bytes) to alignment padding that holds a near jump. Padding lies "
         "between the end of one function and the start of the next, both "
         "known, and holds nothing else. A neighbour's bytes are never used."},
    {16, "Refused: the patch was made for another program, another machine, or "
         "would change what other code relies on."},
    {17, "Refused: the app is not what it seems: truncated, packed, overlapping "
         "segments, section headers that contradict the segments."},
};

const RefusalText &textOf(Refusal refusal) {
  return *find_if(refusals,
                  [&](const RefusalText &t) { return t.refusal == refusal; });
}

/// Words, in lines of at most 79 columns.
void wrap(StringRef text, unsigned indent, raw_ostream &os) {
  unsigned column = 0;
  for (StringRef word : split(text, ' ')) {
    if (column && column + 1 + word.size() > 79) {
      os << "\n";
      column = 0;
    }
    os.indent(column ? 1 : indent) << word;
    column += (column ? 1 : indent) + word.size();
  }
  os << "\n";
}

void explain(const RefusalText &t, raw_ostream &os) {
  os << "  --accept " << t.name << "\n";
  wrap(t.text, 4, os);
}

} // namespace

StringRef toString(Refusal refusal) { return textOf(refusal).name; }

unsigned ruleNumber(Refusal refusal) { return textOf(refusal).rule; }

bool isAccepted(const Config &config, Refusal refusal) {
  return is_contained(config.accepted, toString(refusal));
}

std::optional<Refusal> refusalNamed(StringRef name) {
  auto it = find_if(refusals, [&](auto &t) { return t.name == name; });
  return it == std::end(refusals) ? std::nullopt : std::optional(it->refusal);
}

Error refuse(Refusal refusal, const Twine &message, const Twine &remedy) {
  StringRef name = toString(refusal);
  return makeError(message + "\n>>> remedy: " + remedy +
                   "\n>>> or --accept " + name + " to do it all the same; rule " +
                   Twine(ruleNumber(refusal)) + ", see relink --explain " +
                   name);
}

bool explainRule(StringRef topic, raw_ostream &os) {
  bool any = false;
  for (const RuleText &r : rules) {
    bool whole = topic == "all" || topic == std::to_string(r.number);
    bool named = any_of(refusals, [&](const RefusalText &t) {
      return t.rule == r.number && t.name == topic;
    });
    if (!whole && !named)
      continue;
    any = true;
    os << "Rule " << r.number << "\n";
    wrap(r.text, 2, os);
    for (const RefusalText &t : refusals)
      if (t.rule == r.number && (whole || t.name == topic))
        explain(t, os);
  }
  return any;
}

} // namespace relink
