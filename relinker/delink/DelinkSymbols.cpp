//===- DelinkSymbols.cpp - The names of a program to delink ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "DebugFile.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "SymbolIndex.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Object/ELF.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

StringRef toString(Evidence evidence) {
  switch (evidence) {
  case Evidence::DynamicRelocation:
    return "dynamic relocation";
  case Evidence::Instruction:
    return "instruction";
  case Evidence::JumpTable:
    return "jump table";
  case Evidence::Unwind:
    return "unwind table";
  case Evidence::ThreadLocal:
    return "thread-local operand";
  case Evidence::Kept:
    return "kept relocation";
  case Evidence::Assumed:
    return "assumed address";
  case Evidence::Map:
    return "map";
  }
  llvm_unreachable("all kinds are named");
}

bool Program::isErased(uint64_t address) const {
  return llvm::any_of(replaced, [&](const auto &r) {
    return r.second.isErased && address - r.first < r.second.size;
  });
}

bool Program::bringsSection(const Section &s) const {
  if (s.type == SHT_RELA || s.type == SHT_RELR || s.type == SHT_DYNSYM ||
      s.type == SHT_DYNAMIC || s.type == SHT_HASH || s.type == SHT_GNU_HASH)
    return true;
  if (isPltName(s.name) || s.name.starts_with(".gnu.version") ||
      s.name.starts_with(".rela.") || s.name.starts_with(".note"))
    return true;
  if (s.name == ".init" || s.name == ".fini" || s.name == ".tm_clone_table")
    return !keepsStartUp;
  return StringSwitch<bool>(s.name)
      .Cases({".interp", ".hash", ".gnu.hash", ".dynsym", ".dynstr"}, true)
      .Cases({".relr.dyn", ".eh_frame_hdr", ".eh_frame"}, true)
      .Cases({".dynamic", ".got", ".got.plt"}, true)
      .Cases({".relro_padding", ".copyrel", ".copyrel.rel.ro"}, true)
      .Default(false);
}

bool isStartUpSymbol(StringRef name) {
  return StringSwitch<bool>(name)
      .Cases({"__TMC_END__", "__dso_handle", "_IO_stdin_used"}, true)
      .Cases({"data_start", "__data_start", "__FRAME_END__"}, true)
      .Cases({"__abi_tag", "__EH_FRAME_BEGIN__", "completed.0"}, true)
      .Cases({"__frame_dummy_init_array_entry",
              "__do_global_dtors_aux_fini_array_entry"},
             true)
      .Default(false);
}

