//===- ObjectReader.cpp - ET_REL file to Object ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Image.h"
#include "Object.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/Decompressor.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

ObjectSection &Object::addSection(StringRef name, uint32_t type,
                                  uint64_t flags) {
  ObjectSection &s = sections.emplace_back();
  s.name = name.str();
  s.type = type;
  s.flags = flags;
  return s;
}

ObjectSymbol &Object::addSymbol(StringRef name) {
  ObjectSymbol &s = symbols.emplace_back();
  s.name = name.str();
  return s;
}

ObjectSymbol &Object::sectionSymbol(ObjectSection &section) {
  if (!section.symbol) {
    ObjectSymbol &s = addSymbol("");
    s.kind = ObjectSymbol::Kind::Defined;
    s.type = STT_SECTION;
    s.binding = STB_LOCAL;
    s.section = &section;
    section.symbol = &s;
  }
  return *section.symbol;
}

namespace {

/// Of a mergeable section, in bytes; compilers make 32 at most.
constexpr uint64_t mostEntry = 4096;

class Reader {
public:
  Reader(MemoryBufferRef buffer, std::vector<std::string> &takenGroups,
         uint64_t mostDebugInfo)
      : buffer(buffer), takenGroups(takenGroups),
        mostDebugInfo(mostDebugInfo) {}
  Expected<std::unique_ptr<Object>> read();

private:
  bool decompress(const object::ELFFile<ELFT> &file, const Shdr &s, ObjectSection &out);
  Error readSections(const object::ELFFile<ELFT> &file);
  Error readSymbols(const object::ELFFile<ELFT> &file);
  Error readGroups(const object::ELFFile<ELFT> &file);
  Error readRelocations(const object::ELFFile<ELFT> &file);
  void readProperty(ArrayRef<uint8_t> note);
  void readBuildId(ArrayRef<uint8_t> note);
  Error error(const Twine &message) const {
    return makeError(buffer.getBufferIdentifier() + ": " + message);
  }
  Error wrap(Error e) const { return error(toString(std::move(e))); }

