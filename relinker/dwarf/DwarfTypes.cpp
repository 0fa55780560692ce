//===- DwarfTypes.cpp - How types lie in memory ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DWARF 5, sections 5.1 to 5.7. Entries may refer to each other in circles, so
// each descent has its limit.
//
//===----------------------------------------------------------------------===//

#include "DwarfTypes.h"
#include "UnitFilter.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFTypeUnit.h"
#include "llvm/DebugInfo/DWARF/LowLevel/DWARFExpression.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {
namespace {

constexpr unsigned mostNested = 24;
/// Entries that one description may take.
constexpr unsigned mostEntries = 20000;

bool isQualifier(Tag tag) {
  switch (tag) {
  case DW_TAG_const_type:
  case DW_TAG_volatile_type:
  case DW_TAG_restrict_type:
  case DW_TAG_atomic_type:
  case DW_TAG_immutable_type:
    return true;
  default:
    return false;
  }
}

StringRef ownName(DWARFDie die) { return toStringRef(die.find(DW_AT_name)); }

/// "struct " and the like; classes are structs.
StringRef keyword(Tag tag) {
  return tag == DW_TAG_union_type         ? "union "
         : tag == DW_TAG_enumeration_type ? "enum "
         : tag == DW_TAG_class_type       ? "class "
                                          : "struct ";
}

/// Describes one type, within bounds.
class Describer {
public:
  explicit Describer(bool deep) : deep(deep) {}
  std::string key(DWARFDie type, unsigned depth = 0);
  void members(DWARFDie type, uint64_t base, unsigned depth,
               std::vector<TypeMember> &out);
  static uint64_t size(DWARFDie type, unsigned depth = 0);

private:
  std::string pointee(DWARFDie type, unsigned depth);
  void member(DWARFDie die, uint64_t base, unsigned depth,
              std::vector<TypeMember> &out);

