//===- SpliceDynamic.cpp - Imports, exports and dynamic relocations -------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The loader knows one table of each kind, through .dynamic. A table that gains
// entries is written anew behind the patch, the old one followed by the new
// entries; a table that gains none is left where it is.
//
//===----------------------------------------------------------------------===//

#include "DynamicHash.h"
#include "Error.h"
#include "SpareEntries.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

template <class Range> ArrayRef<uint8_t> rawBytes(const Range &v) {
  return {reinterpret_cast<const uint8_t *>(v.data()), v.size() * sizeof(v[0])};
}

/// A dynamic symbol the app does not have yet.
struct NewSymbol {
  std::string name;
  Sym entry{};
  bool hashed = false; ///< others look it up: a definition
  std::string version, library;
  uint16_t versionIndex = VER_NDX_GLOBAL;
};

class DynamicMerger {
public:
  DynamicMerger(const SpliceContext &c, Output &out)
      : c(c), image(c.image), d(c.image.dynamic), out(out) {
    if (out.space)
      spare.emplace(image, out);
  }
  Error run();

private:
  Error collectSymbols();
  unsigned symbolIndexFor(const PatchSymbol &s);
  NewSymbol describe(const PatchSymbol &s, const LinkTarget *t) const;
  uint32_t addString(StringRef s);
  void assignVersions();
  void writeVersionNeeds();
  Error writeSymbols();
  bool useSpareSymbols();
  void shiftTlsSymbols();
  unsigned exportedVariable(StringRef name);
  Sym redefine(Sym s, const PatchSymbol &by) const;
  void redefineInPlace();
  Error collectRelocations();
  Error interposeSlots();
  void moveTlsRelocations();
  void writeRelocations();
  void place(StringRef section, uint32_t type, uint64_t flags, uint64_t old,
             ArrayRef<uint8_t> bytes, uint64_t align, int64_t tag,
             uint64_t entrySize = 0);

  const SpliceContext &c;
  const Image &image;
  const DynamicTables &d;
  Output &out;
  std::optional<SpareEntries> spare; ///< in a reserve
  std::vector<NewSymbol> fresh;
  DenseMap<const PatchSymbol *, unsigned> indexOf; ///< into fresh, or app's
  /// The app's variables, by index in .dynsym; read when one is asked for.
  std::optional<StringMap<unsigned>> exported;
  DenseMap<unsigned, const PatchSymbol *> redefined; ///< of these
  StringMap<const LinkTarget *> targets;
  std::string newStrings;
  StringMap<uint32_t> spareStrings; ///< those that have found room
  std::vector<VersionNeed> needs;
  std::vector<std::pair<std::string, std::string>> newNeeds; ///< file, version
  std::vector<std::tuple<uint64_t, uint32_t, unsigned, int64_t>> relocations;
  std::vector<Rela> added;
  DenseMap<const Rela *, Rela> interposed; ///< the app's, as they will be
};

/// Moves a table behind the patch and tells .dynamic and the section headers.
void DynamicMerger::place(StringRef section, uint32_t type, uint64_t flags,
                          uint64_t old, ArrayRef<uint8_t> bytes, uint64_t align,
                          int64_t tag, uint64_t entrySize) {
  Output::Place p = out.allocate(bytes, align);
  out.setDynamic(tag, p.address);
  uint64_t offset = out.tailOffset + p.tailAt;
  if (OutputSection *s = old ? out.sectionAt(old, type) : nullptr) {
    s->header.sh_addr = p.address;
    s->header.sh_offset = offset;
    s->header.sh_size = bytes.size();
    return;
  }
  if (unsigned i = out.addSection(section, type, flags, p.address, offset,
                                  bytes.size(), align))
    out.sections[i].header.sh_entsize = entrySize;
}

NewSymbol DynamicMerger::describe(const PatchSymbol &s,
                                  const LinkTarget *t) const {
  NewSymbol n;
  n.name = t ? t->name : s.name.str();
  memset(&n.entry, 0, sizeof(Sym));
  n.entry.setBindingAndType(t && t->weak ? uint8_t(STB_WEAK) : s.binding, s.type);
  n.entry.setVisibility(s.visibility);
  n.entry.st_size = s.size;
  n.entry.st_value = s.value;
  // A canonical PLT entry is undefined and yet has an address; others must find
  // it (glibc elf/dl-lookup.c, ELF_RTYPE_CLASS_PLT).
  n.hashed = s.section || s.value;
  if (s.section)
    n.entry.st_shndx = SHN_ABS; // its real section is set in writeSymbols()
  if (t && t->kind == LinkTarget::Kind::Import) {
    n.version = t->library.version;
    n.library = t->library.library;
    if (t->dynamic) {
      n.version = image.dynamicVersion(t->dynamic).str();
      n.library.clear();
    }
  }
  return n;
}

