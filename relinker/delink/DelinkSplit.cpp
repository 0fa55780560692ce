//===- DelinkSplit.cpp - One object becomes several -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each section goes to the object that a plan says, and unwind tables go with the
// code; the first object has the rest. What refers across gets a hidden global
// name.
//
//===----------------------------------------------------------------------===//

#include "DelinkFiles.h"
#include "Error.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::write32le;

namespace relink {
namespace {

class Splitter {
public:
  Splitter(const Object &whole, const SplitPlan &plan) : whole(whole), plan(plan) {}
  Expected<std::vector<std::unique_ptr<Object>>> split();

private:
  struct Part {
    std::unique_ptr<Object> object = std::make_unique<Object>();
    DenseMap<const ObjectSymbol *, ObjectSymbol *> symbols;
    ObjectSection *frames = nullptr;
    std::map<uint64_t, uint64_t> cies; ///< by offset in the whole's .eh_frame
  };
  Part &addPart(unsigned number);
  void placeSections();
  void placeSymbols();
  ObjectSymbol *symbolIn(Part &part, const ObjectSymbol &s);
  const std::string &globalName(const ObjectSymbol &s);
  void copyRelocation(Part &part, ObjectSection &to, ObjectRelocation r);
  Error splitFrames(const ObjectSection &frames);
  uint64_t copyRecord(Part &part, const ObjectSection &frames, uint64_t at,
                      uint64_t size);
  Part *partOf(const ObjectSection *s) {
    auto it = partBySection.find(s);
    return it == partBySection.end() ? nullptr : it->second;
  }

