//===- DelinkOptions.td - Options of delink -------------------------------===//
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

def grp_how : OptionGroup<"how">, HelpText<"WHAT IS WRITTEN">;
let Group = grp_how in {
def o : JoinedOrSeparate<["-"], "o">, MetaVarName<"<dir>">, HelpText<"Write the objects and link.rsp to this directory">;
defm granularity : Eq<"granularity", "<what>", "What becomes an object: file, function or whole (default: file where symbols or DWARF know, else whole)">;
def shared : F<"shared", "Make a shared library of an executable: -o libapp.so links it, -o DIR writes objects for it">;
defm export_symbol : Eq<"export-symbol", "<name>", "With --shared: export only this function or variable; may be repeated">;
defm shuffle : Eq<"shuffle", "<seed>", "Order functions and data at random, so that a wrong reference shows">;
defm references : Eq<"references", "<file>", "List each reference: its place, type, meaning, and how it is known">;
def assume_addresses : F<"assume-addresses", "In a program at fixed addresses, or static, take numbers that look like addresses for such: nothing proves them">;
def strict : F<"strict", "Refuse what would be kept together because it can't be proven apart">;
}

def grp_proof : OptionGroup<"proof">, HelpText<"PROOF">;
let Group = grp_proof in {
def check : F<"check", "Write nothing; link the object at the program's addresses and compare the bytes">;
}

def grp_where : OptionGroup<"where">, HelpText<"WHERE THE SYMBOLS ARE">;
let Group = grp_where in {
defm debug_file : Eq<"debug-file", "<file>", "Read symbols from this debug file">;
defm debug_dir : Eq<"debug-dir", "<dir>", "Look for debug files here (default /usr/lib/debug)">;
}

def grp_other : OptionGroup<"other">, HelpText<"OTHER">;
let Group = grp_other in {
def quiet : F<"quiet", "Print errors only">;
def q : Flag<["-"], "q">, Alias<quiet>;
def help : F<"help", "Print this">;
def version : F<"version", "Print the version">;
}
