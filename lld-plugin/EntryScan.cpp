//===- EntryScan.cpp - Functions and inlined copies in a unit -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EntryScan.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/DebugInfo/DWARF/DWARFDebugAbbrev.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/LEB128.h"

using namespace llvm;
using namespace llvm::dwarf;
using namespace llvm::support;

namespace relink {
namespace {

/// How to pass over an attribute, or over several of known sizes.
struct Step {
  enum Kind : uint8_t {
    Fixed,     ///< `size` bytes
    Leb,       ///< ends with a byte below 0x80
    LebFixed,  ///< and `size` bytes behind
    Block,     ///< a length, and as many bytes
    SizedBlock, ///< a length of `size` bytes, and as many bytes
    String,
    Indirect,
    Unknown,
  } kind;
  uint32_t size = 0;
};

/// DWARF 5, section 7.5.6.
Step stepOver(Form form, FormParams params) {
  if (auto size = getFixedFormByteSize(form, params))
    return {Step::Fixed, *size};
  switch (form) {
  case DW_FORM_implicit_const: // in the abbreviation
    return {Step::Fixed, 0};
  case DW_FORM_block:
  case DW_FORM_exprloc:
    return {Step::Block};
  case DW_FORM_block1:
    return {Step::SizedBlock, 1};
  case DW_FORM_block2:
    return {Step::SizedBlock, 2};
  case DW_FORM_block4:
    return {Step::SizedBlock, 4};
  case DW_FORM_string:
    return {Step::String};
  case DW_FORM_sdata:
  case DW_FORM_udata:
  case DW_FORM_ref_udata:
  case DW_FORM_strx:
  case DW_FORM_addrx:
  case DW_FORM_loclistx:
  case DW_FORM_rnglistx:
  case DW_FORM_GNU_addr_index:
  case DW_FORM_GNU_str_index:
    return {Step::Leb};
  case DW_FORM_LLVM_addrx_offset:
    return {Step::LebFixed, 4};
  case DW_FORM_indirect:
    return {Step::Indirect};
  default:
    return {Step::Unknown};
  }
}

class Cursor {
public:
  Cursor(const uint8_t *at, const uint8_t *end, FormParams params)
      : at(at), end(end), params(params) {}
  const uint8_t *place() const { return at; }
  bool isAtEnd() const { return at == end; }
  bool number(uint64_t &out) {
    if (at != end && *at < 0x80) { // as nearly all
      out = *at++;
      return true;
    }
    const char *error = nullptr;
    unsigned size = 0;
    out = decodeULEB128(at, &size, end, &error);
    at += size;
    return !error;
  }
  bool pass(Step step);

private:
  bool skip(uint64_t size) {
    if (size > uint64_t(end - at))
      return false;
    at += size;
    return true;
  }
  bool skipLeb() {
    while (at != end)
      if (*at++ < 0x80)
        return true;
    return false;
  }

  const uint8_t *at, *end;
  FormParams params;
};

bool Cursor::pass(Step step) {
  uint64_t length = 0;
  switch (step.kind) {
  case Step::Fixed:
    return skip(step.size);
  case Step::Leb:
    return skipLeb();
  case Step::LebFixed:
    return skipLeb() && skip(step.size);
  case Step::Block:
    return number(length) && skip(length);
  case Step::SizedBlock: {
    const uint8_t *from = at;
    if (!skip(step.size))
      return false;
    length = step.size == 1   ? *from
             : step.size == 2 ? endian::read16le(from)
                              : endian::read32le(from);
    return skip(length);
  }
  case Step::String: {
    const void *nul = at == end ? nullptr : memchr(at, 0, end - at);
    if (nul)
      at = static_cast<const uint8_t *>(nul) + 1;
    return nul;
  }
  case Step::Indirect: {
    uint64_t form = 0;
    // An indirect form has no constant in the abbreviation to point to.
    return number(form) && form != DW_FORM_indirect &&
           form != DW_FORM_implicit_const && form <= UINT16_MAX &&
           pass(stepOver(Form(form), params));
  }
  case Step::Unknown:
    return false;
  }
  return false;
}

/// All attributes of the entries of an abbreviation.
using Steps = SmallVector<Step, 4>;

Steps stepsOver(const DWARFAbbreviationDeclaration &a, FormParams params) {
  Steps out;
  for (const auto &attribute : a.attributes()) {
    Step step = stepOver(attribute.Form, params);
    if (step.kind == Step::Fixed && !out.empty() &&
        out.back().kind == Step::Fixed)
      out.back().size += step.size;
    else
      out.push_back(step);
  }
  return out;
}

} // namespace

bool EntryScan::run(DWARFUnit &unit) {
  const DWARFAbbreviationDeclarationSet *set = unit.getAbbreviations();
  if (!set || set->begin() == set->end())
    return false;
  FormParams params = unit.getFormParams();
  const DWARFAbbreviationDeclaration *first = &*set->begin();
  std::vector<Steps> steps;
  for (const DWARFAbbreviationDeclaration &a : *set)
    steps.push_back(stepsOver(a, params));
  StringRef section = unit.getInfoSection().Data;
  const uint8_t *start = section.bytes_begin();
  uint64_t from = unit.getOffset() + unit.getHeaderSize(),
           to = std::min<uint64_t>(unit.getNextUnitOffset(), section.size());
  if (from > to)
    return false;
  constexpr uint64_t usualSize = 64; // bytes of entries for one that is listed
  subprograms.reserve((to - from) / usualSize);
  copies.reserve((to - from) / usualSize);
  Cursor in(start + from, start + to, params);
  struct Inside {
    uint32_t subprogram = 0, copy = 0; ///< numbers, from 1
  };
  std::vector<Inside> insides = {{}};
  while (!in.isAtEnd()) {
    Entry entry = {uint64_t(in.place() - start), nullptr};
    uint64_t code = 0;
    if (!in.number(code) || code > UINT32_MAX)
      return false;
    if (!code) {
      if (insides.size() > 1)
        insides.pop_back();
      if (insides.size() == 1)
        return true;
      continue;
    }
    const DWARFAbbreviationDeclaration *a =
        set->getAbbreviationDeclaration(code);
    if (!a)
      return false;
    entry.abbreviation = a;
    for (Step step : steps[a - first])
      if (!in.pass(step))
        return false;
    Inside inside = insides.back();
    if (a->getTag() == DW_TAG_subprogram) {
      subprograms.push_back(entry);
      inside = {uint32_t(subprograms.size()), 0};
    } else if (a->getTag() == DW_TAG_inlined_subroutine && inside.subprogram) {
      copies.push_back({entry, inside.subprogram - 1, inside.copy});
      inside.copy = copies.size();
    }
    if (a->hasChildren())
      insides.push_back(inside);
    else if (insides.size() == 1)
      return true; // the unit's own entry alone
  }
  return true;
}

} // namespace relink