  bool deep;
  unsigned entries = 0;
};

uint64_t countOf(DWARFDie range) {
  if (auto count = toUnsigned(range.find(DW_AT_count)))
    return *count;
  // A signed form for an array without elements: -1.
  auto bound = range.find(DW_AT_upper_bound);
  auto upper = toUnsigned(bound);
  return upper ? *upper + 1 : 0;
}

uint64_t Describer::size(DWARFDie type, unsigned depth) {
  type = plainType(type);
  if (!type || depth > mostNested)
    return 0;
  if (auto bytes = toUnsigned(type.find(DW_AT_byte_size)))
    return *bytes;
  switch (type.getTag()) {
  case DW_TAG_pointer_type:
  case DW_TAG_reference_type:
  case DW_TAG_rvalue_reference_type:
    return 8;
  case DW_TAG_array_type: {
    uint64_t total = size(declaredType(type), depth + 1);
    for (DWARFDie child : type.children())
      if (child.getTag() == DW_TAG_subrange_type)
        total *= countOf(child);
    return total;
  }
  case DW_TAG_enumeration_type:
    return size(declaredType(type), depth + 1);
  default:
    return 0;
  }
}

/// Only the name counts of what a pointer points to.
std::string Describer::pointee(DWARFDie type, unsigned depth) {
  type = plainType(type);
  if (!type)
    return "void";
  if (isAggregate(type) || type.getTag() == DW_TAG_enumeration_type)
    return qualifiedName(type);
  return key(type, depth + 1);
}

std::string Describer::key(DWARFDie type, unsigned depth) {
  type = plainType(type);
  if (!type)
    return "void";
  if (depth > mostNested || ++entries > mostEntries)
    return "?";
  std::string bytes = ":" + std::to_string(size(type));
  switch (type.getTag()) {
  case DW_TAG_base_type:
    return "base" + std::to_string(toUnsigned(type.find(DW_AT_encoding), 0)) +
           bytes;
  case DW_TAG_pointer_type:
  case DW_TAG_reference_type:
  case DW_TAG_rvalue_reference_type:
    return pointee(declaredType(type), depth) + "*";
  case DW_TAG_ptr_to_member_type:
    return pointee(declaredType(type), depth) + "::*" + bytes;
  case DW_TAG_subroutine_type:
    return "()";
  case DW_TAG_array_type: {
    std::string out = key(declaredType(type), depth + 1);
    for (DWARFDie child : type.children())
      if (child.getTag() == DW_TAG_subrange_type)
        out += "[" + std::to_string(countOf(child)) + "]";
    return out;
  }
  case DW_TAG_structure_type:
  case DW_TAG_class_type:
  case DW_TAG_union_type: {
    std::string name = qualifiedName(type);
    if (!deep && !name.empty())
      return name + bytes;
    std::vector<TypeMember> all;
    members(type, 0, depth + 1, all);
    name += bytes + "{";
    for (const TypeMember &m : all)
      name += m.key + ";";
    return name + "}";
  }
  default:
    return qualifiedName(type) + bytes;
  }
}

/// DW_AT_data_member_location is a number or, in old DWARF, an expression.
std::optional<uint64_t> memberOffset(DWARFDie die) {
  auto value = die.find(DW_AT_data_member_location);
  if (!value)
    return 0;
  if (auto number = toUnsigned(value))
    return *number;
  auto block = value->getAsBlock();
  if (!block)
    return std::nullopt;
  DataExtractor data(*block, true, 8);
  uint64_t at = 0;
  if (data.getU8(&at) != DW_OP_plus_uconst)
    return std::nullopt; // a virtual base: told at run time
  return data.getULEB128(&at);
}

/// Where a bit field starts, from the start of its type. DWARF 3 counts from
/// the high end of a storage unit (section 5.6.6 of it).
uint64_t bitOffset(DWARFDie die, uint64_t bytes, uint64_t storage) {
  if (auto direct = toUnsigned(die.find(DW_AT_data_bit_offset)))
    return *direct;
  uint64_t width = toUnsigned(die.find(DW_AT_bit_size), 0);
  auto old = toUnsigned(die.find(DW_AT_bit_offset));
  if (!old)
    return bytes * 8;
  storage = toUnsigned(die.find(DW_AT_byte_size), storage);
  return bytes * 8 + storage * 8 - *old - width;
}

void Describer::member(DWARFDie die, uint64_t base, unsigned depth,
                       std::vector<TypeMember> &out) {
  // Static members are variables.
  if (die.find(DW_AT_external) || die.find(DW_AT_declaration))
    return;
  DWARFDie type = declaredType(die), plain = plainType(type);
  auto offset = memberOffset(die);
  StringRef name = ownName(die);
  bool isBase = die.getTag() == DW_TAG_inheritance;
  if (name.empty() && !isBase && offset && plain && isAggregate(plain))
    return members(plain, base + *offset, depth + 1, out);
  TypeMember m;
  // The pointer to the virtual table has a name of the compiler's.
  std::string shown = isBase                        ? "base " + typeText(type)
                      : die.find(DW_AT_artificial) ? "virtual table"
                                                    : typeText(type, name);
  std::string place = offset ? std::to_string(base + *offset) : "run time";
  m.key = (isBase ? "" : die.find(DW_AT_artificial) ? "vptr" : name.str()) +
          "@" + place + " " + key(type, depth + 1);
  if (auto width = toUnsigned(die.find(DW_AT_bit_size))) {
    uint64_t bit = base * 8 + bitOffset(die, offset.value_or(0), size(type));
    m.key = (name + "@bit" + Twine(bit) + ":" + Twine(*width)).str() +
            key(type, depth + 1);
    shown += " : " + std::to_string(*width);
    place = std::to_string(bit / 8) + ", bit " + std::to_string(bit % 8);
  }
  m.text = "`" + shown + "` at " + place;
  out.push_back(std::move(m));
}

void Describer::members(DWARFDie type, uint64_t base, unsigned depth,
                        std::vector<TypeMember> &out) {
  if (depth > mostNested)
    return;
  for (DWARFDie child : type.children()) {
    if (child.getTag() != DW_TAG_member && child.getTag() != DW_TAG_inheritance)
      continue;
    if (++entries > mostEntries)
      return;
    member(child, base, depth, out);
  }
}

/// Names of the namespaces and classes around an entry, "a::b::".
std::string scopeOf(DWARFDie die) {
  std::string out;
  DWARFDie at = die.getParent();
  for (unsigned i = 0; at && i < mostNested; ++i, at = at.getParent()) {
    Tag tag = at.getTag();
    if (tag == DW_TAG_namespace || isAggregate(at)) {
      StringRef name = ownName(at);
      out = (name.empty() ? "(anonymous)" : name.str()) + "::" + out;
    }
  }
  return out;
}

bool isInFunction(DWARFDie die) {
  DWARFDie at = die.getParent();
  for (unsigned i = 0; at && i < mostNested; ++i, at = at.getParent())
    if (at.getTag() == DW_TAG_subprogram)
      return true;
  return false;
}

/// The typedef that names \p type, which has no name, in its unit.
DWARFDie typedefOf(DWARFDie type) {
  for (DWARFDie child : type.getParent().children())
    if (child.getTag() == DW_TAG_typedef)
      if (DWARFDie named = referredEntry(child, DW_AT_type);
          named && named.getOffset() == type.getOffset())
        return child;
  return {};
}

} // namespace

DWARFDie plainType(DWARFDie type) {
  for (unsigned i = 0; type && i < mostNested; ++i) {
    Tag tag = type.getTag();
    if (tag != DW_TAG_typedef && !isQualifier(tag))
      return type;
    type = declaredType(type);
  }
  return {};
}

bool isAggregate(DWARFDie type) {
  Tag tag = type.getTag();
  return tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
         tag == DW_TAG_union_type;
}

std::string qualifiedName(DWARFDie type) {
  StringRef name = ownName(type);
  if (!name.empty())
    return scopeOf(type) + name.str();
  if (!type.getParent())
    return {};
  DWARFDie named = typedefOf(type);
  return named ? scopeOf(named) + ownName(named).str() : "";
}

