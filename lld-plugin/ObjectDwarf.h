//===- ObjectDwarf.h - An object's DWARF, ready to be read ------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sections of DWARF are relocated in copies: an address becomes the number of the
// section it is in, and the offset there.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_OBJECTDWARF_H
#define RELINK_LLD_OBJECTDWARF_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <vector>

namespace relink {

class ObjectDwarf {
public:
  using ELFT = llvm::object::ELF64LE;

  explicit ObjectDwarf(const llvm::object::ELFFile<ELFT> &file) : file(file) {}
  /// Whether there are any.
  llvm::Expected<bool> read();
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>>
      sections;      ///< by name without the dot
  uint64_t size = 0; ///< of all

  /// A place in the object.
  struct Place {
    uint32_t section;
    uint64_t offset;
  };
  /// As the copies have it.
  static uint64_t addressOf(uint32_t section, uint64_t offset) {
    return ((uint64_t(section) + 1) << 32) + offset;
  }
  static Place placeAt(uint64_t address) {
    return {uint32_t(address >> 32) - 1, address & UINT32_MAX};
  }

private:
  struct Part { ///< of one name there may be several, in groups
    const ELFT::Shdr *header;
    llvm::StringRef name;
    uint64_t start; ///< behind those of the same name
    llvm::SmallVector<uint8_t, 0> unpacked;
    llvm::ArrayRef<uint8_t> bytes;
    const ELFT::Shdr *relocations = nullptr;
  };
  llvm::Error list(llvm::ArrayRef<ELFT::Shdr> headers);
  llvm::Error unpack(Part &part);
  llvm::Error readSymbols(llvm::ArrayRef<ELFT::Shdr> headers);
  llvm::Error relocate(const Part &part, char *to) const;
  uint64_t valueOf(const ELFT::Sym &symbol, uint32_t index) const;

  const llvm::object::ELFFile<ELFT> &file;
  std::vector<Part> parts;
  std::vector<uint32_t> partOf; ///< by section, from 1
  llvm::ArrayRef<ELFT::Sym> symbols;
  llvm::ArrayRef<ELFT::Word> extended;
};

} // namespace relink

#endif
