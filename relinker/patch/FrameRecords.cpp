//===- FrameRecords.cpp - The unwind records of objects -------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FrameRecords.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;

namespace relink {

bool isEhFrame(const ObjectSection &s) {
  return s.name == ".eh_frame" &&
         (s.type == SHT_PROGBITS || s.type == SHT_X86_64_UNWIND);
}

Expected<std::vector<FrameRecord>> readFrameRecords(const Object &object,
                                                    const ObjectSection &s) {
  auto error = [&](uint64_t at, const char *what) {
    return makeError(object.name + ": " + s.name + "+" + hex(at) + ": " + what);
  };
  std::vector<FrameRecord> records;
  std::map<uint64_t, unsigned> cies;
  auto relocation = s.relocations.begin();
  for (uint64_t at = 0; at + 4 <= s.data.size();) {
    uint32_t length = read32le(&s.data[at]);
    if (length == 0)
      break; // the terminator
    if (length == UINT32_MAX)
      return error(at, "64-bit frame records are not supported");
    if (length < 4 || length > s.data.size() - at - 4)
      return error(at, "frame record runs past the section");
    FrameRecord r;
    r.offset = at;
    r.size = length + 4;
    uint32_t id = read32le(&s.data[at + 4]);
    r.isCie = id == 0;
    if (r.isCie) {
      cies[at] = records.size();
    } else {
      auto cie = cies.find(at + 4 - id);
      if (cie == cies.end())
        return error(at, "frame record without its CIE");
      r.cie = cie->second;
      while (relocation != s.relocations.end() && relocation->offset < at + 8)
        ++relocation;
      if (relocation != s.relocations.end() && relocation->offset == at + 8)
        r.function = &*relocation;
    }
    records.push_back(r);
    at += r.size;
  }
  return records;
}

Expected<FrameIndex>
FrameIndex::read(ArrayRef<std::unique_ptr<Object>> objects) {
  FrameIndex index;
  for (auto &object : objects) {
    std::vector<Table> &tables = index.tables[object.get()];
    for (const ObjectSection &s : object->sections)
      if (isEhFrame(s) && !s.dropped) {
        auto records = readFrameRecords(*object, s);
        if (!records)
          return records.takeError();
        tables.push_back({&s, std::move(*records)});
      }
  }
  for (auto &[object, tables] : index.tables)
    for (const Table &t : tables)
      for (unsigned i = 0; i < t.records.size(); ++i)
        if (const ObjectRelocation *r = t.records[i].function)
          if (r->symbol && r->symbol->section)
            index.recordOf.try_emplace(r->symbol->section, &t, i);
  return index;
}

/// The only one a CIE has.
const ObjectRelocation *
FrameIndex::personality(const ObjectSection &code) const {
  auto it = recordOf.find(&code);
  if (it == recordOf.end())
    return nullptr;
  const auto &[table, index] = it->second;
  const FrameRecord &cie = table->records[table->records[index].cie];
  ArrayRef<ObjectRelocation> all = table->ehFrame->relocations;
  auto r = partition_point(all, [&](const ObjectRelocation &r) {
    return r.offset < cie.offset;
  });
  return r != all.end() && r->offset < cie.offset + cie.size ? r : nullptr;
}

const ObjectRelocation *FrameIndex::lsda(const ObjectSection &code) const {
  auto it = recordOf.find(&code);
  if (it == recordOf.end())
    return nullptr;
  const FrameRecord &fde = it->second.first->records[it->second.second];
  ArrayRef<ObjectRelocation> all = it->second.first->ehFrame->relocations;
  auto r = partition_point(all, [&](const ObjectRelocation &r) {
    return r.offset <= fde.offset + 8;
  });
  return r != all.end() && r->offset < fde.offset + fde.size ? r : nullptr;
}

} // namespace relink
