//===- FunctionNames.cpp - Functions by the names DWARF has ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionNames.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {

/// The names of a constructor or destructor's copies (Itanium ABI, 5.1.4.3: C1
/// to C3, D0 to D2), and C4 and D4, which stand for all in gcc's DWARF.
static std::vector<std::string> copiesOf(StringRef mangled) {
  std::vector<std::string> out = {mangled.str()};
  ItaniumPartialDemangler demangler;
  std::string text = mangled.str();
  if (demangler.partialDemangle(text.c_str()) || !demangler.isCtorOrDtor())
    return out;
  std::string readable = demangle(mangled);
  for (size_t i = 2; i + 1 < mangled.size(); ++i)
    if (mangled[i] == 'C' || mangled[i] == 'D')
      for (char digit : {'0', '1', '2', '3', '4'}) {
        std::string copy = mangled.str();
        copy[i + 1] = digit;
        if (isDigit(mangled[i + 1]) && copy != mangled &&
            demangle(copy) == readable)
          out.push_back(copy);
      }
  return out;
}

/// "f" of a mangled a::f(int); empty if there is none.
static std::string lastName(StringRef mangled) {
  ItaniumPartialDemangler demangler; // keeps pointers into what it is given
  std::string text = mangled.str();
  if (demangler.partialDemangle(text.c_str()) ||
      !demangler.isFunction())
    return {};
  size_t size = 0;
  char *name = demangler.getFunctionBaseName(nullptr, &size);
  std::string out = name ? name : "";
  std::free(name);
  return out;
}

FunctionNames::FunctionNames(ArrayRef<Replacement> functions)
    : functions(functions) {
  for (auto [number, f] : enumerate(functions)) {
    for (StringRef symbol : {StringRef(f.app->name), StringRef(f.body->name)}) {
      StringRef plain = plainName(symbol);
      for (const std::string &copy : copiesOf(plain))
        byLinkageName[copy].push_back(number);
      if (symbol != plain)
        byLinkageName[symbol].push_back(number);
      if (!plain.starts_with("_Z"))
        byName[plain].push_back(number);
      else if (std::string last = lastName(plain);
               !last.empty() && isLocal(number))
        byName[last].push_back(number);
    }
  }
  for (auto *map : {&byLinkageName, &byName})
    for (auto &entry : *map) {
      names.insert(entry.first());
      entry.second.erase(llvm::unique(entry.second), entry.second.end());
    }
}

bool FunctionNames::isInFile(unsigned number, StringRef file) const {
  const Replacement &f = functions[number];
  return f.app->file.empty() || baseName(f.app->file) == file ||
         baseName(f.body->file) == file;
}

const FunctionNames::Numbers *
FunctionNames::numbersOf(StringRef linkage, StringRef name) const {
  const auto &map = linkage.empty() ? byName : byLinkageName;
  auto it = map.find(linkage.empty() ? name : linkage);
  // The parameters of a template are part of its name.
  if (it == map.end() && linkage.empty())
    it = map.find(name.take_until([](char c) { return c == '<'; }));
  return it == map.end() ? nullptr : &it->second;
}

SmallVector<unsigned, 1>
FunctionNames::find(const NamedFunction &f) const {
  Numbers out;
  if (f.linkageName.empty() && f.name.empty())
    return out;
  const Numbers *numbers = numbersOf(f.linkageName, f.name);
  if (!numbers)
    return out;
  for (unsigned number : *numbers)
    if (isLocal(number) ? isInFile(number, f.file)
                        : !f.linkageName.empty() || f.mayBeExternal)
      out.push_back(number);
  return out;
}

SmallVector<unsigned, 1> FunctionNames::find(DWARFDie die,
                                             const DebugUnit &user) const {
  StringRef linkage =
      toStringRef(findAlong(die, {DW_AT_linkage_name,
                                       DW_AT_MIPS_linkage_name}));
  StringRef name = toStringRef(findAlong(die, DW_AT_name));
  if ((linkage.empty() && name.empty()) || !numbersOf(linkage, name))
    return {};
  // Entries of a whole program (LTO) are in units of their source files, others
  // in the unit that uses them or in one that several share (dwz).
  DWARFDie root = rootOf(die);
  StringRef file = baseName(
      toStringRef(root.getDwarfUnit()->getUnitDIE().find(DW_AT_name)));
  if (file.empty() || root.getDwarfUnit() == user.unit)
    file = user.fileName();
  // clang -gline-tables-only says neither where a function is declared nor
  // whether others see it.
  bool mayBeExternal = toUnsigned(findAlong(die, DW_AT_external), 0) ||
                       !findAlong(die, DW_AT_decl_line);
  return find({linkage, name, file, mayBeExternal});
}

} // namespace relink
