//===- DwarfTypes.h - How types lie in memory -------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types are told apart as code sees them: typedefs and qualifiers don't count,
// base types are an encoding and a size (compilers name them differently), and
// of a pointer only the name of what it points to.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DWARFTYPES_H
#define RELINK_DWARFTYPES_H

#include "AppDwarf.h"
#include "DwarfEntries.h"
#include <map>

namespace relink {

struct TypeMember {
  std::string key;  ///< equal for members that are the same
  std::string text; ///< for people: "`int id` at 8"
};

/// Of a struct, class or union.
struct TypeLayout {
  std::string name; ///< "struct conn", with its namespaces
  uint64_t size = 0;
  std::vector<TypeMember> members;

  bool operator==(const TypeLayout &other) const;
  /// "16 bytes", and the first member that \p other has not.
  std::string difference(const TypeLayout &other) const;
};

/// A type's own name or the one its typedef gives it, with namespaces and
/// classes; empty if it has none.
std::string qualifiedName(llvm::DWARFDie type);

/// As \p name would be declared, roughly, for people.
std::string typeText(llvm::DWARFDie type, llvm::StringRef name = {});

/// Equal for types of the same name, size and layout, all the way down.
std::string deepTypeKey(llvm::DWARFDie type);

TypeLayout layoutOf(llvm::DWARFDie type);

/// The structs, classes and unions that the unit defines, by qualified name.
/// Those of function scope are left out: no other unit can mean them.
std::map<std::string, llvm::DWARFDie> typesOf(const DebugUnit &unit);

/// Whether the unit's types may lie in type units (-fdebug-types-section).
bool hasTypeUnits(const DebugUnit &unit);

/// Typedefs and qualifiers taken off; invalid for void.
llvm::DWARFDie plainType(llvm::DWARFDie type);

bool isAggregate(llvm::DWARFDie type);

} // namespace relink

#endif
