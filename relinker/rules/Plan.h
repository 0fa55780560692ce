//===- Plan.h - What is replaced, bound and added ---------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules (Rules.cpp) turn the app and the patch objects into a plan; the
// later steps carry it out without deciding anything any more.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_PLAN_H
#define RELINK_PLAN_H

#include "Imports.h"
#include "Object.h"
#include "FrameRecords.h"
#include "SymbolIndex.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include <deque>
#include <map>

namespace relink {

/// Something outside the patch that its references are linked to.
struct LinkTarget {
  enum class Kind {
    Address, ///< a place in the app: the stand-in defines it
    Export,  ///< an app symbol that other modules may preempt
    Import,  ///< defined by another library
    Original, ///< the old body of a replaced function, past its entry
  };
  Kind kind = Kind::Address;
  std::string linkName; ///< unique in the link
  std::string name;     ///< in the app or the library
  uint64_t address = 0; ///< of Address and Export; TLS: offset in the block
  uint64_t size = 0;
  uint8_t type = 0;
  bool weak = false;
  unsigned dynamic = 0;  ///< the app's .dynsym entry for it, 0 when new
  LibrarySymbol library; ///< for a new import
  /// The app's own PLT entry and GOT slot lead elsewhere: `__real_NAME` of an
  /// import that the patch interposes.
  bool needsOwnSlot = false;
};

/// What becomes of a symbol the patch defines.
struct Decision {
  enum class Action { Own, Replace, Bind, Ambiguous };
  Action action = Action::Own;
  const AppSymbol *app = nullptr; ///< for Replace and Bind
  std::string reason;             ///< why not Own; the error for Ambiguous
};

/// What comparing a function or constant of the patch with the original shows.
struct Verdict {
  enum class Kind {
    Unknown,   ///< there is nothing to compare it with
    Same,      ///< the same code, which refers to the same things
    LinesOnly, ///< but for the line numbers it reports
    Changed,
  };
  Kind kind = Kind::Unknown;
  std::string reason; ///< what differs
};

struct Replacement {
  Object *object = nullptr;
  ObjectSymbol *body = nullptr;
  const AppSymbol *app = nullptr;
  uint64_t address = 0, size = 0; ///< of the old body
  std::string linkName;  ///< names the new body in the link
  std::string entryName; ///< names what the old entry jumps to
  /// Names the way to the old body, if the patch calls it (`__real_NAME`).
  std::string originalName;
  uint32_t preserved = 0; ///< registers its entry saves (Target's RegisterSet)
  bool inPlace = false;
};

/// An import of the app that the patch defines (rule 11).
struct Interposition {
  Object *object = nullptr;
  ObjectSymbol *definition = nullptr;
  unsigned dynamic = 0; ///< the app's .dynsym entry
  /// The app's own references only, as with `ld --wrap`; else the definition is
  /// exported, and other libraries find it too.
  bool appOnly = false;
  std::string linkName; ///< names the definition in the link
};

struct Remark {
  const ObjectSymbol *about = nullptr;
  std::string symbol, text;
  bool isDifference = false; ///< `about` holds other bytes than the app's
  const AppSymbol *otherSize = nullptr; ///< that of the app, if it has another size
};

struct Plan {
  std::vector<std::unique_ptr<Object>> objects;
  /// The patch's own global definitions: of several, the one that counts.
  llvm::StringMap<ObjectSymbol *> definitions;
  /// Each NAME of which the patch refers to `__real_NAME` (rule 9).
  llvm::StringSet<> originalsCalled;
  llvm::DenseMap<const ObjectSymbol *, Decision> decisions;
  llvm::DenseMap<const ObjectSymbol *, Verdict> verdicts; ///< functions, constants
  /// What matching code has shown the patch's symbols to be in the app.
  llvm::DenseMap<const ObjectSymbol *, const AppSymbol *> learned;
  /// Entries of `learned` that no symbol table has.
  std::deque<AppSymbol> unnamed;
  /// What the app's map says of functions that share their code, by address.
  std::multimap<uint64_t, std::string> folds;
  /// Names of the objects before the fix, if they are made of the app's map.
  std::vector<std::string> mapped;
  /// Of a source file that was renamed since: what the patch calls it, and what
  /// the map does.
  llvm::StringMap<std::string> renamedSources;
  /// With --orig or a map: the objects before the fix, which symbols of theirs the
  /// patch's are, and local ones that they lack.
  std::unique_ptr<Plan> before;
  llvm::DenseMap<const ObjectSymbol *, const ObjectSymbol *> originalOf;
  llvm::DenseSet<const ObjectSymbol *> fresh;
  /// Variables of the patch with another size than the app's, which is given.
  llvm::DenseMap<const ObjectSymbol *, const AppSymbol *> grown;
  /// What the patch defines for others, and the app's map does not name.
  llvm::StringSet<> absent;
  /// Functions of the same code as another, where the app has one body for both.
  llvm::DenseMap<const ObjectSymbol *, const ObjectSymbol *> twins;
  std::vector<Replacement> replacements;
  std::vector<Interposition> interpositions;
  std::deque<LinkTarget> targets;
  llvm::DenseMap<const ObjectSymbol *, LinkTarget *> references;
  llvm::DenseSet<const ObjectSection *> live;
  FrameIndex frames;
  /// Slots of .init_array/.fini_array that the patch adds, in order.
  std::vector<std::pair<const ObjectSection *, const ObjectRelocation *>>
      constructors, destructors;
  std::vector<const ObjectSymbol *> exports; ///< new in .dynsym
  std::vector<std::string> newDependencies;  ///< new DT_NEEDED

  /// Functions of the patch that the app has as they are.
  unsigned sameFunctions = 0;
  std::vector<std::string> linesOnly; ///< of these, by Verdict::LinesOnly
  bool isNothingToDo() const {
    return replacements.empty() && interpositions.empty() && exports.empty() &&
           constructors.empty() && destructors.empty();
  }

  std::vector<std::pair<std::string, uint64_t>> bound;
  std::vector<std::string> added;
  std::vector<Remark> remarks;
  /// Those about data that nothing of the patch's code uses.
  std::vector<Remark> unused;
  std::vector<std::string> notes; ///< for the summary, about no one symbol

  /// Fills `definitions`, `originalsCalled` and `frames`.
  llvm::Error indexObjects();

  /// Whether a symbol of the patch is known to be \p symbol.
  bool isTaken(const AppSymbol &symbol) const {
    return taken.contains({symbol.address, isTls(symbol)});
  }
  void learn(const ObjectSymbol &symbol, const AppSymbol &app) {
    learned[&symbol] = &app;
    taken.insert({app.address, isTls(app)});
  }

  /// The interposition that \p symbol makes, or null.
  const Interposition *interpositionOf(const ObjectSymbol &symbol) const {
    auto it = llvm::find_if(interpositions, [&](const Interposition &i) {
      return i.definition == &symbol;
    });
    return it == interpositions.end() ? nullptr : &*it;
  }

  /// The definition that references to \p symbol mean: it, or the strong one
  /// of another object.
  ObjectSymbol *definitionOf(ObjectSymbol *symbol) const {
    if (!symbol || symbol->isLocal())
      return symbol;
    ObjectSymbol *winner = definitions.lookup(symbol->name);
    return winner ? winner : symbol;
  }

private:
  static uint8_t isTls(const AppSymbol &s) {
    return s.type == llvm::ELF::STT_TLS;
  }
  llvm::DenseSet<std::pair<uint64_t, uint8_t>> taken; ///< address, TLS
};

} // namespace relink

#endif
