//===- Preserve.cpp - Registers that callers rely on ----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Preserve.h"
#include "CodeFrame.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

constexpr unsigned mostDepth = 6;

bool ClobberAnalysis::isPltEntry(uint64_t address) const {
  const Section *s = image.sectionAt(address);
  return s && isPltName(s->name);
}

RegisterSet ClobberAnalysis::visit(uint64_t address, uint64_t size,
                                   unsigned depth) {
  if (auto it = visited.find(address); it != visited.end())
    return it->second;
  visited[address] = 0; // a recursive call adds nothing
  RegisterSet out = 0, all = target.callerSaved();
  ArrayRef<uint8_t> code = image.bytesAt(address, size);
  for (uint64_t at = 0; at < code.size() && out != all;) {
    Instruction i;
    if (!target.decode(code.drop_front(at), address + at, i)) {
      out |= target.returnRegisters();
      break;
    }
    out |= i.clobbered;
    at += i.size;
    bool leaves = i.branchTarget && *i.branchTarget - address >= size;
    // A jump through memory at a fixed place is a PLT entry, or a tail call.
    if (i.isBranch && i.isIndirect && i.memoryTarget)
      out = all;
    if (!i.isCall && !leaves)
      continue;
    // What a pointer or the PLT leads to follows the ABI, and the compiler knew
    // no better. A callee whose extent is not known adds nothing but what it
    // may return: to restore that would lose the function's own result.
    if (i.isCall && (!i.branchTarget || isPltEntry(*i.branchTarget)))
      out = all;
    else if (auto fde = unwind.find(image, *i.branchTarget);
             fde && depth < mostDepth)
      out |= visit(fde->start, fde->size, depth + 1);
    else
      out |= target.returnRegisters();
  }
  return visited[address] = out;
}

RegisterSet ClobberAnalysis::clobberedBy(uint64_t address, uint64_t size) {
  // A set found inside a cycle lacks what its callers add; only the first
  // function's is whole, so nothing is kept from one question to the next.
  visited.clear();
  return visit(address, size, 0);
}

RegisterSet ClobberAnalysis::mayClobber(const ObjectSymbol &body) const {
  RegisterSet out = 0, all = target.callerSaved();
  ArrayRef<uint8_t> code = ArrayRef(body.section->data).drop_front(body.value);
  code = code.take_front(body.size ? body.size : code.size());
  for (uint64_t at = 0; at < code.size();) {
    Instruction i;
    if (!target.decode(code.drop_front(at), at, i))
      return all;
    out |= i.clobbered;
    uint64_t place = body.value + at;
    bool leaves = i.isBranch && (i.isIndirect ||
                                 any_of(body.section->relocations, [&](auto &r) {
                                   return r.offset >= place &&
                                          r.offset < place + i.size;
                                 }));
    if (i.isCall || leaves)
      return all;
    at += i.size;
  }
  return out;
}

RegisterSet ClobberAnalysis::mayClobberAt(uint64_t address,
                                          uint64_t size) const {
  RegisterSet out = 0, all = target.callerSaved();
  ArrayRef<uint8_t> code = image.bytesAt(address, size);
  for (uint64_t at = 0; at < code.size();) {
    Instruction i;
    if (!target.decode(code.drop_front(at), address + at, i) || i.isCall ||
        (i.isBranch && (!i.branchTarget || *i.branchTarget - address >= size)))
      return all;
    out |= i.clobbered;
    at += i.size;
  }
  return code.empty() ? all : out;
}

RegisterSet
ClobberAnalysis::known(const Plan &plan, const ObjectSymbol &body,
                       DenseSet<const ObjectSymbol *> &seen) const {
  RegisterSet out = 0, all = target.callerSaved();
  if (!seen.insert(&body).second)
    return 0; // a recursive call adds nothing
  ArrayRef<uint8_t> code = ArrayRef(body.section->data).drop_front(body.value);
  code = code.take_front(body.size);
  ArrayRef<ObjectRelocation> relocations = body.section->relocations;
  for (uint64_t at = 0; at < code.size();) {
    Instruction i;
    if (!target.decode(code.drop_front(at), at, i))
      return out;
    out |= i.clobbered;
    uint64_t place = body.value + at;
    at += i.size;
    if (!i.isCall && !i.isBranch)
      continue;
    auto r = partition_point(relocations, [&](const ObjectRelocation &r) {
      return r.offset < place;
    });
    bool leaves = r != relocations.end() && r->offset < place + i.size;
    const ObjectSymbol *callee = leaves ? plan.definitionOf(r->symbol) : nullptr;
    if (callee && callee->kind == ObjectSymbol::Kind::Defined &&
        callee->isFunction() && callee->section->isCode())
      out |= known(plan, *callee, seen);
    else if (i.isCall || leaves || i.isIndirect)
      return all;
  }
  return out;
}

RegisterSet ClobberAnalysis::knownToClobber(const Plan &plan,
                                            const ObjectSymbol &body) const {
  DenseSet<const ObjectSymbol *> seen;
  return known(plan, body, seen);
}

ObjectSection &addPreservingEntry(Object &object, ObjectSymbol &body,
                                  RegisterSet saved, const Target &target,
                                  StringRef name) {
  PreservingEntry entry = target.makePreservingEntry(saved);
  ObjectSection &s =
      object.addSection((".text.relink.entry." + name).str(), SHT_PROGBITS,
                        SHF_ALLOC | SHF_EXECINSTR | SHF_GNU_RETAIN);
  s.align = 16;
  s.data = entry.code;
  s.size = s.data.size();
  s.relocations.push_back({entry.callField, R_X86_64_PLT32, &body, -4});
  ObjectSymbol &symbol = object.addSymbol((body.name + ".relink.entry"));
  symbol.kind = ObjectSymbol::Kind::Defined;
  symbol.type = STT_FUNC;
  symbol.binding = STB_LOCAL;
  symbol.section = &s;
  symbol.size = s.size;

  addFrame(object, s, entry.frameInstructions);
  return s;
}

} // namespace relink
