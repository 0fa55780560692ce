//===- ComposeStandIn.cpp - The app as an input of the link ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Composer.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

ObjectSection &Composer::pinnedSection(Object &standIn, const Phdr &load) {
  std::string name = (".relink.app." + hex(load.p_vaddr));
  for (ObjectSection &s : standIn.sections)
    if (s.name == name)
      return s;
  uint64_t flags = SHF_ALLOC;
  if (load.p_flags & PF_X)
    flags |= SHF_EXECINSTR;
  if (load.p_flags & PF_W)
    flags |= SHF_WRITE;
  ObjectSection &s = standIn.addSection(name, SHT_NOBITS, flags);
  s.size = load.p_memsz;
  inputs.pinned.push_back({name, load.p_vaddr});
  return s;
}

/// The app's own entries come first in the merged array; lld makes their
/// relocations with the others.
void Composer::addOldArray(Object &standIn, StringRef name, uint32_t type,
                           uint64_t address, uint64_t size) {
  ObjectSection &s =
      standIn.addSection((name + ".relink.old").str(), type,
                         SHF_ALLOC | SHF_WRITE | retain);
  s.align = 8;
  s.size = alignTo(size, 8);
  s.data.resize(s.size);
  for (auto [at, value] : readPointers(image, address, address + size)) {
    const Phdr *load = image.loadAt(value);
    if (!load)
      continue;
    ObjectSection &pinned = pinnedSection(standIn, *load);
    s.relocations.push_back({at - address, R_X86_64_64,
                             &standIn.sectionSymbol(pinned),
                             int64_t(value - load->p_vaddr)});
  }
}

void Composer::composeStandIn() {
  Object standIn;
  ObjectSection *tls = nullptr;
  const TlsLayout &t = inputs.tls;
  if (t.present && t.appSize) {
    tls = &standIn.addSection(".relink.apptls",
                              t.grows ? SHT_PROGBITS : SHT_NOBITS,
                              SHF_ALLOC | SHF_WRITE | SHF_TLS | retain);
    tls->align = t.appAlign;
    tls->size = t.appSize;
    if (t.grows) {
      // The new template begins as the old one does.
      const Phdr *p = image.segmentOfType(PT_TLS);
      ArrayRef<uint8_t> initial = image.bytesAt(p->p_vaddr, p->p_filesz);
      tls->data.assign(initial.begin(), initial.end());
      tls->data.resize(t.appSize);
      standIn.addSection(".relink.apptlsend", SHT_PROGBITS,
                         SHF_ALLOC | SHF_WRITE | SHF_TLS | retain);
    }
  }
  // Indices: pinnedSection() may add sections while symbols are added.
  for (LinkTarget &target : plan.targets) {
    if (!used.lookup(&target) || target.kind == LinkTarget::Kind::Import ||
        target.kind == LinkTarget::Kind::Original)
      continue;
    ObjectSymbol &s = standIn.addSymbol(target.linkName);
    s.kind = ObjectSymbol::Kind::Defined;
    s.type = target.type;
    s.size = target.size;
    s.visibility = target.kind == LinkTarget::Kind::Export ? STV_DEFAULT
                                                           : STV_HIDDEN;
    if (target.type == STT_TLS) {
      s.section = tls;
      s.value = target.address;
      continue;
    }
    const Phdr *load = image.loadAt(target.address);
    if (!load) // one past the end of a segment (`_end`)
      load = image.loadAt(target.address - 1);
    if (!load) {
      s.kind = ObjectSymbol::Kind::Absolute;
      s.value = target.address;
      continue;
    }
    s.section = &pinnedSection(standIn, *load);
    s.value = target.address - load->p_vaddr;
  }
  const DynamicTables &d = image.dynamic;
  if (inputs.hasConstructors)
    addOldArray(standIn, ".init_array", SHT_INIT_ARRAY, d.initArray,
                d.initArraySize);
  if (inputs.hasDestructors)
    addOldArray(standIn, ".fini_array", SHT_FINI_ARRAY, d.finiArray,
                d.finiArraySize);
  inputs.dynamicRoom = dynamicRoom();
  if (inputs.dynamicRoom) {
    ObjectSection &room = standIn.addSection(".relink.dynamic", SHT_PROGBITS,
                                             SHF_ALLOC | SHF_WRITE | retain);
    room.align = 8;
    room.size = inputs.dynamicRoom;
    room.data.resize(room.size);
  }
  if (any_of(plan.interpositions, [](auto &i) { return i.appOnly; }))
    addSpareSlot(standIn);
  addPropertyNote(standIn, image.ibt, image.shstk);
  if (!standIn.sections.empty())
    inputs.objects.insert(inputs.objects.begin(),
                          {"stand-in for " + image.path, writeObject(standIn)});
}

/// The app's own slot of an interposed import holds the new function; what the
/// loader resolves the import to goes here (see interposeSlots()).
void Composer::addSpareSlot(Object &standIn) {
  ObjectSection &s = standIn.addSection(".bss.relink.slot", SHT_NOBITS,
                                        SHF_ALLOC | SHF_WRITE | retain);
  s.align = s.size = 8;
  ObjectSymbol &symbol = standIn.addSymbol(spareSlotName);
  symbol.kind = ObjectSymbol::Kind::Defined;
  symbol.visibility = STV_HIDDEN;
  symbol.section = &s;
}

/// How many bytes a .dynamic with the patch's entries needs, when the app's has
/// no room for them. An upper bound: what the link will need is not known yet.
uint64_t Composer::dynamicRoom() const {
  const DynamicTables &d = image.dynamic;
  if (!d.address)
    return 0;
  unsigned more = plan.newDependencies.size();
  bool dynamicRelocations = false, versions = false;
  for (const LinkTarget &t : plan.targets) {
    if (!used.lookup(&t) || t.kind == LinkTarget::Kind::Address ||
        t.kind == LinkTarget::Kind::Original)
      continue;
    dynamicRelocations = true;
    versions |= !t.dynamic && !t.library.version.empty();
  }
  if (image.isPositionIndependent())
    for (const ObjectSection *s : plan.live)
      dynamicRelocations |= any_of(s->relocations, [](auto &r) {
        return r.type == R_X86_64_64 || r.type == R_X86_64_TLSGD ||
               r.type == R_X86_64_TLSLD || r.type == R_X86_64_GOTTPOFF ||
               r.type == R_X86_64_GOTPCREL;
      });
  dynamicRelocations |= inputs.hasConstructors || inputs.hasDestructors ||
                        !plan.interpositions.empty();
  if (dynamicRelocations && !d.has(DT_RELA))
    more += 3;
  if (versions && !d.has(DT_VERSYM))
    more += 1;
  if (versions && !d.has(DT_VERNEED))
    more += 2;
  if (inputs.hasConstructors && !d.has(DT_INIT_ARRAY))
    more += 2;
  if (inputs.hasDestructors && !d.has(DT_FINI_ARRAY))
    more += 2;
  if (more <= d.spareEntries)
    return 0;
  return (d.entries.size() + more + 1) * sizeof(Dyn);
}

} // namespace relink
