//===- DelinkMeanings.cpp - What the app's slots mean, and the object's ---===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes of a field that goes through a slot of the GOT, a PLT entry or a
// copied variable say where that is, not what it holds. So the slot's address is
// computed from the app's field and the object's addend, and what the loader
// puts there, by the app's tables read anew, is held against the object's
// symbol. And what looks like a table of jumps must be accounted for.
//
//===----------------------------------------------------------------------===//

#include "AddressMap.h"
#include "DelinkBuilder.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

class MeaningCheck {
public:
  MeaningCheck(Program &program, DelinkReport &report)
      : program(program), image(program.image), report(report) {}
  Error run(const DelinkConfig &config);

private:
  void readTables();
  void check(const PlacedRelocation &p);
  void checkWord(const PlacedRelocation &p);
  void checkSlot(const PlacedRelocation &p, uint64_t slot);
  void checkThreadSlot(const PlacedRelocation &p, uint64_t slot);
  void checkImport(const PlacedRelocation &p, uint64_t target);
  void checkWords();
  void checkTables();
  bool leadsTo(const Piece &function, uint64_t target);

  bool isNamed(const ObjectSymbol &symbol, unsigned index) const;
  bool isBrought(const ObjectSymbol &symbol, uint64_t address) const;
  std::optional<uint64_t> addressOf(const ObjectSymbol &symbol) const;
  void differ(uint64_t place, const Twine &what);

  Program &program;
  const Image &image;
  DelinkReport &report;
  std::unique_ptr<Object> object;
  std::vector<PlacedRelocation> placed;
  AddressMap<Rela> words; ///< the app's dynamic relocations, by place
  DenseMap<const ObjectSection *, uint64_t> addresses;
  AddressMap<std::vector<uint64_t>> starts; ///< instructions, by piece
};

void MeaningCheck::differ(uint64_t place, const Twine &what) {
  if (report.differences.size() < 100)
    report.differences.push_back((program.describe(place) + ": " + what).str());
}

void MeaningCheck::readTables() {
  for (ArrayRef<Rela> table : loaderRelocations(image))
    for (const Rela &r : table)
      words.try_emplace(r.r_offset, r);
  for (auto *list : {&program.pieces, &program.tlsPieces})
    for (const Piece &p : *list)
      if (p.output)
        addresses.try_emplace(p.output, p.origin());
}

/// Names in the object may have the version that a link today would not choose.
bool MeaningCheck::isNamed(const ObjectSymbol &symbol, unsigned index) const {
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  if (index >= dynamic.size())
    return false;
  auto [name, version] = StringRef(symbol.name).split('@');
  return name == image.dynamicName(dynamic[index]) &&
         (version.empty() || version.ltrim('@') == image.dynamicVersion(index));
}

/// Whether the linker or the start-up objects define \p symbol, and did so there.
bool MeaningCheck::isBrought(const ObjectSymbol &symbol, uint64_t address) const {
  bool named = false;
  for (const ProgramSymbol &s : program.symbols) {
    if (s.name == symbol.name && s.address == address)
      return true;
    named |= s.name == symbol.name;
  }
  StringRef section = symbol.name;
  bool isStart = section.consume_front("__start_");
  if (!named && (isStart || section.consume_front("__stop_")))
    return llvm::any_of(image.sections, [&](const Section &s) {
      return s.name == section && address == s.address + (isStart ? 0 : s.size);
    });
  return !named && (program.bringsSymbol(symbol.name) ||
                    program.bringsFunction(symbol.name));
}

/// In the app; of a thread-local symbol that in the initial image.
std::optional<uint64_t>
MeaningCheck::addressOf(const ObjectSymbol &symbol) const {
  if (symbol.kind == ObjectSymbol::Kind::Absolute)
    return symbol.value;
  if (symbol.kind != ObjectSymbol::Kind::Defined)
    return std::nullopt;
  auto it = addresses.find(symbol.section);
  if (it == addresses.end())
    return std::nullopt;
  return it->second + symbol.value;
}

