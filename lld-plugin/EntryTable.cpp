//===- EntryTable.cpp - A smaller table of hot-patch entries --------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EntryTable.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELF.h"
#include <optional>
#include <map>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

using ELFT = object::ELF64LE;
using Shdr = ELFT::Shdr;
using Rela = ELFT::Rela;

/// Where two nops of one byte follow the entry of a function whose nops start at
/// \p start of \p code; nothing if that is not what is there.
static std::optional<uint64_t> findNopPair(ArrayRef<uint8_t> code,
                                           uint64_t start, uint64_t entry) {
  constexpr uint8_t nop = 0x90, landingPad[] = {0xf3, 0x0f, 0x1e, 0xfa};
  constexpr uint64_t longest = 64;
  if (entry > code.size() || entry - start > longest ||
      !llvm::all_of(code.slice(start, entry - start),
                    [](uint8_t b) { return b == nop; }))
    return std::nullopt;
  if (code.drop_front(entry).take_front(4).equals(landingPad))
    entry += sizeof(landingPad);
  ArrayRef<uint8_t> pair = code.drop_front(entry).take_front(2);
  if (pair.size() < 2 || pair[0] != nop || pair[1] != nop)
    return std::nullopt;
  return entry;
}

/// Where in \p names, .shstrtab, the table's name can lie: at the end of that of the
/// compiler's, if it is there once (assemblers let the name of its relocations end
/// with it) and no other section's name lies in it.
static std::optional<uint32_t> findRoom(ArrayRef<Shdr> headers, StringRef names) {
  size_t at = names.find(compilersTableName);
  StringRef rest = names.drop_front(std::min(at, names.size()));
  if (!rest.consume_front({compilersTableName, sizeof(compilersTableName)}) ||
      rest.contains(compilersTableName))
    return std::nullopt;
  size_t end = at + sizeof(compilersTableName);
  for (const Shdr &h : headers)
    if (h.sh_name > at && h.sh_name < end)
      return std::nullopt;
  return end - sizeof(entryTableName);
}

