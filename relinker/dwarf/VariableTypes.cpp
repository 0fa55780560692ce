//===- VariableTypes.cpp - What the patch takes the app's variables for ---===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are compared by the rules already. Variables are found by address, which
// tells statics of one name apart.
//
//===----------------------------------------------------------------------===//

#include "DwarfTypes.h"
#include "Error.h"
#include "Layouts.h"
#include "Refusals.h"
#include "Selections.h"

using namespace llvm;
using namespace llvm::dwarf;
using namespace llvm::ELF;

namespace relink {
namespace {

/// An address, or an offset in the block of thread-local variables.
using Location = std::pair<uint64_t, bool>;

/// DW_OP_addr, DW_OP_addrx, or a constant that DW_OP_form_tls_address turns into
/// an address (DWARF 5, section 2.5).
std::optional<Location> locationOf(DWARFDie variable) {
  auto value = variable.find(DW_AT_location);
  auto block = value ? value->getAsBlock() : std::nullopt;
  if (!block || block->empty())
    return std::nullopt;
  DataExtractor data(*block, true, 8);
  uint64_t at = 0;
  uint8_t operation = data.getU8(&at);
  bool tls = operation != DW_OP_addr && operation != DW_OP_addrx &&
             operation != DW_OP_GNU_addr_index;
  switch (operation) {
  case DW_OP_addr:
  case DW_OP_const8u:
    if (block->size() < 9)
      return std::nullopt;
    return Location(data.getU64(&at), tls);
  case DW_OP_const4u:
    if (block->size() < 5)
      return std::nullopt;
    return Location(data.getU32(&at), tls);
  case DW_OP_addrx:
  case DW_OP_constx:
  case DW_OP_GNU_addr_index:
  case DW_OP_GNU_const_index: {
    uint64_t index = data.getULEB128(&at);
    auto item = index <= UINT32_MAX
                    ? variable.getDwarfUnit()->getAddrOffsetSectionItem(index)
                    : std::nullopt;
    if (!item)
      return std::nullopt;
    return Location(item->Address, tls);
  }
  default:
    return std::nullopt;
  }
}

/// Calls \p visit with each variable of the unit that has a place in memory.
template <typename F> void forEachVariable(const DebugUnit &unit, F visit) {
  for (const DWARFDebugInfoEntry &entry : unit.entries()) {
    DWARFDie die(unit.unit, &entry);
    if (die.getTag() == DW_TAG_variable)
      if (auto location = locationOf(die))
        visit(die, *location);
  }
}

bool isState(const ObjectSymbol &s) {
  return s.kind == ObjectSymbol::Kind::Common ||
         (s.section && s.section->isWritable() && !s.section->isCode());
}

/// The app's variable that \p s is, if it matters: shared, writable, needed.
const AppSymbol *sharedVariable(const Plan &plan, const ObjectSymbol *s) {
  if (!s || !isState(*s) || !plan.references.count(s))
    return nullptr;
  auto it = plan.decisions.find(s);
  return it != plan.decisions.end() &&
                 it->second.action == Decision::Action::Bind
             ? it->second.app
             : nullptr;
}

/// "`int`", or a struct with what is different in it.
std::string describe(DWARFDie type, DWARFDie other) {
  std::string out = "`" + typeText(type) + "`";
  DWARFDie plain = plainType(type), otherPlain = plainType(other);
  if (plain && otherPlain && isAggregate(plain) && isAggregate(otherPlain))
    out += ", " + layoutOf(plain).difference(layoutOf(otherPlain));
  return out;
}

Error compare(const Image &image, const Plan &plan,
              const Object &object, const AppDwarf &patch,
              const UnitPair &pair) {
  std::map<Location, const ObjectSymbol *> wanted;
  std::map<const ObjectSymbol *, DWARFDie> types;
  forEachVariable(*pair.patch, [&](DWARFDie die, Location at) {
    const ObjectSymbol *s = patch.symbolAt(at.first);
    if (const AppSymbol *app = sharedVariable(plan, s)) {
      wanted[{app->address, app->type == STT_TLS}] = s;
      types[s] = declaredType(die);
    }
  });
  if (wanted.empty())
    return Error::success();
  Error result = Error::success();
  forEachVariable(*pair.app, [&](DWARFDie die, Location at) {
    auto it = wanted.find(at);
    DWARFDie was = declaredType(die);
    if (result || it == wanted.end() || !was)
      return;
    const ObjectSymbol &s = *it->second;
    DWARFDie is = types[&s];
    if (!is || deepTypeKey(is) == deepTypeKey(was))
      return;
    result = refuse(
        Refusal::VariableType,
        object.name + ": variable " + shown(s.name) +
            " has another type than in " + image.path + "\n>>> here: " +
            describe(is, was) + "\n>>> in the app, at " + hex(at.first) + ": " +
            describe(was, is),
        "keep its type; or --new-data " + s.name +
            " for a variable of the patch's own");
  });
  return result;
}

} // namespace

Error checkVariableTypes(const Config &config, const Image &image,
                         const AppDwarf &dwarf, const Plan &plan) {
  if (isAccepted(config, Refusal::VariableType) || !dwarf.isPresent())
    return Error::success();
  for (const auto &object : plan.objects) {
    bool any = std::any_of(
        object->symbols.begin(), object->symbols.end(),
        [&](const ObjectSymbol &s) { return sharedVariable(plan, &s); });
    if (!any)
      continue;
    AppDwarf patch = AppDwarf::ofPatch(plan, *object);
    for (const UnitPair &pair : pairUnits(patch, dwarf, plan, *object))
      if (Error e = compare(image, plan, *object, patch, pair))
        return e;
  }
  return Error::success();
}

} // namespace relink
