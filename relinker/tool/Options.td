//===- Options.td - Options of relink -------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

include "llvm/Option/OptParser.td"

class F<string name, string help>
    : Flag<["--"], name>, HelpText<help>;
multiclass Eq<string name, string metavar, string help> {
  def NAME : Separate<["--"], name>, MetaVarName<metavar>, HelpText<help>;
  def NAME#_eq : Joined<["--"], name#"=">,
                 Alias<!cast<Separate>(NAME)>;
}

def grp_what : OptionGroup<"what">, HelpText<"WHAT IS REPLACED AND BOUND">;
let Group = grp_what in {
defm orig : Eq<"orig", "<object>", "The object as it was before the fix: only what differs from it is replaced, and in a stripped program its code finds the functions">;
def changed_only : F<"changed-only", "Leave out the objects, in archives too, that the app was linked from, by the map that ld.relink left in it">;
defm from_ninja : Eq<"from-ninja", "<dir>", "Take the objects from this build directory that differ from those the app was linked from: relink --from-ninja DIR APP -o OUT">;
defm ninja_target : Eq<"ninja-target", "<name>", "With --from-ninja: the app's name there, if it is another">;
def no_map : F<"no-map", "Don't compare with the objects that the app's .patch.map describes, nor heed the inlined copies it lists">;
defm replace : Eq<"replace", "<name>", "Replace this function and bind everything else the patch defines to the app's own. NAME is mangled, demangled, or file.c:name">;
defm keep : Eq<"keep", "<name>", "Bind this function to the app's own">;
defm new_data : Eq<"new-data", "<name>", "Give the patch a fresh variable of this name">;
defm bind : Eq<"bind", "<name>=<what>", "Bind a reference: WHAT is file.c:name, another name, or 0xADDR">;
defm export_symbol : Eq<"export-symbol", "<name>", "Export a symbol the patch adds">;
}

def grp_where : OptionGroup<"where">, HelpText<"WHERE THE APP'S SYMBOLS ARE">;
let Group = grp_where in {
defm symbol : Eq<"symbol", "<name>=<addr>[:<size>]", "State an address in the app">;
defm symbols : Eq<"symbols", "<file>", "Read lines `address size type name`">;
defm debug_file : Eq<"debug-file", "<file>", "Read symbols from this debug file">;
defm debug_dir : Eq<"debug-dir", "<dir>", "Look for debug files here (default /usr/lib/debug)">;
}

def grp_libs : OptionGroup<"libs">, HelpText<"LIBRARIES">;
let Group = grp_libs in {
def L : JoinedOrSeparate<["-"], "L">, MetaVarName<"<dir>">, HelpText<"Look for needed libraries here first">;
def l : JoinedOrSeparate<["-"], "l">, MetaVarName<"<lib>">, HelpText<"Link with this library; it becomes a DT_NEEDED if used">;
defm sysroot : Eq<"sysroot", "<dir>", "Prefix of the system's library directories">;
}

def grp_how : OptionGroup<"how">, HelpText<"HOW IT IS DONE">;
let Group = grp_how in {
def no_in_place : F<"no-in-place", "Never overwrite an old body, always redirect to the new one">;
def relink : F<"relink", "Link the whole program again: the old functions are gone, callers go straight to the new ones">;
def redirect_calls : F<"redirect-calls", "Let the app's own calls, jumps and virtual tables lead straight to the new bodies where it is certain that they mean a replaced function">;
def no_reserve : F<"no-reserve", "Leave what ld.relink has reserved in the app alone, and add segments for the patch">;
def no_debug : F<"no-debug", "Leave the patch's debug information out">;
def full_debug : F<"full-debug", "Carry the patch's debug information even if it takes more than 64 KiB, what must be copied of the app's own included">;
def full_symtab : F<"full-symtab", "Copy .symtab even if it is large, so that old bodies (NAME.relink.orig) and new local symbols are named in it">;
def no_keep_registers : F<"no-keep-registers", "Don't save registers that callers compiled with -fipa-ra may rely on">;
defm accept : Eq<"accept", "<refusal>", "Apply the patch though it would be refused for this; --explain all lists the refusals">;
def allow_lost_cet : F<"allow-lost-cet", "The same as --accept lost-cet">;
def no_record : F<"no-record", "Keep no record in the output: it can't be verified or reverted then">;
def drop_privileges : F<"drop-privileges", "Accept an output without the input's setuid bit or file capabilities">;
def dry_run : F<"dry-run", "Do everything but write the output">;
def n : Flag<["-"], "n">, Alias<dry_run>;
}

def grp_out : OptionGroup<"out">, HelpText<"OUTPUT">;
let Group = grp_out in {
def o : JoinedOrSeparate<["-"], "o">, MetaVarName<"<file>">, HelpText<"Name of the patched program">;
def verbose : F<"verbose", "List what is bound and every edit">;
def v : Flag<["-"], "v">, Alias<verbose>;
def quiet : F<"quiet", "Print errors only">;
def q : Flag<["-"], "q">, Alias<quiet>;
def json : F<"json", "Print the summary as JSON on standard output">;
}

def grp_trust : OptionGroup<"trust">, HelpText<"PATCHED FILES">;
let Group = grp_trust in {
def list_patches : F<"list", "List the patches in a file: relink --list FILE">;
def verify : F<"verify", "Account for every byte of a patched file: relink --verify FILE">;
defm original : Eq<"original", "<file>", "With --verify: compare with the original byte by byte">;
defm patch : Eq<"patch", "<object>", "With --verify: check that it was patched with this object">;
def revert : F<"revert", "Restore the file before its last patch: relink --revert FILE -o OUT">;
def all : F<"all", "With --revert: take back all patches">;
def export : F<"export", "Make a portable patch: relink --export APP FIXED -o FIX.rlp">;
def import : F<"import", "Apply a portable patch: relink --import APP FIX.rlp -o FIXED">;
}

def grp_other : OptionGroup<"other">, HelpText<"OTHER">;
let Group = grp_other in {
def check_loadable : F<"check-loadable", "Check the given files against the loaders' rules, and do nothing else">;
def survey : F<"survey", "Say how each function of the given program could be redirected, each looked at alone, and do nothing else">;
def reserve : F<"reserve", "Say what ld.relink reserved in the given program, and do nothing else">;
def map : F<"map", "List the objects that ld.relink says the given program was linked of, with -v inlined copies in their code, and do nothing else">;
defm explain : Eq<"explain", "<rule>", "Explain a rule, by number or by the name of a refusal, or all of them">;
def help : F<"help", "Print this help">;
def h : Flag<["-"], "h">, Alias<help>;
def version : F<"version", "Print the version">;
}