unsigned DynamicMerger::symbolIndexFor(const PatchSymbol &s) {
  auto [it, isNew] = indexOf.try_emplace(&s, 0);
  if (!isNew)
    return it->second;
  auto found = targets.find(s.name);
  const LinkTarget *t = found == targets.end() ? nullptr : found->second;
  bool defined = s.section || s.value;
  if (t && t->dynamic && (!defined || t->kind == LinkTarget::Kind::Export))
    return it->second = t->dynamic;
  // An export that the app has too, a constant, is the patch's from now on.
  if (unsigned old = s.section && !t ? exportedVariable(s.name) : 0) {
    redefined[old] = &s;
    return it->second = old;
  }
  fresh.push_back(describe(s, t));
  if (t && !t->dynamic && !defined)
    out.newImports.push_back(
        t->name + (t->library.version.empty() ? "" : "@" + t->library.version));
  return it->second = image.dynamicSymbols().size() + fresh.size() - 1;
}

/// 0 if the app exports none of this name.
unsigned DynamicMerger::exportedVariable(StringRef name) {
  if (!exported) {
    exported.emplace();
    ArrayRef<Sym> all = image.dynamicSymbols();
    for (unsigned i = 1; i < all.size(); ++i)
      if (all[i].st_shndx != SHN_UNDEF && all[i].getType() == STT_OBJECT)
        (*exported)[image.dynamicName(all[i])] = i;
  }
  return exported->lookup(name);
}

Error DynamicMerger::collectSymbols() {
  for (const LinkTarget &t : c.plan.targets)
    targets[t.linkName] = &t;
  for (const PatchRelocation &r : c.patch.relocations)
    if (r.symbol)
      symbolIndexFor(*r.symbol);
  // Exports, canonical PLT entries and aliases of copied data have no
  // relocation of their own.
  for (const PatchSymbol &s : c.patch.dynamicSymbols) {
    if (s.name.empty() || !(s.section || s.value))
      continue;
    auto t = targets.find(s.name);
    if (t != targets.end() && t->second->kind == LinkTarget::Kind::Export)
      continue;
    symbolIndexFor(s);
  }
  if (!fresh.empty() && !d.symtab)
    return makeError(image.path + ": has no dynamic symbol table, so " +
                     fresh[0].name + " can't be imported");
  return Error::success();
}

/// Offset of \p s in the string table, old or grown.
uint32_t DynamicMerger::addString(StringRef s) {
  StringRef old = toStringRef(image.bytesAt(d.strtab, d.strsz));
  std::string key = (s + Twine('\0')).str();
  if (size_t at = old.find(key); at != StringRef::npos)
    return at;
  if (auto known = spareStrings.find(s); known != spareStrings.end())
    return known->second;
  if (auto at = spare ? spare->addString(s) : std::nullopt)
    return spareStrings[s] = *at;
  if (size_t at = newStrings.find(key); at != std::string::npos)
    return d.strsz + at;
  newStrings += key;
  return d.strsz + newStrings.size() - key.size();
}

void DynamicMerger::assignVersions() {
  needs = image.versionNeeds;
  uint16_t next = VER_NDX_GLOBAL + 1;
  for (const VersionNeed &n : needs)
    next = std::max<uint16_t>(next, n.index + 1);
  next = std::max<uint16_t>(next, d.verdefnum + 1);
  for (NewSymbol &s : fresh) {
    if (s.version.empty())
      continue;
    auto known = find_if(needs, [&](const VersionNeed &n) {
      return n.name == s.version && (s.library.empty() || n.file == s.library);
    });
    if (known != needs.end()) {
      s.versionIndex = known->index;
      continue;
    }
    newNeeds.push_back({s.library, s.version});
    // The strings outlive the views: they belong to the plan's targets.
    needs.push_back({StringRef(s.library), StringRef(s.version), next});
    s.versionIndex = next++;
  }
}

