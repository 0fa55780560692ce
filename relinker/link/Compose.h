//===- Compose.h - The inputs of the link -----------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld gets three kinds of input, made here in memory: the needed parts of the
// patch objects; a stand-in object for the app, whose sections are NOBITS and
// pinned at the app's addresses; and a stub library with the imports.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_COMPOSE_H
#define RELINK_COMPOSE_H

#include "DebugInfo.h"
#include "EhFrame.h"
#include "Plan.h"

namespace relink {

/// Names the word that takes what the loader resolves interposed imports to.
constexpr llvm::StringLiteral spareSlotName = "relink.slot";

struct LinkInput {
  std::string name; ///< for diagnostics
  llvm::SmallVector<char, 0> bytes;
};

/// Pinned section of the stand-in.
struct PinnedSection {
  std::string name;
  uint64_t address = 0;
};

/// The app's TLS block as the link has to see it. All sizes in bytes.
struct TlsLayout {
  bool present = false;  ///< the app or the patch has thread-locals
  bool grows = false;    ///< the patch adds some
  uint64_t appSize = 0;  ///< PT_TLS p_memsz of the app
  uint64_t appAlign = 1;
  uint64_t align = 1; ///< of the whole block
  uint64_t address = 0; ///< where an unchanged block is pinned
};

struct LinkInputs {
  std::vector<LinkInput> objects;
  std::vector<LinkInput> libraries; ///< none in a static link
  std::vector<PinnedSection> pinned;
  TlsLayout tls;
  DebugPlan debug;
  bool hasConstructors = false, hasDestructors = false;
  uint64_t dynamicRoom = 0; ///< bytes for a moved .dynamic, 0 when it stays
};

/// \p plan's replacements learn whether they are patched in place.
llvm::Expected<LinkInputs> composeInputs(const Config &config,
                                         const Image &image,
                                         const ImportTable &imports,
                                         const UnwindTable &unwind,
                                         const Target &target, Plan &plan);

} // namespace relink

#endif
