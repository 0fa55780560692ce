//===- EntryTable.h - A smaller table of hot-patch entries ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For -fpatchable-function-entry compilers list each entry in
// __patchable_function_entries, 8 bytes a function, and in a program that is
// position-independent a relative relocation of 24 bytes more. Here each becomes
// a distance of 4 bytes, from itself to the entry, in a section that is read-only
// and needs no relocation.
//
// gcc before 13 has one table for all functions of a unit, tied to the section of the
// first (SHF_LINK_ORDER). Where that is an inline function's, of which another object's
// copy is linked, lld refuses: the table is tied to one that stays, and names such
// functions by their symbols. In a library such a symbol may be another's, and no distance
// can be to it: the entry has none, 0.
//
// gcc fills the two bytes behind an entry with two nops. They become one, of two
// bytes: that is one instruction less a call, and no thread stands between them
// when a jump is written there.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_ENTRYTABLE_H
#define RELINK_LLD_ENTRYTABLE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace relink {

/// The name of the table's sections; a C identifier, so that the linker has
/// symbols for its start and its end.
constexpr char entryTableName[] = "relink_entries";
constexpr char compilersTableName[] = "__patchable_function_entries";

/// What changes in an object for its table to be small.
class EntryTable {
public:
  /// Nothing when \p bytes are no object, have no table, or one of another form
  /// than compilers write.
  static EntryTable plan(llvm::StringRef bytes, bool forLibrary);

  explicit operator bool() const { return !tables.empty(); }
  /// Whether the object need not become longer: the table's name has room in that
  /// of the compiler's, which nothing else ends with.
  bool canStay() const { return tables.empty() || nameInPlace; }
  /// Edits \p copy, the object's bytes, where it canStay().
  void edit(char *copy) const;
  /// Bytes that write() appends to the object.
  uint64_t appended() const { return names.size(); }
  /// Edits \p copy, the object's bytes, and appends at \p end of it.
  void write(char *copy, uint64_t end) const;

private:
  struct Table {
    uint64_t header = 0, offset = 0, count = 0; ///< offsets in the object
    uint64_t relocations = 0;
    /// What it is tied to (sh_link); 0 to nothing.
    uint32_t link = 0;
    struct Named { ///< a relocation that gets another symbol, or with 0 is none
      uint64_t index;
      uint32_t symbol;
      int64_t addend;
    };
    std::vector<Named> named;
  };
  void writeTables(char *copy, uint32_t newName) const;
  std::vector<Table> tables;
  std::optional<uint64_t> nameInPlace; ///< offset in the object
  uint32_t nameThere = 0;              ///< in .shstrtab
  std::vector<uint64_t> nopPairs; ///< offsets in the object
  std::string names; ///< .shstrtab with one name more
  uint64_t namesHeader = 0;
  uint32_t name = 0, type = 0; ///< of the section; of its relocations
};

} // namespace relink

#endif
