//===- DelinkCheck.cpp - The proof that an object is the program ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Links the object with every section at its address in the app and compares
// byte by byte. The fields of all references were cleared before, so what comes
// out right was computed by lld from the relocations. Slots of the GOT and PLT
// entries are stand-ins at their addresses; what they mean DelinkMeanings.cpp
// compares.
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Error.h"
#include "Link.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// `.p.12`, of `.p.12.4010`.
StringRef groupOf(StringRef name) { return name.rsplit('.').first; }

/// A section for each of the app's, at its address; pieces of one have no gaps.
std::string pinningScript(const Program &program, PinnedLayout &layout) {
  // .tbss takes no addresses, and belongs to .tdata: what follows that may start
  // where it does, or before.
  uint64_t tdata = 0;
  for (const Piece &p : program.tlsPieces)
    if (p.fileSize)
      tdata = p.address;
  auto order = [&](const PinnedLayout::Section &s) {
    bool tbss = s.name.back() == 't';
    return tbss && tdata                ? std::pair(tdata, 1)
           : tbss || s.address == tdata ? std::pair(s.address, 0)
                                        : std::pair(s.address, 2);
  };
  llvm::stable_sort(layout.sections, [&](const auto &a, const auto &b) {
    return order(a) < order(b);
  });
  std::string text;
  raw_string_ostream os(text);
  bool tls = program.image.segmentOfType(PT_TLS);
  os << "PHDRS { all PT_LOAD FLAGS(7); " << (tls ? "tls PT_TLS; " : "")
     << "}\nSECTIONS {\n";
  StringRef last;
  for (const PinnedLayout::Section &s : layout.sections) {
    StringRef group = groupOf(s.name);
    if (group == std::exchange(last, group))
      continue;
    bool inTls = llvm::any_of(program.tlsPieces, [&](const Piece &p) {
      return (group + ".").str() == PinnedLayout::group(p.section->index);
    });
    os << "  " << group << " " << hex(s.address) << " : { *(SORT_BY_NAME(" << group
       << ".*)) } :all" << (inTls ? " :tls" : "") << "\n";
  }
  os << "}\n";
  return text;
}

/// What the app's bytes are once the loader has filled in its words.
std::vector<uint8_t> expectedBytes(Program &program, uint64_t address,
                                   uint64_t size) {
  std::vector<uint8_t> out = program.contents(address, size);
  auto first = llvm::partition_point(program.references, [&](const Reference &r) {
    return r.place < address;
  });
  for (; first != program.references.end() && first->place < address + size;
       ++first) {
    uint64_t at = first->place - address;
    if (first->type == R_X86_64_64 && at + 8 <= out.size() &&
        first->kind == Reference::Kind::Address) {
      Piece *p = program.pieceAt(first->target);
      if (!p || !p->dropped)
        support::endian::write64le(&out[at], first->target);
    }
  }
  return out;
}

void compare(Program &program, uint64_t address, ArrayRef<uint8_t> linked,
             DelinkReport &report) {
  std::vector<uint8_t> expected = expectedBytes(program, address, linked.size());
  if (expected.empty())
    return; // no bytes of its own
  report.checkedBytes += linked.size();
  for (uint64_t i = 0; i < linked.size(); ++i)
    if (linked[i] != expected[i]) {
      if (report.differences.size() < 100)
        report.differences.push_back(program.describe(address + i));
      i |= 7;
    }
}

Error compareSections(Program &program, const MemoryBuffer &linked,
                      const PinnedLayout &layout, DelinkReport &report) {
  auto file = object::ELFFile<ELFT>::create(linked.getBuffer());
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  struct Linked {
    uint64_t address = 0;
    bool hasBytes = false;
    ArrayRef<uint8_t> bytes;
  };
  StringMap<Linked> groups;
  for (const Shdr &s : *sections) {
    auto name = file->getSectionName(s);
    if (!name)
      return name.takeError();
    Linked l{s.sh_addr, s.sh_type != SHT_NOBITS, {}};
    if (l.hasBytes) {
      auto bytes = file->getSectionContents(s);
      if (!bytes)
        return bytes.takeError();
      l.bytes = *bytes;
    }
    groups[*name] = l;
  }
  uint64_t absent = 0;
  for (const PinnedLayout::Section &s : layout.sections) {
    auto it = groups.find(groupOf(s.name));
    if (it == groups.end()) {
      ++absent;
      continue;
    }
    const Linked &l = it->second;
    uint64_t offset = s.address - l.address;
    if (!l.hasBytes)
      continue;
    if (offset > l.bytes.size() || s.size > l.bytes.size() - offset)
      ++absent;
    else
      compare(program, s.address, l.bytes.slice(offset, s.size), report);
  }
  if (absent)
    report.differences.push_back(Twine(absent).str() + " sections are absent");
  return Error::success();
}

} // namespace

Error checkObject(Program &program, const DelinkConfig &config,
                  DelinkReport &report) {
  PinnedLayout layout;
  auto objects = buildObjects(program, config, &layout);
  if (!objects)
    return objects.takeError();
  std::vector<LinkInput> inputs;
  for (auto &object : *objects) {
    report.sections += object->sections.size();
    std::string name = objects->size() == 1 ? program.image.path : object->name;
    inputs.push_back({name, writeObject(*object)});
  }
  auto linked = linkPinned(inputs, pinningScript(program, layout));
  if (!linked)
    return linked.takeError();
  if (Error e = compareSections(program, **linked, layout, report))
    return e;
  return checkMeanings(program, config, report);
}

} // namespace relink
