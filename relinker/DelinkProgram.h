//===- DelinkProgram.h - A program, taken apart -----------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Pieces are what the linker may move apart; references are the places that
// have to follow. Both are stated in the app's addresses, so that joining two
// pieces changes no reference.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_DELINKPROGRAM_H
#define RELINK_DELINKPROGRAM_H

#include "Delink.h"
#include "Image.h"
#include "Object.h"
#include "Target.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>

namespace relink {

class PatchMap;

/// How a reference is known.
enum class Evidence {
  DynamicRelocation,
  Instruction,
  JumpTable,
  Unwind,
  ThreadLocal,
  Kept,
  Map
};
constexpr unsigned evidenceCount = 7;
llvm::StringRef toString(Evidence evidence);

struct ProgramSymbol {
  std::string name;
  uint64_t address = 0, size = 0; ///< of STT_TLS: offset in the TLS block
  uint8_t type = 0, binding = 0, visibility = 0;
  unsigned section = 0; ///< index of its section in the app
};

/// A range of the app that becomes a section of an object.
struct Piece {
  const Section *section = nullptr;
  uint64_t address = 0, size = 0;
  uint64_t fileSize = 0; ///< bytes with contents; the rest is zero
  std::string name;      ///< of the section it becomes
  bool dropped = false;  ///< start-up code, which the next link brings
  bool isStartUp = false;
  bool isReplaced = false; ///< another object has it
  ObjectSection *output = nullptr;

  uint64_t end() const { return address + size; }
  bool isCode() const { return section->flags & llvm::ELF::SHF_EXECINSTR; }
  bool isTls() const { return section->flags & llvm::ELF::SHF_TLS; }
};

/// A field whose value depends on where something lies.
struct Reference {
  enum class Kind {
    Address, ///< `target` is an address of the app
    Import,  ///< `target` is an offset from the dynamic symbol `import`
    Named,   ///< `target` is an offset from what the linker calls `name`
    Ifunc,   ///< `target` is the address of a resolver
    Thread,  ///< `target` is an offset in the TLS block
    Number,  ///< `target` is an absolute symbol's value
  };
  uint64_t place = 0;
  uint32_t type = 0; ///< R_X86_64_*
  Kind kind = Kind::Address;
  Evidence evidence = Evidence::Instruction;
  uint64_t target = 0;
  /// What the addend has on top: minus the distance from the place to the end
  /// of its instruction.
  int32_t bias = 0;
  unsigned import = 0; ///< index in .dynsym
  llvm::StringRef name;
  bool weak = false; ///< of Named
  /// A kept relocation says to which section `target` belongs: to the piece at
  /// `anchor`, or where that is 0 to the one that holds it.
  bool isProven = false;
  uint64_t anchor = 0;
};

/// A relocation that the linker kept (--emit-relocs), or that the map has. Its type may be that of an
/// instruction that was relaxed; the symbol is what was meant.
struct KeptRelocation {
  uint32_t type = 0;
  int64_t addend = 0;
  llvm::StringRef name;
  uint64_t value = 0; ///< of the symbol
  unsigned section = 0;
  uint8_t symbolType = 0;
};

/// What a word that the loader fills holds, or a PLT entry calls.
struct Slot {
  Reference::Kind kind = Reference::Kind::Address;
  uint32_t type = 0; ///< of its dynamic relocation
  uint64_t target = 0;
  unsigned import = 0;
};

/// A record of .eh_frame.
struct UnwindRecord {
  uint64_t address = 0, size = 0; ///< with its length field
  uint64_t cie = 0;               ///< address of its CIE; 0 for a CIE
  uint64_t start = 0, length = 0; ///< of the function
  /// Signal frames say one byte before it: a return address counts as that of
  /// the call (DWARF augmentation 'S').
  bool isSignal = false;
};

struct Program {
  Program(const Image &image, const Target &target)
      : image(image), target(target) {}

  const Image &image;
  const Target &target;
  std::vector<ProgramSymbol> symbols; ///< by address
  bool named = false;                 ///< symbols came from a full table
  std::vector<ProgramSymbol> mapSymbols; ///< a full table of the map
  std::vector<UnwindRecord> frames;
  std::vector<Piece> pieces;    ///< by address; not those of TLS
  std::vector<Piece> tlsPieces; ///< .tdata and .tbss
  std::vector<Reference> references;
  llvm::DenseMap<uint64_t, KeptRelocation> kept; ///< by place
  Evidence keptEvidence = Evidence::Kept;        ///< where `kept` is from
  std::shared_ptr<PatchMap> map;                 ///< has the names in `kept`
  llvm::DenseMap<uint64_t, Slot> slots; ///< by address of the word
  llvm::DenseMap<uint64_t, Slot> stubs; ///< by address of the PLT entry
  /// Data that the loader copies from a library: address, size, symbol.
  struct Copy {
    uint64_t address = 0, size = 0;
    unsigned symbol = 0;
  };
  std::vector<Copy> copies;
  uint64_t mainAddress = 0; ///< 0 in a library, or when not found
  std::vector<std::string> remarks;
  /// The start-up objects' part stays: the next link has none.
  bool keepsStartUp = false;
  /// A function that another object defines now: what refers to its entry refers
  /// to `name`. Its code is left out unless it is still `needed`.
  struct Replaced {
    uint64_t size = 0;
    std::string name;
    bool needed = false;
    bool isErased = false; ///< its code, in a piece that has more
  };
  llvm::DenseMap<uint64_t, Replaced> replaced; ///< by address
  /// Symbols to be defined as well: global, hidden.
  std::vector<ProgramSymbol> places;
  /// Where code leads to another function by a short jump, or by running on.
  std::vector<std::pair<uint64_t, uint64_t>> joins;