  const Object &whole;
  const SplitPlan &plan;
  std::deque<Part> parts;
  DenseMap<unsigned, Part *> partByNumber;
  StringSet<> globals; ///< names in the whole
  DenseMap<const ObjectSection *, Part *> partBySection;
  DenseMap<const ObjectSection *, ObjectSection *> copies;
  DenseMap<const ObjectSymbol *, std::string> names;
};

/// A linker takes a local symbol to be of the last STT_FILE symbol in front of
/// it, so what is of no file says so.
Splitter::Part &Splitter::addPart(unsigned number) {
  Part &part = parts.emplace_back();
  part.object->name = plan.names[number];
  partByNumber[number] = &part;
  if (!plan.sources.empty()) {
    ObjectSymbol &file = part.object->addSymbol(plan.sources[number]);
    file.kind = ObjectSymbol::Kind::Absolute;
    file.type = STT_FILE;
    file.binding = STB_LOCAL;
  }
  return part;
}

void Splitter::placeSections() {
  addPart(0);
  if (plan.isOrdered) {
    BitVector used(plan.names.size());
    for (const ObjectSection &s : whole.sections)
      used.set(plan.object.lookup(&s));
    for (unsigned number : used.set_bits())
      if (number)
        addPart(number);
  }
  for (const ObjectSection &s : whole.sections) {
    if (s.type == SHT_X86_64_UNWIND || StringRef(s.name).starts_with(".note"))
      continue; // of each object
    unsigned number = plan.object.lookup(&s);
    Part *known = partByNumber.lookup(number);
    Part &part = known ? *known : addPart(number);
    ObjectSection &copy = part.object->addSection(s.name, s.type, s.flags);
    copy.align = s.align;
    copy.size = s.size;
    copy.data = s.data;
    partBySection[&s] = &part;
    copies[&s] = &copy;
  }
  for (Part &part : parts)
    for (const ObjectSection &s : whole.sections)
      if (StringRef(s.name).starts_with(".note")) {
        ObjectSection &copy = part.object->addSection(s.name, s.type, s.flags);
        copy.align = s.align;
        copy.size = s.size;
        copy.data = s.data;
      }
}

/// What is defined stays where it is, under its name.
void Splitter::placeSymbols() {
  for (const ObjectSymbol &s : whole.symbols) {
    Part *part = s.kind == ObjectSymbol::Kind::Defined ? partOf(s.section) : nullptr;
    if (!part || s.isSection())
      continue;
    ObjectSymbol &copy = part->object->addSymbol(s.name);
    copy = s; // all but where it is
    copy.section = copies[s.section];
    part->symbols[&s] = &copy;
  }
}

/// Of \p s where it is used: its own if that is global, else a hidden one that
/// tells which is meant, as compilers name parts of functions.
const std::string &Splitter::globalName(const ObjectSymbol &s) {
  auto [it, fresh] = names.try_emplace(&s);
  if (!fresh)
    return it->second;
  it->second = s.name;
  if (s.isLocal()) {
    StringRef name = s.isSection() ? s.section->name : s.name;
    constexpr StringLiteral mark = ".delink.";
    name = name.take_front(name.find(mark)); // it was delinked before
    for (size_t n = names.size();; n += whole.symbols.size()) {
      it->second = linkableName(name) + (mark + Twine(n)).str();
      if (!globals.contains(it->second))
        break;
    }
    Part *home = partOf(s.section);
    ObjectSymbol &alias = home->object->addSymbol(it->second);
    alias.kind = ObjectSymbol::Kind::Defined;
    alias.type = s.isSection() ? uint8_t(STT_NOTYPE) : s.type;
    alias.visibility = STV_HIDDEN;
    alias.section = copies[s.section];
    alias.value = s.value;
    alias.size = s.size;
  }
  return it->second;
}

ObjectSymbol *Splitter::symbolIn(Part &part, const ObjectSymbol &s) {
  if (s.kind == ObjectSymbol::Kind::Defined && partOf(s.section) == &part)
    return s.isSection() ? &part.object->sectionSymbol(*copies[s.section])
                         : part.symbols[&s];
  ObjectSymbol *&known = part.symbols[&s];
  if (known)
    return known;
  bool elsewhere = s.kind == ObjectSymbol::Kind::Defined;
  std::string name = elsewhere ? globalName(s) : s.name;
  known = &part.object->addSymbol(name);
  known->kind = elsewhere ? ObjectSymbol::Kind::Undefined : s.kind;
  bool isNumber = s.kind == ObjectSymbol::Kind::Absolute; // of each object
  known->binding = elsewhere  ? uint8_t(STB_GLOBAL)
                   : isNumber ? uint8_t(STB_LOCAL)
                              : s.binding;
  known->type = s.type == STT_TLS ? uint8_t(STT_TLS) : uint8_t(STT_NOTYPE);
  known->value = elsewhere ? 0 : s.value;
  return known;
}

void Splitter::copyRelocation(Part &part, ObjectSection &to, ObjectRelocation r) {
  if (r.symbol)
    r.symbol = symbolIn(part, *r.symbol);
  to.relocations.push_back(r);
}

uint64_t Splitter::copyRecord(Part &part, const ObjectSection &frames, uint64_t at,
                              uint64_t size) {
  if (!part.frames) {
    part.frames = &part.object->addSection(frames.name, frames.type, frames.flags);
    part.frames->align = frames.align;
  }
  uint64_t to = part.frames->data.size();
  part.frames->data.insert(part.frames->data.end(), frames.data.begin() + at,
                           frames.data.begin() + at + size);
  part.frames->size = part.frames->data.size();
  auto first = llvm::partition_point(frames.relocations, [&](const auto &r) {
    return r.offset < at;
  });
  for (; first != frames.relocations.end() && first->offset < at + size; ++first) {
    ObjectRelocation moved = *first;
    moved.offset += to - at;
    copyRelocation(part, *part.frames, moved);
  }
  return to;
}

/// Each FDE goes where its function is, with its CIE.
Error Splitter::splitFrames(const ObjectSection &frames) {
  for (uint64_t at = 0, size; at + 8 <= frames.data.size(); at += size) {
    size = uint64_t(read32le(&frames.data[at])) + 4;
    uint32_t id = read32le(&frames.data[at + 4]);
    if (size < 8 || at + size > frames.data.size())
      return makeError(whole.name + ": a record of .eh_frame leaves it");
    if (!id)
      continue;
    auto field = llvm::partition_point(frames.relocations, [&](const auto &r) {
      return r.offset < at + 8;
    });
    Part *part = field != frames.relocations.end() && field->offset == at + 8 &&
                         field->symbol->section
                     ? partOf(field->symbol->section)
                     : nullptr;
    if (!part)
      return makeError(whole.name + ": an FDE at " + hex(at) + " is of no section");
    uint64_t cieAt = at + 4 - id;
    auto [cie, fresh] = part->cies.try_emplace(cieAt, 0);
    if (fresh)
      cie->second = copyRecord(*part, frames, cieAt,
                               uint64_t(read32le(&frames.data[cieAt])) + 4);
    uint64_t to = copyRecord(*part, frames, at, size);
    write32le(&part->frames->data[to + 4], to + 4 - cie->second);
  }
  return Error::success();
}

Expected<std::vector<std::unique_ptr<Object>>> Splitter::split() {
  for (const ObjectSymbol &s : whole.symbols)
    if (!s.isLocal())
      globals.insert(s.name);
  placeSections();
  placeSymbols();
  for (const ObjectSection &s : whole.sections)
    if (Part *part = partOf(&s))
      for (const ObjectRelocation &r : s.relocations)
        copyRelocation(*part, *copies[&s], r);
  for (const ObjectSection &s : whole.sections)
    if (s.type == SHT_X86_64_UNWIND)
      if (Error e = splitFrames(s))
        return e;
  std::vector<std::unique_ptr<Object>> out;
  for (Part &part : parts)
    out.push_back(std::move(part.object));
  return out;
}

} // namespace

SplitPlan planByFunction(const Program &program, const Object &whole) {
  SplitPlan plan;
  plan.names.push_back(sys::path::filename(program.image.path).str());
  for (const ObjectSection &s : whole.sections) {
    if (!s.isCode() || StringRef(s.name).starts_with(".note"))
      continue;
    // Numbered, since names may be long, and strange.
    size_t number = plan.names.size();
    StringRef name = StringRef(s.name).substr(s.name.rfind('.') + 1);
    plan.object[&s] = number;
    plan.names.push_back(utostr(number) + "." + safeFileName(name));
  }
  return plan;
}

Expected<std::vector<std::unique_ptr<Object>>> splitObject(const Object &whole,
                                                           const SplitPlan &plan) {
  return Splitter(whole, plan).split();
}

} // namespace relink