/// A word that the loader fills.
void MeaningCheck::checkWord(const PlacedRelocation &p) {
  auto it = words.find(p.place);
  if (it == words.end())
    return; // packed, or known at link time: the bytes are compared
  const Rela &r = it->second;
  const ObjectRelocation &o = p.relocation;
  std::optional<uint64_t> address = addressOf(*o.symbol);
  bool same = false;
  switch (r.getType(false)) {
  case R_X86_64_RELATIVE:
    same = address ? *address + o.addend == uint64_t(r.r_addend)
                   : !o.symbol->isDefined(); // start-up code's, by its name
    // The address of an IFUNC is that of its PLT entry.
    if (auto stub = program.stubs.find(r.r_addend); stub != program.stubs.end())
      same = address == stub->second.target && !o.addend;
    break;
  case R_X86_64_IRELATIVE:
    same = o.symbol->type == STT_GNU_IFUNC && !o.addend &&
           address == uint64_t(r.r_addend);
    break;
  case R_X86_64_64:
    same = isNamed(*o.symbol, r.getSymbol(false)) && o.addend == r.r_addend;
    break;
  case R_X86_64_GLOB_DAT:
    same = isNamed(*o.symbol, r.getSymbol(false)) && !o.addend;
  }
  if (!same)
    differ(p.place, "the loader's word does not mean " + o.symbol->name);
}

void MeaningCheck::checkThreadSlot(const PlacedRelocation &p, uint64_t slot) {
  const ObjectRelocation &o = p.relocation;
  uint32_t type = o.type == R_X86_64_GOTTPOFF          ? R_X86_64_TPOFF64
                  : o.type == R_X86_64_GOTPC32_TLSDESC ? R_X86_64_TLSDESC
                                                       : R_X86_64_DTPMOD64;
  bool pair = type == R_X86_64_DTPMOD64;
  if (ArrayRef<uint8_t> word = image.bytesAt(slot, 8);
      !pair && !words.contains(slot) && !word.empty()) { // known at link time
    std::optional<uint64_t> address = addressOf(*o.symbol);
    const Phdr *tls = image.segmentOfType(PT_TLS);
    if (!o.symbol->isDefined() && o.symbol->isWeak())
      return; // what it holds is not read
    if (!address || !tls ||
        *address - tls->p_vaddr - program.threadSize() != read64le(word.data()))
      differ(p.place, "the slot at " + hex(slot) + " is not that of " +
                          o.symbol->name + " for the thread");
    return;
  }
  auto first = words.find(slot), second = words.find(slot + 8);
  bool same = first != words.end() && first->second.getType(false) == type;
  if (same && o.type != R_X86_64_TLSLD) {
    const Rela &r = pair && second != words.end() ? second->second : first->second;
    const Phdr *tls = image.segmentOfType(PT_TLS);
    std::optional<uint64_t> address = addressOf(*o.symbol);
    uint64_t offset = r.r_addend;
    if (pair && second == words.end()) {
      ArrayRef<uint8_t> word = image.bytesAt(slot + 8, 8);
      offset = word.empty() ? 0 : read64le(word.data());
    }
    same = r.getSymbol(false)
               ? isNamed(*o.symbol, r.getSymbol(false))
               : address && tls && *address - tls->p_vaddr == offset;
  }
  if (!same)
    differ(p.place, "the slot at " + hex(slot) + " is not that of " +
                        o.symbol->name + " for the thread");
}

void MeaningCheck::checkSlot(const PlacedRelocation &p, uint64_t slot) {
  const ObjectRelocation &o = p.relocation;
  std::optional<uint64_t> address = addressOf(*o.symbol);
  auto it = words.find(slot);
  bool same = false;
  if (it == words.end()) { // packed, or known at link time
    ArrayRef<uint8_t> word = image.bytesAt(slot, 8);
    uint64_t value = word.empty() ? 0 : read64le(word.data());
    // A canonical PLT entry stands for what it calls.
    if (auto stub = program.stubs.find(value); stub != program.stubs.end())
      same = stub->second.import ? isNamed(*o.symbol, stub->second.import)
                                 : address == stub->second.target;
    else
      same = address                ? value == *address
             : o.symbol->isWeak() ? !value
                                  : isBrought(*o.symbol, value);
  } else {
    const Rela &r = it->second;
    auto stub = r.getSymbol(false) ? program.stubs.end()
                                   : program.stubs.find(r.r_addend);
    same = r.getSymbol(false)     ? isNamed(*o.symbol, r.getSymbol(false))
           : stub != program.stubs.end() && !stub->second.import
               ? address == stub->second.target // of an IFUNC
           : o.symbol->isDefined() ? address == uint64_t(r.r_addend)
                                   : isBrought(*o.symbol, r.r_addend);
    if (r.getType(false) == R_X86_64_IRELATIVE)
      same &= o.symbol->type == STT_GNU_IFUNC;
  }
  if (!same)
    differ(p.place, "the slot at " + hex(slot) + " does not hold " +
                        o.symbol->name);
}