  /// Whether \p address is in code that was erased.
  bool isErased(uint64_t address) const;
  /// Whether the next link brings this section.
  bool bringsSection(const Section &section) const;
  /// Whether the next link defines this symbol.
  bool bringsSymbol(llvm::StringRef name) const;
  /// Whether the start-up objects have this function.
  bool isStartUpFunction(llvm::StringRef name) const;
  /// And the next link brings it.
  bool bringsFunction(llvm::StringRef name) const {
    return !keepsStartUp && isStartUpFunction(name);
  }

  /// If \p r leads to a PLT entry, makes it one to what that calls.
  bool followStub(Reference &r) const;
  /// Finds what \p r means where that is not what lies at its target: a
  /// variable that the loader copies, an import, something that the next link
  /// brings.
  void interpret(Reference &r) const;
  bool staysInSection(Reference &r) const;
  /// Bytes of the thread-local block.
  uint64_t threadSize() const;
  Piece *pieceAt(uint64_t address);
  /// The piece that ends at \p address, which lies in none.
  Piece *pieceEndingAt(uint64_t address);
  llvm::Error error(const llvm::Twine &message) const;
  /// `name`, or `name+0x1c`, of what lies at \p address.
  std::string describe(uint64_t address) const;
};

/// Of relocations that go through a slot.
bool isGotType(uint32_t type);
/// The relocations that the loader, or a static program's start-up code, applies.
std::vector<llvm::ArrayRef<Rela>> loaderRelocations(const Image &image);

/// All steps that find out what the program is.
llvm::Error analyzeProgram(Program &program, const DelinkConfig &config);

// The steps, in order.
llvm::Error readProgramSymbols(Program &program, const DelinkConfig &config);
llvm::Error readFrames(Program &program);
llvm::Error cutPieces(Program &program);
llvm::Error readDynamicReferences(Program &program);
/// The relocations of the map, in `kept`; nothing, with a remark, if it does not
/// tell of all that was linked.
llvm::Error readMapRelocations(Program &program);
/// The relocations that the linker kept, unless the map has them.
llvm::Error readKeptRelocations(Program &program);
/// Absolute addresses in data; for programs at fixed addresses.
llvm::Error readKeptWords(Program &program);
/// Adds the absolute address or thread-local offset at \p place, a field of
/// \p size bytes, if a relocation was kept for it.
llvm::Error addKeptField(Program &program, uint64_t place, unsigned size);
/// Distances in data that nothing else accounts for.
llvm::Error readKeptDistances(Program &program);
llvm::Error readCodeReferences(Program &program);
llvm::Error readUnwindReferences(Program &program);
/// Joins the pieces from the one at .first to the one at .second.
void joinPieces(Program &program,
                llvm::ArrayRef<std::pair<uint64_t, uint64_t>> spans);

/// Joins data that a reference to the border between two sections may mean.
llvm::Error joinAmbiguousBorders(Program &program, const DelinkConfig &config);

/// Decoded code of one piece.
struct CodeView {
  struct Entry {
    Instruction instruction;
    AddressFlow flow;
  };
  std::vector<Entry> entries;
  const Entry *at(uint64_t address) const;
};
/// Jump tables that \p code uses, and its thread-local operands.
llvm::Error readFlowReferences(Program &program, const Piece &piece,
                               const CodeView &code,
                               const std::vector<uint64_t> &dataTargets);

/// What becomes of the program when its sections stay where they are.
struct PinnedLayout {
  /// Output order: name, address.
  std::vector<std::pair<std::string, uint64_t>> sections;
};

/// A relocation of the object, and the address in the app of its place.
struct PlacedRelocation {
  uint64_t place = 0;
  ObjectRelocation relocation;
};

/// The object; in `pinned` mode each section has a name of its own, and GOT and
/// PLT are stand-ins. \p placed, if not null, gets all relocations.
llvm::Expected<std::unique_ptr<Object>>
buildObject(Program &program, const DelinkConfig &config, PinnedLayout *pinned,
            std::vector<PlacedRelocation> *placed);
/// An object for each section of code; the first has the rest.
llvm::Expected<std::vector<std::unique_ptr<Object>>>
splitObject(const Object &whole);
/// The arguments that link it again, one a line, and files that they name.
struct LinkFiles {
  std::vector<std::string> arguments; ///< those of `response`
  std::string response, dynamicList, versionScript;
};
llvm::Expected<LinkFiles>
makeLinkFiles(const Program &program,
              const std::vector<std::string> &objectNames);
/// Compares what slots, PLT entries and dynamic relocations of the app mean with
/// what the object asks for in their place.
llvm::Error checkMeanings(Program &program, const DelinkConfig &config,
                          DelinkReport &report);
/// Links the pinned object and compares.
llvm::Error checkObject(Program &program, const DelinkConfig &config,
                        DelinkReport &report);

} // namespace relink

#endif