  MemoryBufferRef buffer;
  std::vector<std::string> &takenGroups;
  uint64_t mostDebugInfo;
  bool skipsDebugInfo = false;
  uint64_t unpacked = 0; ///< bytes of compressed sections
  std::unique_ptr<Object> object = std::make_unique<Object>();
  ArrayRef<Shdr> headers;
  std::vector<ObjectSection *> sections; ///< by section index
  std::vector<bool> discarded;           ///< by section index
  std::vector<uint32_t> groups;          ///< of COMDATs, from 1, by section index
  uint32_t groupCount = 0;
  std::vector<ObjectSymbol *> symbols;   ///< by symbol index
};

Expected<std::unique_ptr<Object>> Reader::read() {
  StringRef data = buffer.getBuffer();
  object->name = buffer.getBufferIdentifier().str();
  if (!data.starts_with(ElfMagic))
    return error("not an object file, archive or LLVM bitcode");
  if (data.size() < sizeof(Ehdr))
    return error("truncated: the file ends inside the ELF header");
  if (data[EI_CLASS] != ELFCLASS64 || data[EI_DATA] != ELFDATA2LSB)
    return error("not a 64-bit little-endian object");
  auto *header = reinterpret_cast<const Ehdr *>(data.data());
  if (header->e_machine != EM_X86_64)
    return error("machine type " + Twine(unsigned(header->e_machine)) +
                 " is not the app's, x86-64 (62)");
  if (header->e_type != ET_REL)
    return error("is a finished program or library, expected a relocatable "
                 "object\n>>> usage: relink APP PATCH.o... -o OUT; compile the "
                 "fixed source with -c");
  auto file = object::ELFFile<ELFT>::create(data);
  if (!file)
    return wrap(file.takeError());
  auto shdrs = file->sections();
  if (!shdrs)
    return wrap(shdrs.takeError());
  headers = *shdrs;
  discarded.resize(headers.size());
  groups.resize(headers.size());
  if (Error e = readGroups(*file))
    return e;
  if (Error e = readSections(*file))
    return e;
  if (Error e = readSymbols(*file))
    return e;
  if (Error e = readRelocations(*file))
    return e;
  return std::move(object);
}

/// A group is one COMDAT: the first object that has its signature gives it.
Error Reader::readGroups(const object::ELFFile<ELFT> &file) {
  for (const Shdr &s : headers) {
    if (s.sh_type != SHT_GROUP)
      continue;
    auto words = file.getSectionContentsAsArray<ELFT::Word>(s);
    if (!words)
      return wrap(words.takeError());
    auto symtab = file.getSection(s.sh_link);
    if (!symtab)
      return wrap(symtab.takeError());
    auto signature = file.getSymbol(*symtab, s.sh_info);
    if (!signature)
      return wrap(signature.takeError());
    auto strings = file.getStringTableForSymtab(**symtab);
    if (!strings)
      return wrap(strings.takeError());
    auto name = (*signature)->getName(*strings);
    if (!name)
      return wrap(name.takeError());
    if (words->empty() || !((*words)[0] & GRP_COMDAT))
      continue;
    bool isTaken = is_contained(takenGroups, *name);
    if (!isTaken)
      takenGroups.push_back(name->str());
    ++groupCount;
    for (uint32_t member : words->drop_front()) {
      if (member >= headers.size())
        continue;
      groups[member] = groupCount;
      if (isTaken)
        discarded[member] = true;
    }
  }
  return Error::success();
}

static bool isCarried(const Shdr &s, StringRef name) {
  switch (s.sh_type) {
  case SHT_NULL:
  case SHT_SYMTAB:
  case SHT_STRTAB:
  case SHT_RELA:
  case SHT_REL:
  case SHT_GROUP:
  case SHT_SYMTAB_SHNDX:
  case SHT_LLVM_ADDRSIG:
  case SHT_LLVM_CALL_GRAPH_PROFILE:
    return false;
  default:
    // Notes say how the object was built; the app's own stay. GNU-stack is
    // the app's choice.
    return s.sh_type != SHT_NOTE && name != ".note.GNU-stack" &&
           name != ".comment" && !name.starts_with(".gnu.lto_") &&
           !(s.sh_flags & SHF_EXCLUDE);
  }
}

/// They are not linked compressed. False if that is more than a compiler would write.
bool Reader::decompress(const object::ELFFile<ELFT> &file, const Shdr &s,
                        ObjectSection &out) {
  // Fields that are relocated are zeros, a section of them packs to next to nothing.
  const uint64_t most = (uint64_t(64) << 20) + 20 * buffer.getBufferSize();
  auto packed = file.getSectionContents(s);
  if (!packed) {
    consumeError(packed.takeError());
    return false;
  }
  auto unpack = object::Decompressor::create(out.name, toStringRef(*packed),
                                             /*IsLE=*/true, /*Is64Bit=*/true);
  if (!unpack || unpack->getDecompressedSize() > most - unpacked) {
    consumeError(unpack.takeError());
    return false;
  }
  unpacked += unpack->getDecompressedSize();
  SmallVector<uint8_t, 0> bytes;
  if (Error e = unpack->resizeAndDecompress(bytes)) {
    consumeError(std::move(e));
    return false;
  }
  out.flags &= ~uint64_t(SHF_COMPRESSED);
  out.size = bytes.size();
  out.data.assign(bytes.begin(), bytes.end());
  return true;
}

Error Reader::readSections(const object::ELFFile<ELFT> &file) {
  sections.resize(headers.size());
  uint64_t debugInfo = 0;
  for (const Shdr &s : headers)
    if (auto name = file.getSectionName(s); !name)
      return wrap(name.takeError());
    else if (!(s.sh_flags & SHF_ALLOC) && name->starts_with(".debug_"))
      debugInfo += s.sh_size;
  skipsDebugInfo = debugInfo > mostDebugInfo;
  for (size_t i = 0; i < headers.size(); ++i) {
    const Shdr &s = headers[i];
    auto name = file.getSectionName(s);
    if (!name)
      return wrap(name.takeError());
    if (s.sh_type == SHT_NOTE && *name == ".note.gnu.build-id") {
      auto note = file.getSectionContents(s);
      if (!note)
        return wrap(note.takeError());
      readBuildId(*note);
    }
    if (s.sh_type == SHT_NOTE && *name == ".note.gnu.property") {
      auto note = file.getSectionContents(s);
      if (!note)
        return wrap(note.takeError());
      readProperty(*note);
    }
    if (discarded[i] || !isCarried(s, *name))
      continue;
    ObjectSection &out = object->addSection(
        *name, s.sh_type,
        s.sh_flags & ~uint64_t(SHF_GROUP | SHF_INFO_LINK | SHF_LINK_ORDER));
    sections[i] = &out;
    out.comdat = groups[i];
    out.align = std::max<uint64_t>(s.sh_addralign, 1);
    if (!isPowerOf2_64(out.align))
      return error("section " + *name + " has alignment " + Twine(out.align));
    out.entrySize = s.sh_entsize;
    if (out.isMergeable() && out.entrySize > mostEntry)
      return error("section " + *name + " has entries of " +
                   Twine(out.entrySize) + " bytes, expected at most " +
                   Twine(mostEntry));
    out.size = s.sh_size;
    if (s.sh_flags & SHF_COMPRESSED) { // debug sections only
      if (skipsDebugInfo || !decompress(file, s, out)) {
        object->sections.pop_back();
        sections[i] = nullptr;
      }
      continue;
    }
    if (out.isNoBits() || (skipsDebugInfo && out.isDebug()))
      continue;
    auto bytes = file.getSectionContents(s);
    if (!bytes)
      return wrap(bytes.takeError());
    out.data.assign(bytes->begin(), bytes->end());
  }
  return Error::success();
}

Error Reader::readSymbols(const object::ELFFile<ELFT> &file) {
  const Shdr *symtab = nullptr;
  ArrayRef<ELFT::Word> extended;
  for (const Shdr &s : headers) {
    if (s.sh_type == SHT_SYMTAB)
      symtab = &s;
    if (s.sh_type == SHT_SYMTAB_SHNDX) {
      auto table = file.getSHNDXTable(s);
      if (!table)
        return wrap(table.takeError());
      extended = *table;
    }
  }
  if (!symtab)
    return error("has no symbol table, so it says no function to replace");
  auto entries = file.symbols(symtab);
  if (!entries)
    return wrap(entries.takeError());
  auto strings = file.getStringTableForSymtab(*symtab);
  if (!strings)
    return wrap(strings.takeError());
  std::string currentFile;
  symbols.resize(entries->size());
  for (size_t i = 1; i < entries->size(); ++i) {
    const Sym &s = (*entries)[i];
    auto name = s.getName(*strings);
    if (!name)
      return wrap(name.takeError());
    if (s.getType() == STT_FILE) {
      currentFile = name->str();
      continue;
    }
    uint32_t index = s.st_shndx;
    if (index == SHN_XINDEX && i < extended.size())
      index = extended[i];
    bool reserved = s.st_shndx >= SHN_LORESERVE && s.st_shndx != SHN_XINDEX;
    if (!reserved && index >= headers.size())
      return error("symbol " + *name + " is in section " + Twine(index) +
                   " of " + Twine(headers.size()));
    ObjectSection *section = reserved ? nullptr : sections[index];
    if (s.getType() == STT_SECTION) {
      if (section) {
        symbols[i] = &object->sectionSymbol(*section);
      }
      continue;
    }
    ObjectSymbol &out = object->addSymbol(*name);
    symbols[i] = &out;
    out.type = s.getType();
    out.binding = s.getBinding();
    out.visibility = s.getVisibility();
    out.size = s.st_size;
    out.value = s.st_value;
    if (out.isLocal())
      out.file = currentFile;
    if (s.st_shndx == SHN_ABS)
      out.kind = ObjectSymbol::Kind::Absolute;
    else if (s.st_shndx == SHN_COMMON)
      out.kind = ObjectSymbol::Kind::Common;
    else if (section) {
      out.kind = ObjectSymbol::Kind::Defined;
      out.section = section;
      if (out.value > section->size || out.size > section->size - out.value)
        return error("symbol " + *name + " lies outside its section " +
                     section->name);
    }
  }
  return Error::success();
}

Error Reader::readRelocations(const object::ELFFile<ELFT> &file) {
  for (const Shdr &s : headers) {
    if (s.sh_type == SHT_REL)
      return error("has SHT_REL relocations, which x86-64 does not use");
    if (s.sh_type != SHT_RELA || s.sh_info >= sections.size() ||
        !sections[s.sh_info])
      continue;
    ObjectSection &section = *sections[s.sh_info];
    if (skipsDebugInfo && section.isDebug())
      continue;
    auto relas = file.relas(s);
    if (!relas)
      return wrap(relas.takeError());
    section.relocations.reserve(relas->size());
    for (const Rela &r : *relas) {
      uint32_t index = r.getSymbol(false);
      if (index >= symbols.size() || r.r_offset >= std::max<uint64_t>(
                                         section.size, 1))
        return error("relocation at " + section.name + "+" + hex(r.r_offset) +
                     " lies outside its section or symbol table");
      section.relocations.push_back(
          {r.r_offset, r.getType(false), symbols[index], r.r_addend});
    }
    // Assemblers write them in order, `ld -r` need not.
    auto isBefore = [](auto &a, auto &b) { return a.offset < b.offset; };
    if (!is_sorted(section.relocations, isBefore))
      stable_sort(section.relocations, isBefore);
  }
  return Error::success();
}

/// Three words, the name "GNU", the id (gABI, "Note Section").
void Reader::readBuildId(ArrayRef<uint8_t> note) {
  using support::endian::read32le;
  constexpr size_t header = 16;
  if (note.size() < header || read32le(&note[0]) != 4 ||
      read32le(&note[8]) != NT_GNU_BUILD_ID ||
      memcmp(&note[12], "GNU", 4) != 0)
    return;
  uint64_t size = read32le(&note[4]);
  if (size <= note.size() - header)
    object->buildId = toHex(note.slice(header, size), /*LowerCase=*/true);
}

void Reader::readProperty(ArrayRef<uint8_t> note) {
  using support::endian::read32le;
  for (size_t at = 16; at + 12 <= note.size();) {
    uint32_t type = read32le(&note[at]), size = read32le(&note[at + 4]);
    if (type == GNU_PROPERTY_X86_FEATURE_1_AND) {
      uint32_t bits = read32le(&note[at + 8]);
      object->ibt = bits & GNU_PROPERTY_X86_FEATURE_1_IBT;
      object->shstk = bits & GNU_PROPERTY_X86_FEATURE_1_SHSTK;
    }
    at += 8 + alignTo(uint64_t(size), 8);
  }
}

} // namespace

Expected<std::unique_ptr<Object>>
readObject(MemoryBufferRef buffer, std::vector<std::string> &takenGroups,
           uint64_t mostDebugInfo) {
  return Reader(buffer, takenGroups, mostDebugInfo).read();
}

} // namespace relink
