//===- Original.h - What a patch is compared with ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Either the app itself, where linked code has addresses, or the object that
// the patch's source gave before it was fixed.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_ORIGINAL_H
#define RELINK_ORIGINAL_H

#include "AddressMap.h"
#include "Counterparts.h"
#include "EarlierPatches.h"
#include "EhFrame.h"
#include "ObjectPairs.h"
#include "Selections.h"
#include "Target.h"

namespace relink {

/// Where something is in the original.
struct Place {
  const ObjectSection *section = nullptr; ///< null: an address of the app
  const ObjectSymbol *symbol = nullptr;   ///< undefined in the original object
  /// In `section`, from `symbol`, or the address; in the TLS block if `tls`.
  uint64_t offset = 0;
  bool tls = false;

  friend bool operator==(const Place &, const Place &) = default;
  Place operator+(int64_t n) const {
    Place p = *this;
    p.offset += n;
    return p;
  }
};

/// What a relocation of the patch refers to in the original.
struct OriginalField {
  enum class Kind {
    Place,
    Name,    ///< a symbol that is bound when the app is loaded
    Nothing, ///< refers to nothing by itself
  };
  Kind kind = Kind::Place;
  uint64_t begin = 0, end = 0; ///< bytes it accounts for, from the piece's start
  unsigned consumed = 1;       ///< relocations it accounts for
  Place place;                 ///< of the symbol, the addend taken off
  llvm::StringRef name;
  int64_t nameOffset = 0; ///< from `name`, the addend taken off
  bool isHere = false; ///< the app itself defines `name`, at `place`
};

class Original {
public:
  enum class Answer {
    No,
    Yes,
    Stub, ///< yes, but `place` only leads there
    Unknown,
  };

  virtual ~Original() = default;

  /// Reads what the first of \p relocations refers to. They are those of
  /// \p ours, whose bytes [\p from, \p to) lie at \p at.
  virtual bool readField(const ObjectSection &ours, uint64_t from, uint64_t to,
                         llvm::ArrayRef<ObjectRelocation> relocations,
                         const Place &at, OriginalField &out) = 0;
  /// Empty when not all of them are there.
  virtual llvm::ArrayRef<uint8_t> bytes(const Place &at, uint64_t size) = 0;
  /// The exception table (LSDA) of a function; nothing when it has none.
  virtual std::optional<Place> exceptionTable(const Place &function) = 0;
  /// The function that interprets it, where that tells more than its name does.
  virtual std::optional<Place> personality(const Place &) { return std::nullopt; }
  /// Whether the names allow \p field to mean \p ours.
  virtual Answer isSame(const ObjectSymbol &ours,
                        const OriginalField &field) = 0;
  /// How messages call \p place.
  virtual std::string describe(const OriginalField &field) = 0;
  /// Whether a function may start at \p place.
  virtual bool mayStartFunction(const Place &) const { return true; }
};

/// The app's own code and tables.
class ImageOriginal final : public Original {
public:
  ImageOriginal(const Config &config, const Image &image,
                const SymbolIndex &index, const ImportTable &imports,
                const UnwindTable &unwind, const Target &target,
                const EarlierPatches &earlier, const Counterparts &counterparts)
      : config(config), image(image), index(index), imports(imports),
        unwind(unwind), target(target), earlier(earlier),
        counterparts(counterparts) {}

  bool readField(const ObjectSection &ours, uint64_t from, uint64_t to,
                 llvm::ArrayRef<ObjectRelocation> relocations, const Place &at,
                 OriginalField &out) override;
  llvm::ArrayRef<uint8_t> bytes(const Place &at, uint64_t size) override;
  std::optional<Place> exceptionTable(const Place &function) override;
  std::optional<Place> personality(const Place &function) override;
  Answer isSame(const ObjectSymbol &ours, const OriginalField &field) override;
  std::string describe(const OriginalField &field) override;

private:
  bool readLinked(const ObjectSection &ours, uint64_t from, uint64_t to,
                  llvm::ArrayRef<ObjectRelocation> relocations, const Place &at,
                  OriginalField &out);
  void indexRelocations();
  const Rela *relocationAt(uint64_t address);
  void setName(uint32_t symbol, int64_t addend, OriginalField &out);
  bool readPointer(uint64_t address, OriginalField &out);
  bool readThreadOffset(uint64_t slot, OriginalField &out);
  bool readBlockOffset(const Rela *relocation, uint64_t slot,
                       OriginalField &out);
  Place fromThreadPointer(int64_t offset) const;

  const Config &config;
  const Image &image;
  const SymbolIndex &index;
  const ImportTable &imports;
  const UnwindTable &unwind;
  const Target &target;
  const EarlierPatches &earlier;
  const Counterparts &counterparts;
  bool indexed = false, relativesSorted = false;
  llvm::ArrayRef<Rela> relatives; ///< the leading RELATIVE ones
  AddressMap<const Rela *> others;
};

/// The object before the fix.
class ObjectOriginal final : public Original {
public:
  explicit ObjectOriginal(const Plan &objects);
  /// \p pairs of its objects and those that are compared with them.
  ObjectOriginal(const Plan &objects, const ObjectPairs &pairs);

  bool readField(const ObjectSection &ours, uint64_t from, uint64_t to,
                 llvm::ArrayRef<ObjectRelocation> relocations, const Place &at,
                 OriginalField &out) override;
  llvm::ArrayRef<uint8_t> bytes(const Place &at, uint64_t size) override;
  std::optional<Place> exceptionTable(const Place &function) override;
  Answer isSame(const ObjectSymbol &ours, const OriginalField &field) override;
  std::string describe(const OriginalField &field) override;
  bool mayStartFunction(const Place &place) const override;

  /// The symbol defined at \p place.
  const ObjectSymbol *symbolAt(const Place &place) const;

private:
  const ObjectSymbol *meant(const ObjectSymbol *symbol) const;

  const Plan &plan; ///< the objects; an undefined symbol may be another's
  const ObjectPairs *pairs = nullptr; ///< null where they are the same objects
  /// Of symbols that no object defines, one for all objects.
  llvm::StringMap<const ObjectSymbol *> undefined;
  llvm::DenseMap<std::pair<const ObjectSection *, uint64_t>,
                 llvm::SmallVector<const ObjectSymbol *, 1>>
      symbols;
};

} // namespace relink

#endif