/// gABI "Symbol versioning": one Verneed a file, one Vernaux a version.
void DynamicMerger::writeVersionNeeds() {
  if (newNeeds.empty())
    return;
  std::vector<StringRef> files;
  for (const VersionNeed &n : needs)
    if (!is_contained(files, n.file))
      files.push_back(n.file);
  std::vector<uint8_t> bytes;
  auto append = [&](const auto &v) {
    auto *p = reinterpret_cast<const uint8_t *>(&v);
    bytes.insert(bytes.end(), p, p + sizeof(v));
  };
  for (size_t f = 0; f < files.size(); ++f) {
    std::vector<const VersionNeed *> ours;
    for (const VersionNeed &n : needs)
      if (n.file == files[f])
        ours.push_back(&n);
    ELFT::Verneed need;
    need.vn_version = 1;
    need.vn_cnt = ours.size();
    need.vn_file = addString(files[f]);
    need.vn_aux = sizeof(need);
    need.vn_next = f + 1 == files.size()
                       ? 0
                       : sizeof(need) + ours.size() * sizeof(ELFT::Vernaux);
    append(need);
    for (size_t i = 0; i < ours.size(); ++i) {
      ELFT::Vernaux aux;
      aux.vna_hash = object::hashSysV(ours[i]->name);
      aux.vna_flags = 0;
      aux.vna_other = ours[i]->index;
      aux.vna_name = addString(ours[i]->name);
      aux.vna_next = i + 1 == ours.size() ? 0 : sizeof(aux);
      append(aux);
    }
  }
  place(".gnu.version_r", SHT_GNU_verneed, SHF_ALLOC, d.verneed, bytes, 8,
        DT_VERNEED);
  out.setDynamic(DT_VERNEEDNUM, files.size());
  for (OutputSection &s : out.sections)
    if (s.header.sh_type == SHT_GNU_verneed)
      s.header.sh_info = files.size();
}

/// Exported thread-locals are offsets in the block.
void DynamicMerger::shiftTlsSymbols() {
  uint64_t shift = tlsShift(c);
  ArrayRef<Sym> symbols = image.dynamicSymbols();
  for (size_t i = 0; shift && i < symbols.size(); ++i) {
    if (symbols[i].getType() != STT_TLS || symbols[i].st_shndx == SHN_UNDEF)
      continue;
    uint8_t value[8];
    support::endian::write64le(value, symbols[i].st_value + shift);
    uint64_t at = d.symtab + i * sizeof(Sym) + offsetof(Sym, st_value);
    out.edit(*image.fileOffset(at), value, "thread-local symbol");
  }
}

/// What \p s, the app's, becomes.
Sym DynamicMerger::redefine(Sym s, const PatchSymbol &by) const {
  s.st_value = by.value;
  s.st_size = by.size;
  s.st_shndx = out.newSectionAt(by.value).value_or(1);
  return s;
}

void DynamicMerger::redefineInPlace() {
  for (auto [index, by] : redefined) {
    Sym s = redefine(image.dynamicSymbols()[index], *by);
    uint64_t at = d.symtab + index * sizeof(Sym);
    out.edit(*image.fileOffset(at), rawBytes(ArrayRef(s)), "dynamic symbol " + by->name.str());
  }
}

/// Imports take spare entries; what others look up has to be in a hash table.
bool DynamicMerger::useSpareSymbols() {
  if (!spare || fresh.size() > spare->symbols() ||
      any_of(fresh, [](const NewSymbol &s) { return s.hashed; }) ||
      (!d.versym && any_of(fresh, [](const NewSymbol &s) {
        return !s.version.empty();
      })))
    return false;
  size_t had = image.dynamicSymbols().size();
  out.dynamicIndex.resize(had + fresh.size());
  std::iota(out.dynamicIndex.begin(), out.dynamicIndex.end(), 0);
  for (size_t i = 0; i < fresh.size(); ++i) {
    NewSymbol &s = fresh[i];
    s.entry.st_name = addString(s.name);
    out.dynamicIndex[had + i] = spare->setSymbol(
        s.entry, d.versym ? std::optional(s.versionIndex) : std::nullopt);
  }
  writeVersionNeeds();
  return true;
}

