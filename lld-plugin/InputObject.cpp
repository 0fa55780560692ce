//===- InputObject.cpp - What an input's headers say ----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InputObject.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;

namespace relink {
namespace {

using Sizes = std::array<uint64_t, poolKinds>;

MachineOf machineOfModule(StringRef bytes) {
  auto text = getBitcodeTargetTriple(MemoryBufferRef(bytes, ""));
  if (!text) {
    consumeError(text.takeError());
    return {};
  }
  switch (Triple(*text).getArch()) {
  case Triple::x86_64:
    return {EM_X86_64, ELFCLASS64, ELFDATA2LSB};
  case Triple::aarch64:
    return {EM_AARCH64, ELFCLASS64, ELFDATA2LSB};
  default:
    return {0xffff, 0, 0}; // none that gets a reserve
  }
}

std::optional<PoolKind> poolFor(uint32_t type, uint64_t flags, StringRef name) {
  if (!(flags & SHF_ALLOC) || (flags & SHF_TLS) || type == SHT_NOTE ||
      type == SHT_X86_64_UNWIND || name == ".eh_frame")
    return std::nullopt;
  if (flags & SHF_EXECINSTR)
    return PoolKind::Text;
  if (!(flags & SHF_WRITE))
    return PoolKind::ReadOnly;
  if (type == SHT_NOBITS)
    return PoolKind::Bss;
  if (type == SHT_INIT_ARRAY || type == SHT_FINI_ARRAY ||
      type == SHT_PREINIT_ARRAY || name.starts_with(".data.rel.ro"))
    return PoolKind::Relro;
  return PoolKind::Data;
}

template <class ELFT> Sizes totals(StringRef bytes) {
  Sizes out{};
  auto file = object::ELFFile<ELFT>::create(bytes);
  if (!file) {
    consumeError(file.takeError());
    return out;
  }
  auto headers = file->sections();
  if (!headers) {
    consumeError(headers.takeError());
    return out;
  }
  for (const typename ELFT::Shdr &h : *headers) {
    auto name = file->getSectionName(h);
    if (!name) {
      consumeError(name.takeError());
      continue;
    }
    if (auto kind = poolFor(h.sh_type, h.sh_flags, *name)) {
      uint64_t &sum = out[unsigned(*kind) - 1];
      bool fits = h.sh_type == SHT_NOBITS || h.sh_size <= bytes.size();
      if (fits && sum + h.sh_size >= sum)
        sum += h.sh_size;
    }
  }
  return out;
}

} // namespace

MachineOf machineOf(StringRef bytes) {
  file_magic magic = identify_magic(bytes);
  if (magic == file_magic::bitcode)
    return machineOfModule(bytes);
  if ((magic != file_magic::elf_relocatable &&
       magic != file_magic::elf_shared_object) ||
      bytes.size() < sizeof(Elf32_Ehdr))
    return {};
  auto [fileClass, encoding] = object::getElfArchType(bytes);
  // e_machine has the same place in both classes.
  const char *at = bytes.data() + offsetof(Elf32_Ehdr, e_machine);
  uint16_t machine = encoding == ELFDATA2MSB ? support::endian::read16be(at)
                                             : support::endian::read16le(at);
  return {machine, fileClass, encoding};
}

Sizes sectionTotals(StringRef bytes) {
  if (identify_magic(bytes) != file_magic::elf_relocatable)
    return {};
  auto [fileClass, encoding] = object::getElfArchType(bytes);
  if (encoding != ELFDATA2LSB || fileClass != ELFCLASS64)
    return {}; // none that gets a reserve
  return totals<object::ELF64LE>(bytes);
}

bool isToolchainFile(StringRef path) {
  SmallString<256> clean(path);
  sys::path::remove_dots(clean, /*remove_dot_dot=*/true);
  StringRef name = sys::path::filename(clean);
  if ((name.starts_with("crt") && name.ends_with(".o")) ||
      name.ends_with("crt1.o") || name.starts_with("clang_rt.crt") ||
      name.starts_with("libclang_rt.") || name.starts_with("libgcc"))
    return true;
  StringRef rest = clean;
  rest.consume_front("/usr");
  // /lib, /lib64, /usr/lib, /usr/aarch64-linux-gnu/lib
  return rest.starts_with("/lib") ||
         (rest.size() < clean.size() && rest.contains("-linux-"));
}

std::string lastingName(StringRef path) {
  SmallString<128> temporary;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, temporary);
  constexpr size_t random = 6; // mkstemp's, and clang's
  StringRef stem = sys::path::stem(path);
  bool ofGcc = stem.size() == 2 + random && stem.starts_with("cc");
  bool ofClang = stem.size() > random && stem.drop_back(random).ends_with("-");
  if (sys::path::parent_path(path) != StringRef(temporary) ||
      !(ofGcc || ofClang))
    return path.str();
  size_t end = stem.end() - path.begin();
  return (path.take_front(end - random) + "*" + path.drop_front(end)).str();
}

} // namespace relink
