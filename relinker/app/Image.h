//===- Image.h - The model of the finished program --------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The app is mapped read-only and described by headers only: nothing here
// grows with the size of the app's code. All addresses are link-time virtual
// addresses, all offsets are file offsets, all sizes are bytes.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_IMAGE_H
#define RELINK_IMAGE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFTypes.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace relink {

using ELFT = llvm::object::ELF64LE;
using Ehdr = ELFT::Ehdr;
using Phdr = ELFT::Phdr;
using Shdr = ELFT::Shdr;
using Sym = ELFT::Sym;
using Rela = ELFT::Rela;
using Dyn = ELFT::Dyn;

constexpr uint64_t pageSize = 4096; ///< x86-64's only base page size (psABI)

enum class ImageKind { Executable, Pie, StaticExecutable, StaticPie, Shared };

llvm::StringRef toString(ImageKind kind);

/// A section of the app as its header states it. `index` is its place in the
/// section header table.
struct Section {
  llvm::StringRef name;
  uint32_t type = 0;
  uint64_t flags = 0, address = 0, offset = 0, size = 0;
  uint32_t link = 0, info = 0;
  uint64_t align = 0, entrySize = 0;
  unsigned index = 0;

  bool isAlloc() const { return flags & llvm::ELF::SHF_ALLOC; }
  bool contains(uint64_t a) const { return a >= address && a - address < size; }
};

/// A version requirement of the app (gABI "Symbol versioning", Elf64_Vernaux).
struct VersionNeed {
  llvm::StringRef file, name;
  uint16_t index = 0;
};

/// What `.dynamic` says. A value of 0 means the entry is absent.
struct DynamicTables {
  uint64_t address = 0, offset = 0, size = 0; ///< of PT_DYNAMIC
  std::vector<std::pair<int64_t, uint64_t>> entries; ///< up to DT_NULL
  unsigned spareEntries = 0; ///< DT_NULLs behind the terminating one

  uint64_t strtab = 0, strsz = 0, symtab = 0, hash = 0, gnuHash = 0;
  uint64_t rela = 0, relasz = 0, jmprel = 0, pltrelsz = 0, relr = 0,
           relrsz = 0;
  uint64_t versym = 0, verneed = 0, verneednum = 0, verdef = 0, verdefnum = 0;
  uint64_t initArray = 0, initArraySize = 0, finiArray = 0, finiArraySize = 0;
  uint64_t flags = 0, flags1 = 0;
  bool bindNow = false, symbolic = false;
  llvm::StringRef soname;
  llvm::SmallVector<llvm::StringRef, 4> needed, runPaths;

  bool has(int64_t tag) const;
};

/// Bytes from the thread-local block's start to the thread pointer (psABI, variant II:
/// the block ends there, rounded up to its alignment); 0 if \p tls is null.
uint64_t threadBlockSize(const Phdr *tls);

/// Any file, mapped read-only.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
openMapped(llvm::StringRef path);

/// Read and checked once; passed by const reference from then on.
class Image {
public:
  static llvm::Expected<std::unique_ptr<Image>> open(llvm::StringRef path);
  /// \p path is what messages call it.
  static llvm::Expected<std::unique_ptr<Image>>
  read(std::unique_ptr<llvm::MemoryBuffer> buffer, llvm::StringRef path);

  std::string path;
  ImageKind kind = ImageKind::Executable;
  Ehdr header{};
  std::vector<Phdr> segments;
  std::vector<Section> sections; ///< empty when the table is absent
  DynamicTables dynamic;
  std::vector<VersionNeed> versionNeeds;
  llvm::StringRef interpreter;
  bool ibt = false, shstk = false; ///< GNU_PROPERTY_X86_FEATURE_1_AND

  /// End of everything the ELF headers describe; bytes behind it (a zip, a
  /// squashfs) are a payload that has to stay last.
  uint64_t elfEnd = 0;

  llvm::ArrayRef<uint8_t> bytes() const {
    return llvm::arrayRefFromStringRef(buffer->getBuffer());
  }
  bool isStatic() const {
    return kind == ImageKind::StaticExecutable || kind == ImageKind::StaticPie;
  }
  bool isPositionIndependent() const {
    return kind != ImageKind::Executable &&
           kind != ImageKind::StaticExecutable;
  }
  const Phdr *segmentOfType(uint32_t type) const;
  /// The PT_LOAD whose memory holds \p address, or null.
  const Phdr *loadAt(uint64_t address) const;
  /// File-backed bytes at \p address; empty when any is not in the file.
  llvm::ArrayRef<uint8_t> bytesAt(uint64_t address, uint64_t size) const;
  /// File-backed bytes from \p address to the end of its segment.
  llvm::ArrayRef<uint8_t> bytesFrom(uint64_t address) const;
  /// Lets the system have the memory of the mapped file back. What is read again
  /// is read from the file.
  void release() const;
  std::optional<uint64_t> fileOffset(uint64_t address) const;
  const Section *section(llvm::StringRef name) const;
  const Section *sectionAt(uint64_t address) const;
  /// Highest address any PT_LOAD occupies in memory.
  uint64_t memoryEnd() const;

  llvm::ArrayRef<Sym> dynamicSymbols() const { return dynsym; }
  llvm::StringRef dynamicName(const Sym &s) const;
  /// Version of a dynamic symbol ("GLIBC_2.2.5"), empty when it has none.
  llvm::StringRef dynamicVersion(unsigned symbolIndex) const;
  /// Whether that version is not the default one (`name@VERSION`): references
  /// without a version don't mean it.
  bool hasHiddenVersion(unsigned symbolIndex) const;
  llvm::ArrayRef<Rela> relocations() const { return rela; }
  llvm::ArrayRef<Rela> pltRelocations() const { return jmprel; }
  llvm::StringRef dynamicString(uint64_t offset) const;

private:
  Image() = default;
  /// Entry of .gnu.version; VER_NDX_GLOBAL where there is none.
  uint16_t versionEntry(unsigned symbolIndex) const;
  llvm::Error readHeaders();
  llvm::Error readSegments();
  llvm::Error readSections();
  llvm::Error readDynamic();
  llvm::Error readDynamicSymbols();
  void readVersions();
  void readProperties();
  void decideKind();
  llvm::Error refuseUntrustworthy() const;
  llvm::Error error(const llvm::Twine &message) const;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  llvm::StringRef dynamicStrings; ///< DT_STRTAB
  llvm::ArrayRef<Sym> dynsym;
  llvm::ArrayRef<Rela> rela, jmprel;
  std::map<uint16_t, llvm::StringRef> versionNames;
};

} // namespace relink

#endif
