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

#include "AddressMap.h"
#include "Delink.h"
#include "Image.h"
#include "Object.h"
#include "Target.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>

namespace relink {

class PatchMap;

/// How a reference is known.
enum class Evidence : uint8_t {
  DynamicRelocation,
  Instruction,
  JumpTable,
  Unwind,
  ThreadLocal,
  Kept,
  Assumed, ///< an address by form (--assume-addresses)
  Map
};
constexpr unsigned evidenceCount = 8;
llvm::StringRef toString(Evidence evidence);

struct ProgramSymbol {
  std::string name;
  uint64_t address = 0, size = 0; ///< of STT_TLS: offset in the TLS block
  uint8_t type = 0, binding = 0, visibility = 0;
  unsigned section = 0; ///< index of its section in the app
  unsigned file = 0; ///< of a local one: its source file's number; 0 unknown
};

/// A range of the app that becomes a section of an object.
struct Piece {
  const Section *section = nullptr;
  uint64_t address = 0, size = 0;
  uint64_t fileSize = 0; ///< bytes with contents; the rest is zero
  uint64_t align = 1;    ///< the most of what it holds
  /// Bytes in front of it in the object: what it holds stays as it was aligned.
  uint64_t lead = 0;
  std::string name;      ///< of the section it becomes
  bool dropped = false;  ///< start-up code, which the next link brings
  bool isStartUp = false;
  bool isReplaced = false; ///< another object has it
  ObjectSection *output = nullptr;