bool Program::bringsSymbol(StringRef name) const {
  if (isStartUpSymbol(name))
    return !keepsStartUp;
  return StringSwitch<bool>(name)
      .Cases({"_end", "_edata", "__bss_start", "_etext", "etext", "edata"}, true)
      .Cases({"end", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_"}, true)
      .Cases({"__GNU_EH_FRAME_HDR", "__ehdr_start", "__executable_start"}, true)
      .Case("_PROCEDURE_LINKAGE_TABLE_", true)
      .Cases({"__init_array_start", "__init_array_end"}, true)
      .Cases({"__fini_array_start", "__fini_array_end"}, true)
      .Cases({"__preinit_array_start", "__preinit_array_end"}, true)
      .Cases({"__rela_iplt_start", "__rela_iplt_end", "_TLS_MODULE_BASE_"}, true)
      .Default(false);
}

bool Program::isStartUpFunction(StringRef name) const {
  // Part of the C library there, not of crt1.o.
  if (name == "_dl_relocate_static_pie")
    return image.kind != ImageKind::StaticPie;
  return StringSwitch<bool>(name)
      .Cases({"_start", "_init", "_fini", "frame_dummy"}, true)
      .Cases({"deregister_tm_clones", "register_tm_clones"}, true)
      .Case("__do_global_dtors_aux", true)
      .Cases({"_start_c", "__libc_csu_init", "__libc_csu_fini"}, true)
      .Default(false);
}

/// The symbols of the full table in \p elf.
static Error readTable(Program &program, StringRef elf, StringRef name) {
  auto file = object::ELFFile<ELFT>::create(elf);
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  for (const Shdr &s : *sections) {
    if (s.sh_type != SHT_SYMTAB)
      continue;
    auto symbols = file->symbols(&s);
    if (!symbols)
      return symbols.takeError();
    auto strings = file->getStringTableForSymtab(s);
    if (!strings)
      return strings.takeError();
    unsigned source = 0;
    bool apart = false; // behind an STT_FILE symbol without a name
    bool filesKnown = false;
    for (const Sym &sym : *symbols) {
      if (sym.getType() == STT_FILE) {
        auto fileName = sym.getName(*strings);
        apart = fileName && fileName->empty();
        filesKnown = false;
        if (fileName && !apart)
          program.sourceFiles.push_back(fileName->str());
        source = fileName && !apart ? program.sourceFiles.size() : 0;
        consumeError(fileName.takeError());
        continue;
      }
      if (sym.st_shndx == SHN_UNDEF || sym.st_shndx >= SHN_LORESERVE ||
          sym.getType() == STT_SECTION)
        continue;
      auto symbolName = sym.getName(*strings);
      if (!symbolName) {
        consumeError(symbolName.takeError());
        return makeError(name + ": a symbol's name lies outside the string table");
      }
      if (symbolName->empty())
        continue;
      program.symbols.push_back({symbolName->str(), sym.st_value, sym.st_size,
                                 sym.getType(), sym.getBinding(),
                                 sym.getVisibility(), sym.st_shndx,
                                 sym.getBinding() == STB_LOCAL ? source : 0});
      filesKnown |= apart && (*symbolName == "_GLOBAL_OFFSET_TABLE_" ||
                              *symbolName == "_DYNAMIC");
    }
    // Other linkers add none for an object that lacks it, whose local symbols
    // then follow that of the object before.
    if (!filesKnown)
      program.sourceFiles.clear();
    for (ProgramSymbol &s : program.symbols)
      s.file = filesKnown ? s.file : 0;
    program.named = true;
  }
  return Error::success();
}

/// Loaders don't look at the index in .dynsym, and GNU strip leaves it as it was when
/// it removes sections in front.
static unsigned sectionOf(const Image &image, const Sym &s) {
  bool isThread = s.getType() == STT_TLS;
  uint64_t value = s.st_value;
  auto fits = [&](const Section &section) {
    return isThread ? bool(section.flags & SHF_TLS)
                    : value >= section.address && value <= section.address + section.size;
  };
  if (s.st_shndx < image.sections.size() && fits(image.sections[s.st_shndx]))
    return s.st_shndx;
  if (isThread) {
    auto it = llvm::find_if(image.sections, fits);
    return it == image.sections.end() ? unsigned(s.st_shndx) : it->index;
  }
  const Section *at = image.sectionAt(value);
  return at ? at->index : unsigned(s.st_shndx);
}

Error readProgramSymbols(Program &program, const DelinkConfig &config) {
  const Image &image = program.image;
  if (Error e = readTable(program, toStringRef(image.bytes()), image.path))
    return e;
  if (!program.named) {
    Config c;
    c.debugFile = config.debugFile;
    c.debugDirs = config.debugDirs;
    auto debug = findDebugFile(image, c);
    if (!debug)
      return debug.takeError();
    if (*debug)
      if (Error e = readTable(program, (*debug)->getBuffer(),
                              (*debug)->getBufferIdentifier()))
        return e;
  }
  if (!program.named && !program.mapSymbols.empty()) {
    program.symbols = std::move(program.mapSymbols);
    program.named = true;
  }
  StringMap<bool> known;
  for (const ProgramSymbol &s : program.symbols)
    known[splitVersion(s.name).first] = true;
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  for (unsigned i = 1; i < dynamic.size(); ++i) {
    const Sym &s = dynamic[i];
    StringRef name = image.dynamicName(s);
    if (s.st_shndx == SHN_UNDEF || s.st_shndx >= SHN_LORESERVE || name.empty() ||
        known.contains(name))
      continue;
    program.symbols.push_back({name.str(), s.st_value, s.st_size, s.getType(),
                               s.getBinding(), s.getVisibility(),
                               sectionOf(image, s), 0});
  }
  llvm::stable_sort(program.symbols, [](const auto &a, const auto &b) {
    return a.address < b.address;
  });
  if (!program.named)
    program.remarks.push_back(
        "no symbol table: functions are those of the unwind tables, their names "
        "are made up");
  return Error::success();
}

Error Program::error(const Twine &message) const {
  return makeError(image.path + ": " + message);
}

std::vector<uint8_t> Program::contents(uint64_t address, uint64_t size) const {
  std::vector<uint8_t> out;
  if (ArrayRef<uint8_t> bytes = image.bytesAt(address, size); !bytes.empty())
    return {bytes.begin(), bytes.end()};
  // Of several segments, or with zeroes behind.
  out.resize(size);
  for (const Section &s : image.sections) {
    uint64_t from = std::max(address, s.address),
             to = std::min(address + size, s.address + s.size);
    if (!s.isAlloc() || s.type == SHT_NOBITS || from >= to)
      continue;
    ArrayRef<uint8_t> bytes = image.bytesAt(from, to - from);
    llvm::copy(bytes, out.begin() + (from - address));
  }
  return out;
}

bool Program::followStub(Reference &r) const {
  auto it = stubs.find(r.target);
  if (it == stubs.end())
    return false;
  r.kind = it->second.kind;
  r.import = it->second.import;
  r.target = it->second.target;
  return true;
}

Piece *Program::pieceAt(uint64_t address) {
  auto it = llvm::upper_bound(pieces, address, [](uint64_t a, const Piece &p) {
    return a < p.address;
  });
  if (it == pieces.begin())
    return nullptr;
  --it;
  return address < it->end() ? &*it : nullptr;
}

bool Program::hasDistances(uint64_t table) const {
  using support::endian::read32le;
  ArrayRef<uint8_t> words = image.bytesAt(table, 8);
  const Piece *own = words.empty() ? nullptr : pieceAt(table);
  if (!own || own->isCode() || (own->section->flags & SHF_WRITE) ||
      table + words.size() > own->address + own->fileSize)
    return false;
  for (size_t at = 0; at < words.size(); at += 4) {
    const Piece *to = pieceAt(table + int64_t(int32_t(read32le(&words[at]))));
    if (!to || to == own || to->isCode())
      return false;
  }
  return true;
}

Piece *Program::pieceEndingAt(uint64_t address) {
  Piece *p = address ? pieceAt(address - 1) : nullptr;
  return p && p->end() == address ? p : nullptr;
}

std::string Program::describe(uint64_t address) const {
  const ProgramSymbol *best = nullptr;
  for (const ProgramSymbol &s : symbols) {
    if (s.address > address)
      break;
    if (s.type != STT_TLS &&
        (address - s.address < std::max<uint64_t>(s.size, 1)))
      best = &s;
  }
  if (!best)
    return hex(address);
  return best->name +
         (address == best->address ? "" : "+" + hex(address - best->address)) +
         " (" + hex(address) + ")";
}

} // namespace relink
