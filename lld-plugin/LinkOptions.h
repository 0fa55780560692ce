//===- LinkOptions.h - lld's command line and what we add -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lld's own options are lld's affair: they are looked at only as far as they
// say whether this link can take a reserve.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_LINKOPTIONS_H
#define RELINK_LLD_LINKOPTIONS_H

#include "ReserveNote.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/StringSaver.h"
#include <array>
#include <string>
#include <vector>

namespace relink {

/// A number of bytes, or a percentage of what the link holds of that kind, but
/// then `bytes` at least and `most` at most.
struct PoolRequest {
  uint64_t bytes = 0;
  unsigned percent = 0;
  uint64_t most = UINT64_MAX;
};

struct Padding {
  uint64_t bytes = 0;   ///< behind each function section, at most 64 KiB
  unsigned percent = 0; ///< of its size, at most 1000
  explicit operator bool() const { return bytes || percent; }
};

/// How objects change on their way into the link.
struct ObjectChanges {
  Padding padding;
  bool smallEntryTables = false; ///< see EntryTable
  bool inPlace = false;          ///< see GrownSections
  bool forLibrary = false;       ///< symbols may be another's
  explicit operator bool() const { return padding || smallEntryTables; }
};

/// Room in tables that must grow where they are.
struct TableRoom {
  unsigned frames = 16;       ///< records of .eh_frame, rows of its search table
  unsigned imports = 6;       ///< entries of .dynsym
  unsigned constructors = 2;  ///< words of .init_array
  uint64_t record = 4096;     ///< bytes, not loaded, for the record of patches
};

enum class HotPatchPolicy { Off, Allow, Require };

/// Two segments for a patch and one for its tables.
constexpr unsigned defaultSpareHeaders = 3;

struct LinkOptions {
  std::array<PoolRequest, reserve::poolKinds> pools; ///< by PoolKind - 1
  unsigned spareHeaders = defaultSpareHeaders;       ///< 0 or odd
  TableRoom tables;
  bool reserve = true;       ///< an object with pools and a note is linked in
  bool askedReserve = false; ///< --patch-reserve was given
  Padding padding;
  HotPatchPolicy hotPatch = HotPatchPolicy::Allow;
  std::vector<std::string> hotPatchExcept; ///< globs
  bool patchMap = true;                    ///< --patch-map
  bool help = false;                       ///< --help
  bool trace = false;                      ///< --trace is the user's
  bool fixedAddress = false; ///< the output is neither a PIE nor shared
  bool shared = false; ///< -shared
  bool keepEntryTables = false; ///< --hotpatch-table=keep
  bool printFolds = false; ///< --print-icf-sections is the user's
  bool reproduce = false; ///< --reproduce: the inputs are written out as read
  bool comparesCode = false; ///< --icf, --bp-...

  /// The command line for lld, argv[0] included, without our options.
  llvm::SmallVector<const char *, 0> arguments;

  /// Whether the link differs from lld's in any way.
  bool inEffect() const {
    return reserve || padding || patchMap || hotPatch != HotPatchPolicy::Off;
  }
  ObjectChanges changes() const {
    // The note says where the small tables are.
    return {padding,
            reserve && hotPatch != HotPatchPolicy::Off && !keepEntryTables,
            !reproduce && !comparesCode, shared};
  }
};

llvm::Expected<LinkOptions> parseLinkOptions(llvm::ArrayRef<const char *> argv,
                                             llvm::StringSaver &saver);

void printAddedHelp(llvm::raw_ostream &os);

} // namespace relink

#endif