/// A direct reference to something that the object does not define, or to an
/// IFUNC: a PLT entry, or a variable that was copied.
void MeaningCheck::checkImport(const PlacedRelocation &p, uint64_t target) {
  const ObjectSymbol &symbol = *p.relocation.symbol;
  if (symbol.isWeak() && !target)
    return;
  for (const Program::Copy &c : program.copies)
    if (target == c.address && isNamed(symbol, c.symbol))
      return;
  std::optional<uint64_t> slot;
  if (const Section *s = image.sectionAt(target); s && isPltName(s->name))
    if (auto entry = program.target.decodePltEntry(
            image.bytesAt(target, s->address + s->size - target), target))
      slot = entry->first;
  if (slot && !words.contains(*slot) && symbol.isWeak())
    return; // nothing defines it, and no loader does
  if (slot)
    return checkSlot(p, *slot);
  if (isBrought(symbol, target))
    return;
  differ(p.place, "what is at " + hex(target) + " is not " + symbol.name);
}

void MeaningCheck::check(const PlacedRelocation &p) {
  const ObjectRelocation &o = p.relocation;
  if (o.type == R_X86_64_64)
    return checkWord(p);
  ArrayRef<uint8_t> bytes = image.bytesAt(p.place, 4);
  if (bytes.empty())
    return;
  int64_t field = int32_t(read32le(bytes.data()));
  if (o.type == R_X86_64_32)
    field = uint32_t(field);
  uint64_t target = field - o.addend; // for S + A
  if (isGotType(o.type) || o.type == R_X86_64_PC32 || o.type == R_X86_64_PLT32)
    target += p.place;
  if (o.type == R_X86_64_GOTTPOFF || o.type == R_X86_64_TLSGD ||
      o.type == R_X86_64_TLSLD || o.type == R_X86_64_GOTPC32_TLSDESC)
    return checkThreadSlot(p, target);
  if (isGotType(o.type))
    return checkSlot(p, target);
  // The bytes prove the others.
  if (!o.symbol->isDefined() || o.symbol->type == STT_GNU_IFUNC)
    checkImport(p, target);
}

/// Each word of the app's own data that the loader fills has a relocation.
void MeaningCheck::checkWords() {
  AddressMap<bool> known;
  for (const PlacedRelocation &p : placed)
    known[p.place] = true;
  for (const auto &[place, r] : words) {
    Piece *piece = program.pieceAt(place);
    const Section *section = image.sectionAt(place);
    if (r.getType(false) == R_X86_64_COPY || !piece || !piece->output ||
        isPointerArray(*piece->section) || known.contains(place) ||
        (section && program.bringsSection(*section)))
      continue;
    differ(place, "the loader fills this word, the object does not");
  }
}

/// Whether \p target is an instruction of \p function.
bool MeaningCheck::leadsTo(const Piece &function, uint64_t target) {
  if (target - function.address >= function.size)
    return false;
  auto [it, fresh] = starts.try_emplace(function.address);
  if (fresh)
    it->second = instructionsOf(program, function);
  return llvm::binary_search(it->second, target);
}

/// Two words at what a function refers to that lead to its instructions, seen
/// from there, are a table of jumps, whatever the function does with it.
void MeaningCheck::checkTables() {
  for (const Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.type != R_X86_64_PC32 ||
        r.evidence != Evidence::Instruction || r.target % 4)
      continue;
    const Piece *function = program.pieceAt(r.place);
    const Piece *data = program.pieceAt(r.target);
    if (!function || !data || data->isCode() ||
        (data->section->flags & SHF_WRITE))
      continue;
    auto known = llvm::partition_point(
        program.references,
        [&](const Reference &o) { return o.place < r.target; });
    if (known != program.references.end() && known->place < r.target + 8)
      continue;
    ArrayRef<uint8_t> two = image.bytesAt(r.target, 8);
    if (!two.empty() &&
        leadsTo(*function, r.target + int64_t(int32_t(read32le(&two[0])))) &&
        leadsTo(*function, r.target + int64_t(int32_t(read32le(&two[4])))))
      differ(r.target, "a table of jumps of " + program.describe(r.place) +
                           " that nothing accounts for");
  }
}

Error MeaningCheck::run(const DelinkConfig &config) {
  auto built = buildObject(program, config, nullptr, &placed);
  if (!built)
    return built.takeError();
  object = std::move(*built);
  readTables();
  for (const PlacedRelocation &p : placed)
    check(p);
  report.checkedMeanings = placed.size();
  checkWords();
  checkTables();
  return Error::success();
}

} // namespace

Error checkMeanings(Program &program, const DelinkConfig &config,
                    DelinkReport &report) {
  return MeaningCheck(program, report).run(config);
}

} // namespace relink