std::string typeText(DWARFDie type, StringRef name) {
  std::string before, behind;
  StringRef base = "void";
  std::string text;
  for (unsigned i = 0; type && i < mostNested; ++i, type = declaredType(type)) {
    Tag tag = type.getTag();
    if (isQualifier(tag))
      continue;
    if (tag == DW_TAG_pointer_type) {
      before = "*" + before;
    } else if (tag == DW_TAG_reference_type) {
      before = "&" + before;
    } else if (tag == DW_TAG_rvalue_reference_type) {
      before = "&&" + before;
    } else if (tag == DW_TAG_array_type) {
      for (DWARFDie child : type.children())
        if (child.getTag() == DW_TAG_subrange_type)
          behind += "[" + std::to_string(countOf(child)) + "]";
    } else {
      StringRef own = ownName(type);
      text = tag == DW_TAG_subroutine_type ? "function"
             : !own.empty()                ? scopeOf(type) + own.str()
                                           : "unnamed";
      if (isAggregate(type) || tag == DW_TAG_enumeration_type)
        text = keyword(tag).str() + text;
      base = text;
      break;
    }
  }
  std::string declared = before + name.str() + behind;
  return base.str() + (declared.empty() ? "" : " " + declared);
}

std::string deepTypeKey(DWARFDie type) { return Describer(true).key(type); }

bool TypeLayout::operator==(const TypeLayout &other) const {
  return size == other.size &&
         std::equal(members.begin(), members.end(), other.members.begin(),
                    other.members.end(),
                    [](auto &a, auto &b) { return a.key == b.key; });
}

std::string TypeLayout::difference(const TypeLayout &other) const {
  std::string out = std::to_string(size) + " bytes";
  for (size_t i = 0; i < members.size(); ++i)
    if (i >= other.members.size() || members[i].key != other.members[i].key)
      return out + ", " + members[i].text;
  return out;
}

TypeLayout layoutOf(DWARFDie type) {
  TypeLayout out;
  std::string name = qualifiedName(type);
  // The name of a typedef stands alone.
  out.name = (ownName(type).empty() ? "" : keyword(type.getTag()).str()) + name;
  out.size = Describer::size(type);
  Describer(false).members(type, 0, 0, out.members);
  return out;
}

static auto unitsBeside(const DebugUnit &unit) {
  DWARFContext &context = unit.unit->getContext();
  return unit.unit->isDWOUnit() ? context.dwo_units() : context.normal_units();
}

bool hasTypeUnits(const DebugUnit &unit) {
  return any_of(unitsBeside(unit), [](auto &u) { return u->isTypeUnit(); });
}

/// The unit and the type units (-fdebug-types-section) that it refers to, directly
/// or through others.
static std::vector<DWARFUnit *> withTypeUnits(const DebugUnit &unit) {
  std::map<uint64_t, DWARFUnit *> rest;
  std::vector<uint32_t> words;
  for (auto &u : unitsBeside(unit))
    if (auto *type = dyn_cast<DWARFTypeUnit>(u.get())) {
      rest[type->getTypeHash()] = type;
      words.push_back(uint32_t(type->getTypeHash()));
    }
  std::vector<DWARFUnit *> out = {unit.unit};
  if (rest.empty())
    return out;
  WordSet signatures;
  signatures.add(words);
  for (size_t n = 0; n < out.size(); ++n) {
    StringRef bytes = DebugUnit{out[n], nullptr, unit.file, nullptr}.bytes();
    for (size_t i = 0; i + 8 <= bytes.size(); ++i) {
      const char *at = bytes.data() + i;
      if (!signatures.contains(support::endian::read32le(at)))
        continue;
      auto it = rest.find(support::endian::read64le(at));
      if (it == rest.end())
        continue;
      out.push_back(it->second);
      rest.erase(it);
    }
  }
  return out;
}

static void addTypes(const DebugUnit &unit, std::map<std::string, DWARFDie> &out) {
  auto add = [&](DWARFDie named, DWARFDie type) {
    type = behindSignature(type);
    if (!isAggregate(type) || type.find(DW_AT_declaration) ||
        !type.find(DW_AT_byte_size) || isInFunction(named))
      return;
    StringRef name = ownName(named);
    if (name.empty())
      name = ownName(type);
    if (!name.empty())
      out.try_emplace(scopeOf(named) + name.str(), type);
  };
  for (const DWARFDebugInfoEntry &entry : unit.entries()) {
    DWARFDie die(unit.unit, &entry);
    if (die.getTag() == DW_TAG_typedef) {
      DWARFDie type = referredEntry(die, DW_AT_type);
      if (type && isAggregate(type) && ownName(type).empty())
        add(die, type);
    } else if (!die.isNULL() && isAggregate(die)) {
      add(die, die);
    }
  }
}

std::map<std::string, DWARFDie> typesOf(const DebugUnit &unit) {
  std::map<std::string, DWARFDie> out;
  for (DWARFUnit *u : withTypeUnits(unit))
    addTypes({u, nullptr, unit.file, unit.check}, out);
  return out;
}

} // namespace relink