Error DynamicMerger::writeSymbols() {
  if (fresh.empty()) {
    shiftTlsSymbols();
    redefineInPlace();
    return Error::success();
  }
  assignVersions();
  if (useSpareSymbols()) {
    redefineInPlace();
    return Error::success();
  }
  bool versioned = d.versym || any_of(fresh, [](const NewSymbol &s) {
                     return !s.version.empty();
                   });
  ArrayRef<Sym> old = image.dynamicSymbols();
  std::vector<DynamicSymbolEntry> all(old.size() + fresh.size());
  for (size_t i = 0; i < old.size(); ++i) {
    auto by = redefined.find(i);
    all[i].symbol = by == redefined.end() ? old[i] : redefine(old[i], *by->second);
    if (old[i].getType() == STT_TLS && old[i].st_shndx != SHN_UNDEF)
      all[i].symbol.st_value = old[i].st_value + tlsShift(c);
    all[i].name = image.dynamicName(old[i]).str();
    ArrayRef<uint8_t> v =
        d.versym ? image.bytesAt(d.versym + i * 2, 2) : ArrayRef<uint8_t>();
    all[i].version = !v.empty() ? support::endian::read16le(v.data())
                                : uint16_t(i ? VER_NDX_GLOBAL : VER_NDX_LOCAL);
  }
  for (size_t i = 0; i < fresh.size(); ++i) {
    NewSymbol &s = fresh[i];
    DynamicSymbolEntry &e = all[old.size() + i];
    s.entry.st_name = addString(s.name);
    // Never SHN_ABS: glibc does not add the load base to that (elf/dl-lookup.c).
    if (s.entry.st_shndx == SHN_ABS)
      s.entry.st_shndx = out.newSectionAt(s.entry.st_value).value_or(1);
    e.symbol = s.entry;
    e.name = s.name;
    e.version = s.versionIndex;
    e.hashed = s.hashed;
  }
  auto tables = buildHashTables(image, all, old.size());
  if (!tables)
    return tables.takeError();
  out.dynamicIndex = tables->newIndex;
  writeVersionNeeds();
  for (const std::string &library : c.plan.newDependencies)
    addString(library);

  std::vector<Sym> symbols(all.size());
  std::vector<uint16_t> versions(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    symbols[tables->newIndex[i]] = all[i].symbol;
    support::endian::write16le(&versions[tables->newIndex[i]], all[i].version);
  }
  place(".dynsym", SHT_DYNSYM, SHF_ALLOC, d.symtab, rawBytes(symbols), 8,
        DT_SYMTAB, sizeof(Sym));
  if (versioned)
    place(".gnu.version", SHT_GNU_versym, SHF_ALLOC, d.versym,
          rawBytes(versions), 2, DT_VERSYM, 2);
  if (!tables->gnu.empty())
    place(".gnu.hash", SHT_GNU_HASH, SHF_ALLOC, d.gnuHash, tables->gnu, 8,
          DT_GNU_HASH);
  if (!tables->sysv.empty())
    place(".hash", SHT_HASH, SHF_ALLOC, d.hash, tables->sysv, 8, DT_HASH, 4);
  return Error::success();
}

Error DynamicMerger::collectRelocations() {
  for (const PatchRelocation &r : c.patch.relocations) {
    if (r.type == R_X86_64_IRELATIVE &&
        image.kind == ImageKind::StaticExecutable)
      return makeError(image.path + ": the patch adds an indirect function "
                       "(IFUNC), and a static executable resolves only those "
                       "between bounds fixed in its code");
    if (image.kind == ImageKind::StaticExecutable)
      return makeError(image.path + ": the patch needs a dynamic relocation "
                       "(type " + Twine(r.type) + " at " + hex(r.offset) +
                       "), and a static executable applies none");
    Rela rela;
    rela.r_offset = r.offset;
    rela.r_addend = r.addend;
    unsigned index = r.symbol ? indexOf.lookup(r.symbol) : 0;
    if (index && !out.dynamicIndex.empty())
      index = out.dynamicIndex[index];
    rela.setSymbolAndType(index, r.type, false);
    if (spare && spare->isConstructor(r.offset) && r.type == R_X86_64_RELATIVE)
      spare->setConstructor(r.offset, r.addend);
    else
      added.push_back(rela);
  }
  if (c.inputs.tls.grows && !c.patch.isInReserve)
    moveTlsRelocations();
  return Error::success();
}