EntryTable EntryTable::plan(StringRef bytes, bool forLibrary) {
  EntryTable out;
  if (object::getElfArchType(bytes) !=
      std::make_pair<unsigned char, unsigned char>(ELFCLASS64, ELFDATA2LSB))
    return out;
  auto file = object::ELFFile<ELFT>::create(bytes);
  if (!file) {
    consumeError(file.takeError());
    return out;
  }
  uint16_t machine = file->getHeader().e_machine;
  if (file->getHeader().e_type != ET_REL ||
      (machine != EM_X86_64 && machine != EM_AARCH64))
    return out;
  uint32_t was = machine == EM_AARCH64 ? uint32_t(R_AARCH64_ABS64)
                                       : uint32_t(R_X86_64_64);
  out.type = machine == EM_AARCH64 ? uint32_t(R_AARCH64_PREL32)
                                   : uint32_t(R_X86_64_PC32);
  auto headers = file->sections();
  uint32_t namesIndex = file->getHeader().e_shstrndx;
  if (!headers || namesIndex >= headers->size()) {
    consumeError(headers.takeError());
    return out;
  }
  // Most objects have none, and many sections.
  auto allNames = file->getSectionContents((*headers)[namesIndex]);
  if (!allNames || !toStringRef(*allNames).contains(compilersTableName)) {
    consumeError(allNames.takeError());
    return out;
  }
  auto at = [&](const auto &v) {
    return uint64_t(reinterpret_cast<const char *>(&v) - bytes.data());
  };
  // By section and entry: a symbol, one that other objects know if there is one.
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> functions;
  std::vector<const Shdr *> relocationsOf(headers->size());
  for (const Shdr &h : *headers)
    if (h.sh_type == SHT_RELA && h.sh_info < headers->size())
      relocationsOf[h.sh_info] = &h;
  for (size_t i = 0; i < headers->size(); ++i) {
    const Shdr &h = (*headers)[i];
    auto name = file->getSectionName(h);
    if (!name) {
      consumeError(name.takeError());
      return {};
    }
    if (*name != compilersTableName)
      continue;
    auto contents = file->getSectionContents(h);
    if (!contents || h.sh_type != SHT_PROGBITS || !relocationsOf[i]) {
      consumeError(contents.takeError());
      return {};
    }
    auto relocations = file->relas(*relocationsOf[i]);
    if (!relocations || relocations->size() * 8 != contents->size()) {
      consumeError(relocations.takeError());
      return {};
    }
    if (relocationsOf[i]->sh_link >= headers->size())
      return {};
    auto symbols = file->symbols(&(*headers)[relocationsOf[i]->sh_link]);
    if (!symbols) {
      consumeError(symbols.takeError());
      return {};
    }
    if (functions.empty())
      for (const ELFT::Sym &s : *symbols)
        if (s.getType() == STT_FUNC && s.st_shndx < headers->size()) {
          uint32_t &known = functions[{s.st_shndx, s.st_value}];
          if (!known || s.getBinding() != STB_LOCAL)
            known = &s - symbols->begin();
        }
    // Members of a group go if another object's copy is linked.
    auto mayGo = [&](uint32_t section) {
      return section < headers->size() &&
             ((*headers)[section].sh_flags & SHF_GROUP);
    };
    Table table{at(h), h.sh_offset, relocations->size(),
                relocationsOf[i]->sh_offset, h.sh_link, {}};
    bool isLoose = !(h.sh_flags & SHF_GROUP);
    if (isLoose && mayGo(table.link))
      table.link = 0;
    for (size_t n = 0; n < relocations->size(); ++n) {
      const Rela &r = (*relocations)[n];
      // An entry far outside of the object is out of reach for 4 bytes.
      if (r.r_offset != n * 8 || r.getType(false) != was ||
          uint64_t(r.r_addend) > bytes.size() ||
          r.getSymbol(false) >= symbols->size() ||
          (*symbols)[r.getSymbol(false)].st_value > bytes.size())
        return {};
      const ELFT::Sym &s = (*symbols)[r.getSymbol(false)];
      uint64_t start = s.st_value + r.r_addend;
      if (isLoose && !table.link && !mayGo(s.st_shndx))
        table.link = s.st_shndx;
      auto next = functions.lower_bound({s.st_shndx, start});
      if (next == functions.end() || next->first.first != s.st_shndx)
        continue;
      const auto &[entry, symbol] = *next;
      constexpr uint64_t longest = 64; // nops in front of an entry
      if (isLoose && mayGo(s.st_shndx) && entry.second - start <= longest &&
          (*symbols)[symbol].getBinding() != STB_LOCAL) {
        bool isOpen = forLibrary && (*symbols)[symbol].getVisibility() == STV_DEFAULT;
        table.named.push_back({n, isOpen ? 0 : symbol,
                               isOpen ? 0 : int64_t(start - entry.second)});
      }
      if (machine != EM_X86_64)
        continue;
      const Shdr &home = (*headers)[s.st_shndx];
      auto code = file->getSectionContents(home);
      if (!code)
        consumeError(code.takeError());
      else if (home.sh_type == SHT_PROGBITS)
        if (auto pair = findNopPair(*code, start, entry.second))
          out.nopPairs.push_back(home.sh_offset + *pair);
    }
    out.tables.push_back(std::move(table));
  }
  if (!out)
    return out;
  auto names = file->getSectionContents((*headers)[namesIndex]);
  if (!names) {
    consumeError(names.takeError());
    return {};
  }
  out.names = toStringRef(*names).str();
  out.name = out.names.size();
  out.names += StringRef(entryTableName, sizeof(entryTableName));
  out.namesHeader = at((*headers)[namesIndex]);
  if (auto room = findRoom(*headers, toStringRef(*names))) {
    out.nameThere = *room;
    out.nameInPlace = (*headers)[namesIndex].sh_offset + *room;
  }
  return out;
}

void EntryTable::write(char *copy, uint64_t end) const {
  memcpy(copy + end, names.data(), names.size());
  auto *namesSection = reinterpret_cast<Shdr *>(copy + namesHeader);
  namesSection->sh_offset = end;
  namesSection->sh_size = names.size();
  writeTables(copy, name);
}

void EntryTable::edit(char *copy) const {
  if (tables.empty())
    return;
  memcpy(copy + *nameInPlace, entryTableName, sizeof(entryTableName));
  writeTables(copy, nameThere);
}

void EntryTable::writeTables(char *copy, uint32_t newName) const {
  for (uint64_t offset : nopPairs)
    copy[offset] = 0x66; // and the other is 0x90: xchg %ax, %ax
  for (const Table &t : tables) {
    auto *h = reinterpret_cast<Shdr *>(copy + t.header);
    h->sh_name = newName;
    h->sh_flags = h->sh_flags & ~uint64_t(SHF_WRITE);
    if (h->sh_flags & SHF_LINK_ORDER) {
      h->sh_link = t.link;
      if (!t.link)
        h->sh_flags = h->sh_flags & ~uint64_t(SHF_LINK_ORDER);
    }
    h->sh_size = t.count * 4;
    h->sh_addralign = 4;
    h->sh_entsize = 0;
    memset(copy + t.offset, 0, t.count * 4);
    auto *relocations = reinterpret_cast<Rela *>(copy + t.relocations);
    for (uint64_t i = 0; i < t.count; ++i) {
      relocations[i].r_offset = i * 4;
      relocations[i].setSymbolAndType(relocations[i].getSymbol(false), type,
                                      false);
    }
    for (const Table::Named &n : t.named) {
      relocations[n.index].setSymbolAndType(n.symbol, n.symbol ? type : 0, false);
      relocations[n.index].r_addend = n.addend;
    }
  }
}

} // namespace relink