  uint64_t end() const { return address + size; }
  /// Where, in the app's addresses, the object's section starts.
  uint64_t origin() const { return address - lead; }
  bool isCode() const { return section->flags & llvm::ELF::SHF_EXECINSTR; }
  bool isTls() const { return section->flags & llvm::ELF::SHF_TLS; }
};

/// The largest alignment up to \p most that \p address has.
constexpr uint64_t alignmentOf(uint64_t address, uint64_t most) {
  uint64_t lowest = address & -address;
  return lowest && lowest < most ? lowest : most;
}

/// A field whose value depends on where something lies.
struct Reference {
  enum class Kind : uint8_t {
    Address, ///< `target` is an address of the app
    Import,  ///< `target` is an offset from the dynamic symbol `import`
    Named,   ///< `target` is an offset from what the linker calls `name`
    Ifunc,   ///< `target` is the address of a resolver
    Thread,  ///< `target` is an offset in the TLS block
    Number,  ///< `target` is an absolute symbol's value
  };
  // Programs have millions of them: the order leaves no holes.
  uint64_t place = 0;
  uint64_t target = 0;
  uint32_t type = 0; ///< R_X86_64_*
  Kind kind = Kind::Address;
  Evidence evidence = Evidence::Instruction;
  bool weak = false; ///< of Named
  /// A kept relocation says to which section `target` belongs: to the piece at
  /// `anchor`, or where that is 0 to the one that holds it.
  bool isProven = false;
  /// What the addend has on top: minus the distance from the place to the end
  /// of its instruction.
  int32_t bias = 0;
  unsigned import = 0; ///< index in .dynsym
  llvm::StringRef name;
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
  /// STT_FILE symbols, by number - 1, where GNU ld wrote them: each object has one
  /// there, made up if need be, and what was hidden and not local follows one
  /// without a name, the last.
  std::vector<std::string> sourceFiles;
  std::vector<ProgramSymbol> mapSymbols; ///< a full table of the map
  std::vector<UnwindRecord> frames;
  std::vector<Piece> pieces;    ///< by address; not those of TLS
  std::vector<Piece> tlsPieces; ///< .tdata and .tbss
  std::vector<Reference> references;
  AddressMap<KeptRelocation> kept; ///< by place
  Evidence keptEvidence = Evidence::Kept;        ///< where `kept` is from
  std::shared_ptr<PatchMap> map;                 ///< has the names in `kept`
  AddressMap<Slot> slots; ///< by address of the word
  AddressMap<Slot> stubs; ///< by address of the PLT entry
  /// Data that the loader copies from a library: address, size, symbol.
  struct Copy {
    uint64_t address = 0, size = 0;
    unsigned symbol = 0;
  };
  std::vector<Copy> copies;
  uint64_t mainAddress = 0; ///< 0 in a library, or when not found
  bool importsMain = false; ///< it is in a library
  uint64_t startMain = 0; ///< __libc_start_main of a static program; else 0
  std::vector<std::string> remarks;
  /// The start-up objects' part stays: the next link has none.
  bool keepsStartUp = false;
  /// An executable that becomes a library, and what that exports.
  bool asLibrary = false;
  std::vector<std::string> exports;
  /// Numbers that are addresses by form are taken for such (DelinkAssumed.cpp).
  bool assumes = false;
  bool assumesNumbers() const {
    return assumes && !image.isPositionIndependent();
  }
  /// Where functions start, and what else may be named without a symbol.
  AddressSet functionStarts;
  /// A function that another object defines now: what refers to its entry refers
  /// to `name`. Its code is left out unless it is still `needed`.
  struct Replaced {
    uint64_t size = 0;
    std::string name;
    bool needed = false;
    bool isErased = false; ///< its code, in a piece that has more
  };
  AddressMap<Replaced> replaced; ///< by address
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
  /// The same for what no relocation names, in a program that `assumes`.
  void interpretAssumed(Reference &r) const;
  /// Bytes of the thread-local block.
  uint64_t threadSize() const;
  /// Where in the thread-local block \p distance from the thread pointer leads;
  /// nothing if that is not in the block, which ends at the pointer.
  std::optional<uint64_t> threadOffset(int64_t distance) const;
  /// A field that holds such a distance, or nothing.
  std::optional<Reference> threadReference(uint64_t place, int64_t distance) const;
  Piece *pieceAt(uint64_t address);
  const Piece *pieceAt(uint64_t address) const {
    return const_cast<Program *>(this)->pieceAt(address);
  }
  /// The piece that ends at \p address, which lies in none.
  Piece *pieceEndingAt(uint64_t address);
  /// Whether the first two words at \p table, in constants, lead to other sections
  /// of data, seen from there.
  bool hasDistances(uint64_t table) const;
  const Piece *pieceEndingAt(uint64_t address) const {
    return const_cast<Program *>(this)->pieceEndingAt(address);
  }
  /// Bytes of the app at \p address; zero where the file has none.
  std::vector<uint8_t> contents(uint64_t address, uint64_t size) const;
  llvm::Error error(const llvm::Twine &message) const;
  /// `name`, or `name+0x1c`, of what lies at \p address.
  std::string describe(uint64_t address) const;
};

/// Of start-up objects, and not of the linker or of code.
bool isStartUpSymbol(llvm::StringRef name);
/// Of relocations that go through a slot.
bool isGotType(uint32_t type);
/// The relocations that the loader, or a static program's start-up code, applies.
std::vector<llvm::ArrayRef<Rela>> loaderRelocations(const Image &image);

/// Where instructions of \p function start, ascending; up to what can't be decoded.
std::vector<uint64_t> instructionsOf(const Program &program, const Piece &function);

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
llvm::Error addKeptField(const Program &program, uint64_t place, unsigned size,
                         std::vector<Reference> &out);
/// Whether \p value may be one. Sets the reference's target, and its anchor
/// where the value lies a little in front of data or behind it. \p isTaken: it is
/// not what is there that counts.
bool assumeAddress(const Program &program, uint64_t value, Reference &r,
                   bool isTaken);
/// Words of data that are addresses by form.
llvm::Error readAssumedWords(Program &program);
/// Adds the addresses in the instruction \p i, at the start of \p code, which
/// goes on to the end of its function.
llvm::Error addAssumedFields(const Program &program, const Target &target,
                             const Instruction &i, const AddressFlow &f,
                             llvm::ArrayRef<uint8_t> code,
                             std::vector<Reference> &out);
/// Makes a block of all data that may be written, and one of the rest. Bounds of
/// the arrays of constructors get the linker's names.
llvm::Error finishAssumed(Program &program);
/// Distances in data that nothing else accounts for.
llvm::Error readKeptDistances(Program &program);
llvm::Error readCodeReferences(Program &program);
llvm::Error readUnwindReferences(Program &program);
/// Joins the pieces from the one at .first to the one at .second.
void joinPieces(Program &program,
                llvm::ArrayRef<std::pair<uint64_t, uint64_t>> spans);

/// References to what lies at the borders of the program's data, where the next link
/// puts something else: crtbegin's word and the arrays of constructors in front of it,
/// the GOT, .dynamic and .eh_frame behind it. Only few mean these.
llvm::Error settleBorders(Program &program, const DelinkConfig &config);
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
/// Data that code reaches by address.
bool isPlainData(const Piece &piece);
/// Where main() is, by its symbol or by what start-up code passes on. An error if the next
/// link needs to know and can't.
llvm::Error findMain(Program &program);
/// Of what is called at address 0: a weak symbol that nothing defined.
constexpr char undefinedName[] = "delink.undefined";
/// Whether \p section holds constructors or destructors.
bool isPointerArray(const Section &section);

/// What some functions refer to.
struct CodeFindings {
  std::vector<Reference> references;
  std::vector<std::pair<uint64_t, uint64_t>> joins; ///< as in Program
  std::vector<uint64_t> dataTargets;
  std::vector<uint64_t> flows; ///< functions that DelinkFlow has to read
  /// What has the form of a function's table of jumps: its address, a place in the
  /// function.
  std::vector<std::pair<uint64_t, uint64_t>> likeTables;
  std::vector<std::string> remarks;
};
/// Jump tables that \p code uses, and its thread-local operands.
llvm::Error readFlowReferences(const Program &program, const Target &target,
                               const Piece &piece,
                               const CodeView &code,
                               const std::vector<uint64_t> &dataTargets,
                               CodeFindings &out);

/// What becomes of the program when its sections stay where they are.
struct PinnedLayout {
  struct Section {
    std::string name;
    uint64_t address, size;
  };
  std::vector<Section> sections;
  /// What the names of pieces of the app's section \p index begin with.
  static std::string group(unsigned index) {
    return ".p." + std::to_string(index) + ".";
  }
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
/// Which object each section goes to.
struct SplitPlan {
  /// Of the objects, as file names without ".o"; the first has the rest.
  std::vector<std::string> names;
  std::vector<std::string> sources; ///< their STT_FILE symbols; empty for none
  /// By section; 0 where nothing is said.
  llvm::DenseMap<const ObjectSection *, unsigned> object;
  bool isOrdered = false; ///< objects come in their order here
};
/// An object for each section of code.
SplitPlan planByFunction(const Program &program, const Object &whole);
/// The objects that \p plan says and that have a section, the rest first and the
/// others in the plan's order or that of their first sections in \p whole. Their
/// names are the plan's.
llvm::Expected<std::vector<std::unique_ptr<Object>>>
splitObject(const Object &whole, const SplitPlan &plan);
/// The objects that \p config asks for. In `pinned` mode as buildObject().
llvm::Expected<std::vector<std::unique_ptr<Object>>>
buildObjects(Program &program, const DelinkConfig &config, PinnedLayout *pinned);
/// What -init and -fini of the next link name, where the program has other functions
/// there than .init and .fini: DT_INIT, DT_FINI.
constexpr char initName[] = "delink.init", finiName[] = "delink.fini";
/// And -e of a library that has one.
constexpr char entryName[] = "delink.entry";
/// The arguments that link it again, one a line, and files that they name.
struct LinkFiles {
  std::vector<std::string> arguments; ///< those of `response`
  std::string response, dynamicList, versionScript;
};
llvm::Expected<LinkFiles>
makeLinkFiles(const Program &program,
              const std::vector<std::string> &objectNames);
/// Those for the linker itself, not for a compiler's driver, without the object.
/// \p link gets the files that they name.
struct WholeLink;
llvm::Expected<std::vector<std::string>>
linkerArguments(const Program &program, WholeLink &link,
                const std::vector<std::string> &libraryPaths,
                const std::string &sysroot);
/// Compares what slots, PLT entries and dynamic relocations of the app mean with
/// what the object asks for in their place.
llvm::Error checkMeanings(Program &program, const DelinkConfig &config,
                          DelinkReport &report);
/// Links the pinned object and compares.
llvm::Error checkObject(Program &program, const DelinkConfig &config,
                        DelinkReport &report);

} // namespace relink

#endif