/// Rule 11 with `__real_`: what the app itself has of the import leads to the
/// patch's function. A word that is relocated before main() becomes RELATIVE. A
/// PLT slot may be bound later, by an index into .rela.plt, so its relocation
/// stays, and writes to a word that nobody reads.
Error DynamicMerger::interposeSlots() {
  for (const Interposition &i : c.plan.interpositions) {
    if (!i.appOnly)
      continue;
    const PatchSymbol *definition = c.patch.symbol(i.linkName);
    const PatchSymbol *spare = c.patch.symbol(spareSlotName);
    if (!definition || !definition->section || !spare)
      return makeError(image.path + ": " + i.definition->name +
                       " is missing from the link");
    uint64_t before = interposed.size();
    auto visit = [&](ArrayRef<Rela> table) {
      for (const Rela &r : table) {
        if (r.getSymbol(false) != i.dynamic)
          continue;
        Rela changed = r;
        uint32_t type = r.getType(false);
        if (type == R_X86_64_JUMP_SLOT) {
          changed.r_offset = spare->value;
          Rela slot = r;
          slot.setSymbolAndType(0, R_X86_64_RELATIVE, false);
          slot.r_addend = definition->value;
          added.push_back(slot);
        } else if (type == R_X86_64_GLOB_DAT || type == R_X86_64_64) {
          changed.setSymbolAndType(0, R_X86_64_RELATIVE, false);
          changed.r_addend =
              definition->value + (type == R_X86_64_64 ? r.r_addend : 0);
        } else {
          continue;
        }
        interposed[&r] = changed;
      }
    };
    visit(image.relocations());
    visit(image.pltRelocations());
    if (interposed.size() == before)
      return makeError(image.path + ": " + i.definition->name +
                       " is imported, but no relocation of the app refers to "
                       "it: its calls can't be led to the patch");
  }
  return Error::success();
}

/// The old template's words are relocated in the new one as well.
void DynamicMerger::moveTlsRelocations() {
  const Phdr *old = image.segmentOfType(PT_TLS);
  const PatchSection *s = c.patch.section(".relink.tdata");
  if (!old || !s || !old->p_filesz)
    return;
  uint64_t to = s->address + tlsShift(c);
  uint64_t from = old->p_vaddr, end = from + old->p_filesz;
  std::map<uint64_t, Rela> seen;
  for (const Rela &r : image.relocations())
    if (r.r_offset >= from && r.r_offset < end)
      seen[r.r_offset] = r;
  for (auto [at, value] : readPointers(image, from, end)) {
    if (!image.isPositionIndependent() || seen.count(at))
      continue;
    Rela r; // came from RELR
    r.r_offset = at;
    r.r_addend = value;
    r.setSymbolAndType(0, R_X86_64_RELATIVE, false);
    seen[at] = r;
  }
  for (auto &[at, r] : seen) {
    Rela moved = r;
    moved.r_offset = to + (at - from);
    if (!out.dynamicIndex.empty())
      moved.setSymbolAndType(out.dynamicIndex[r.getSymbol(false)],
                             r.getType(false), false);
    added.push_back(moved);
  }
}

void DynamicMerger::writeRelocations() {
  bool renumbered = false;
  for (size_t i = 0; i < out.dynamicIndex.size(); ++i)
    renumbered |= i < image.dynamicSymbols().size() && out.dynamicIndex[i] != i;
  uint64_t shift = tlsShift(c);
  auto rewrite = [&](ArrayRef<Rela> table) {
    std::vector<Rela> copy(table.size());
    // Addends may have been edited: slots of virtual tables.
    uint64_t at =
        reinterpret_cast<const uint8_t *>(table.data()) - image.bytes().data();
    std::vector<uint8_t> edited =
        table.empty() ? std::vector<uint8_t>()
                      : out.takeEdited(image, at, table.size() * sizeof(Rela));
    std::copy(edited.begin(), edited.end(),
              reinterpret_cast<uint8_t *>(copy.data()));
    for (const Rela &old : table)
      if (auto it = interposed.find(&old); it != interposed.end())
        copy[&old - table.begin()] = it->second;
    for (Rela &r : copy) {
      unsigned index = r.getSymbol(false), type = r.getType(false);
      if (index && renumbered)
        r.setSymbolAndType(out.dynamicIndex[index], type, false);
      // Offsets in the app's own block, whose front has grown.
      if (!index && (type == R_X86_64_TPOFF64 || type == R_X86_64_DTPOFF64))
        r.r_addend = r.r_addend + shift;
    }
    return copy;
  };
  if (renumbered || shift || !interposed.empty())
    for (auto [address, table] :
         {std::pair(d.jmprel, image.pltRelocations()),
          std::pair(added.empty() ? d.rela : 0, image.relocations())}) {
      if (!address || table.empty())
        continue;
      std::vector<Rela> copy = rewrite(table);
      ArrayRef<uint8_t> bytes = rawBytes(copy);
      if (bytes != image.bytesAt(address, bytes.size()))
        out.edit(*image.fileOffset(address), bytes,
                 "dynamic relocations");
    }
  if (added.empty() || (spare && spare->setRelocations(added)))
    return;
  std::vector<Rela> all = rewrite(image.relocations());
  // RELATIVE ones need not stand in front: DT_RELACOUNT counts only those that
  // do, and the loader takes the rest one by one.
  append_range(all, added);
  // In a static PIE .rela.dyn may include the PLT's relocations by extent.
  place(".rela.dyn", SHT_RELA, SHF_ALLOC, d.rela, rawBytes(all), 8, DT_RELA,
        sizeof(Rela));
  out.setDynamic(DT_RELASZ, all.size() * sizeof(Rela));
  if (!d.has(DT_RELAENT))
    out.setDynamic(DT_RELAENT, sizeof(Rela));
}

