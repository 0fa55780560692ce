//===- ChangedInputs.h - What differs from what the app was made of -------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For `--changed-only` and `--from-ninja`: the app's map has the hash of every
// object that it was linked from. An object with one of these is left out of the
// patch; others are its changed or new ones. Of an archive, members that differ
// from those of the same name are the patch's; members that the app's link did not
// take stay what they were, there for those who refer to them.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CHANGEDINPUTS_H
#define RELINK_CHANGEDINPUTS_H

#include "PatchMap.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <set>

namespace relink {

class ChangedInputs {
public:
  enum class Choice { Take, Leave, IfNeeded };
  struct Member {
    llvm::StringRef name, bytes;
  };

  explicit ChangedInputs(PatchMap map);

  Choice chooseObject(llvm::StringRef path, llvm::StringRef bytes);
  /// Of the archive \p path all members. An error where it can't be told which
  /// of several of one name the app has.
  llvm::Expected<std::vector<Choice>>
  chooseMembers(llvm::StringRef path, llvm::ArrayRef<Member> members);
  /// A member IfNeeded is needed.
  void takeNeeded(llvm::StringRef path, llvm::StringRef member);

  /// Name, and how it differs, of each object of the patch.
  std::vector<std::pair<std::string, std::string>> taken;
  std::vector<std::string> files; ///< that these are in
  unsigned same = 0;              ///< objects that were left out

  /// Objects of the project that the app was linked from, and of which the patch
  /// files have no version; the project's are those with a relative path.
  std::vector<std::string> missing() const;

private:
  bool isKnown(llvm::StringRef bytes);
  void take(llvm::StringRef path, const llvm::Twine &name, llvm::StringRef how);

  PatchMap map;
  std::vector<bool> seen; ///< inputs of the map, by number as in what follows
  std::map<Digest, std::vector<size_t>> byDigest;
  std::set<uint64_t> sizes; ///< bytes
  llvm::StringMap<std::vector<size_t>> byName; ///< without directories
};

} // namespace relink

#endif
