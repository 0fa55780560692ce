//===- SourceFiles.cpp - File names of a line table -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SourceFiles.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {
namespace {

/// More files than any unit has.
constexpr uint64_t mostFiles = 1 << 16;

/// DWARF 5, section 6.2.4; for versions 2 to 4, the same section of DWARF 4.
class LineHeader {
public:
  LineHeader(const DWARFObject &object, uint64_t offset)
      : object(object), data(object.getLineSection().Data, true, 8),
        at(offset) {}
  ~LineHeader() { consumeError(at.takeError()); }
  StringRef fileName(uint64_t index);

private:
  using Format = SmallVector<std::pair<uint64_t, uint64_t>, 4>;
  StringRef oldName(uint64_t index);
  Format readFormat();
  StringRef readPath(const Format &format);
  StringRef readForm(uint64_t form);
  StringRef stringAt(StringRef section);

  const DWARFObject &object;
  DataExtractor data;
  DataExtractor::Cursor at;
  unsigned offsetSize = 4;
};

StringRef LineHeader::stringAt(StringRef section) {
  uint64_t offset = data.getUnsigned(at, offsetSize);
  return section.substr(offset).take_until([](char c) { return c == 0; });
}

StringRef LineHeader::readForm(uint64_t form) {
  switch (form) {
  case DW_FORM_string:
    return data.getCStrRef(at);
  case DW_FORM_line_strp:
    return stringAt(object.getLineStrSection());
  case DW_FORM_strp:
    return stringAt(object.getStrSection());
  case DW_FORM_udata:
    data.getULEB128(at);
    return {};
  case DW_FORM_block:
    data.skip(at, data.getULEB128(at));
    return {};
  default:
    auto size = getFixedFormByteSize(
        Form(form), {5, 8, offsetSize == 8 ? DWARF64 : DWARF32});
    // Behind what is unknown nothing can be found.
    data.skip(at, size ? *size : UINT64_MAX / 2);
    return {};
  }
}

LineHeader::Format LineHeader::readFormat() {
  Format out;
  for (unsigned n = data.getU8(at); at && n; --n) {
    uint64_t content = data.getULEB128(at);
    out.push_back({content, data.getULEB128(at)});
  }
  return out;
}

StringRef LineHeader::readPath(const Format &format) {
  StringRef path;
  for (auto [content, form] : format) {
    StringRef value = at ? readForm(form) : StringRef();
    if (content == DW_LNCT_path)
      path = value;
  }
  return path;
}

StringRef LineHeader::oldName(uint64_t index) {
  while (at && !data.getCStrRef(at).empty())
    ; // directories
  for (uint64_t n = 1; at; ++n) {
    StringRef name = data.getCStrRef(at);
    if (name.empty() || n == index)
      return name;
    for (int i = 0; i < 3; ++i)
      data.getULEB128(at);
  }
  return {};
}

StringRef LineHeader::fileName(uint64_t index) {
  if (data.getU32(at) == UINT32_MAX) {
    offsetSize = 8;
    data.skip(at, 8);
  }
  unsigned version = data.getU16(at);
  if (!at || version < 2 || version > 5 || index >= mostFiles)
    return {};
  if (version >= 5)
    data.skip(at, 2);
  data.skip(at, offsetSize + (version >= 4 ? 5 : 4));
  unsigned opcodeBase = data.getU8(at);
  data.skip(at, opcodeBase ? opcodeBase - 1 : 0);
  if (version < 5)
    return oldName(index);
  Format directories = readFormat();
  uint64_t count = data.getULEB128(at);
  for (uint64_t n = 0; at && n < std::min(count, mostFiles); ++n)
    readPath(directories);
  Format files = readFormat();
  count = data.getULEB128(at);
  if (index >= count)
    return {};
  for (uint64_t n = 0; at && n < index; ++n)
    readPath(files);
  StringRef path = at ? readPath(files) : StringRef();
  return at ? path : StringRef();
}

} // namespace

std::string sourceFileName(const DebugUnit &unit, uint64_t index) {
  DWARFUnit &home = unit.skeleton ? *unit.skeleton : *unit.unit;
  auto offset = toSectionOffset(home.getUnitDIE().find(DW_AT_stmt_list));
  if (!offset)
    return {};
  const DWARFObject &object = home.getContext().getDWARFObj();
  return baseName(LineHeader(object, *offset).fileName(index)).str();
}

} // namespace relink