Error DynamicMerger::run() {
  if (!d.address) {
    return collectRelocations();
  }
  if (Error e = collectSymbols())
    return e;
  if (Error e = writeSymbols())
    return e;
  for (const std::string &library : c.plan.newDependencies)
    out.setDynamic(DT_NEEDED, addString(library));
  if (Error e = collectRelocations())
    return e;
  if (Error e = interposeSlots())
    return e;
  writeRelocations();
  if (newStrings.empty())
    return Error::success();
  std::vector<uint8_t> strings =
      out.takeEdited(image, *image.fileOffset(d.strtab), d.strsz);
  strings.insert(strings.end(), newStrings.begin(), newStrings.end());
  place(".dynstr", SHT_STRTAB, SHF_ALLOC, d.strtab, strings, 1, DT_STRTAB);
  out.setDynamic(DT_STRSZ, strings.size());
  return Error::success();
}

} // namespace

Error mergeDynamicTables(const SpliceContext &c, Output &out) {
  return DynamicMerger(c, out).run();
}

Error writeDynamicSection(const SpliceContext &c, Output &out) {
  if (!out.dynamicChanged)
    return Error::success();
  const Image &image = c.image;
  const DynamicTables &d = image.dynamic;
  std::vector<Dyn> entries;
  for (auto [tag, value] : out.dynamic) {
    Dyn e;
    e.d_tag = tag;
    e.d_un.d_val = value;
    entries.push_back(e);
  }
  uint64_t had = d.entries.size() + 1 + d.spareEntries;
  Dyn null;
  null.d_tag = DT_NULL;
  null.d_un.d_val = 0;
  entries.push_back(null);
  if (entries.size() <= had) {
    entries.resize(std::max<size_t>(entries.size(), d.entries.size() + 1), null);
    out.edit(d.offset, rawBytes(entries), "dynamic section");
    return Error::success();
  }
  const PatchSection *room = c.patch.section(".relink.dynamic");
  if (!room || room->size < entries.size() * sizeof(Dyn))
    return makeError(image.path + ": its dynamic section has no room for " +
                     Twine(entries.size() - had) + " more entries");
  if (image.kind == ImageKind::StaticPie)
    return makeError(image.path + ": its dynamic section is full, and a static "
                     "PIE's code refers to it where it is");
  ArrayRef<uint8_t> bytes = rawBytes(entries);
  uint64_t at;
  if (out.space) {
    uint64_t offset = *image.fileOffset(room->address);
    out.edit(offset, bytes, "dynamic section");
    at = offset - out.tailOffset;
  } else {
    at = *tailOffsetOf(out, c.patch, room->address);
    std::copy(bytes.begin(), bytes.end(), out.tail.begin() + at);
  }
  out.dynamicAddress = room->address;
  for (Phdr &p : out.segments)
    if (p.p_type == PT_DYNAMIC)
      p = makeSegment(PT_DYNAMIC, p.p_flags, room->address, out.tailOffset + at,
                      room->size, room->size, p.p_align);
  if (OutputSection *s = out.sectionAt(d.address, SHT_DYNAMIC)) {
    s->header.sh_addr = room->address;
    s->header.sh_offset = out.tailOffset + at;
    s->header.sh_size = room->size;
  }
  return Error::success();
}

} // namespace relink
