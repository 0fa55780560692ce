//===- Archive.cpp - Archives as lld reads them ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Archive.h"
#include "Wrap.h"
#include "llvm/Object/Archive.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"

using namespace llvm;

namespace relink {
namespace {

constexpr uint64_t headerSize = 60; ///< struct ar_hdr

/// A member header as GNU ar writes it: the name is \p name, the fields that
/// lld does not read are those of ar's deterministic mode.
void writeHeader(char *out, const Twine &name, uint64_t size) {
  std::string text = formatv("{0,-16}{1,-12}{2,-6}{3,-6}{4,-8}{5,-10}`\n",
                             name.str(), 0, 0, 0, 644, size);
  memcpy(out, text.data(), headerSize);
}

class PaddedArchive {
public:
  PaddedArchive(std::vector<ArchiveMember> members, const ObjectChanges &changes);
  std::unique_ptr<MemoryBuffer> write(StringRef identifier, ZeroedMemory &memory);
  bool isPadded() const {
    return llvm::any_of(plans,
                        [](const PaddedObject &p) { return p.isPadded(); });
  }
  /// Whether edit() can do it.
  bool canStay() const {
    return all_of(members, [](const ArchiveMember &m) { return m.path.empty(); }) &&
           all_of(plans, [](const PaddedObject &p) {
             return !p.isPadded() || p.canStay();
           });
  }
  /// Changes \p copy, of the archive \p file.
  void edit(MutableArrayRef<char> copy, StringRef file, GrownSections &grown) const;

private:
  uint64_t size(size_t i) const {
    return plans[i].isPadded() ? plans[i].size() : members[i].bytes.size();
  }
  std::vector<ArchiveMember> members;
  std::vector<PaddedObject> plans;
};

PaddedArchive::PaddedArchive(std::vector<ArchiveMember> m,
                             const ObjectChanges &changes)
    : members(std::move(m)), plans(members.size()) {
  parallelFor(0, members.size(), [&](size_t i) {
    plans[i] = PaddedObject::plan(members[i].bytes, changes);
  });
}

void PaddedArchive::edit(MutableArrayRef<char> copy, StringRef file,
                         GrownSections &grown) const {
  auto place = [&](size_t i) {
    return copy.data() + (members[i].bytes.data() - file.data());
  };
  parallelFor(0, members.size(), [&](size_t i) {
    if (plans[i].isPadded())
      plans[i].edit(place(i));
  });
  for (size_t i = 0; i < members.size(); ++i)
    if (plans[i].isPadded())
      grown.add({place(i), members[i].bytes.size()}, plans[i].grown());
}

/// Every name is in the table of long names, "//": the header then has its
/// place there.
std::unique_ptr<MemoryBuffer> PaddedArchive::write(StringRef identifier,
                                                   ZeroedMemory &memory) {
  constexpr StringRef magic = "!<arch>\n";
  std::string names;
  std::vector<uint64_t> nameAt, offsets;
  for (const ArchiveMember &m : members) {
    nameAt.push_back(names.size());
    names += (m.name + "/\n").str();
  }
  if (names.size() % 2)
    names += '\n';
  uint64_t at = magic.size() + headerSize + names.size();
  for (size_t i = 0; i < members.size(); ++i) {
    offsets.push_back(at);
    at = alignTo(at + headerSize + size(i), 2);
  }
  MutableArrayRef<char> buffer = memory.take<char>(at);
  char *out = buffer.data();
  memcpy(out, magic.data(), magic.size());
  writeHeader(out + magic.size(), "//", names.size());
  memcpy(out + magic.size() + headerSize, names.data(), names.size());
  parallelFor(0, members.size(), [&](size_t i) {
    char *member = out + offsets[i];
    writeHeader(member, "/" + Twine(nameAt[i]), size(i));
    if (plans[i].isPadded())
      plans[i].write(member + headerSize);
    else
      memcpy(member + headerSize, members[i].bytes.data(), size(i));
    if (size(i) % 2)
      member[headerSize + size(i)] = '\n';
  });
  return MemoryBuffer::getMemBuffer({out, buffer.size()}, identifier,
                                    /*RequiresNullTerminator=*/false);
}

} // namespace

std::vector<ArchiveMember> readArchive(MemoryBufferRef ref) {
  std::vector<ArchiveMember> members;
  auto archive = object::Archive::create(ref);
  if (!archive) {
    consumeError(archive.takeError());
    return {};
  }
  Error error = Error::success();
  bool whole = true;
  for (const object::Archive::Child &child : (*archive)->children(error)) {
    ArchiveMember m;
    auto name = child.getName();
    whole &= bool(name);
    if (name)
      m.name = *name;
    else
      consumeError(name.takeError());
    if ((*archive)->isThin()) {
      auto path = child.getFullName();
      whole &= bool(path);
      if (path)
        m.path = std::move(*path);
      else
        consumeError(path.takeError());
    } else {
      auto bytes = child.getBuffer();
      whole &= bool(bytes);
      if (bytes)
        m.bytes = *bytes;
      else
        consumeError(bytes.takeError());
    }
    members.push_back(std::move(m));
  }
  whole &= !error;
  consumeError(std::move(error));
  return whole ? members : std::vector<ArchiveMember>();
}

/// An archive's objects are compiled alike: the first with code tells. To look at
/// each would take as long as to read the archive.
static bool hasSmallTables(ArrayRef<ArchiveMember> members) {
  constexpr size_t most = 16;
  for (const ArchiveMember &m : members.take_front(most))
    if (PaddedObject::plan(m.bytes, {{}, true}).hasSmallTable())
      return true;
  return false;
}

std::unique_ptr<MemoryBuffer> padArchive(StringRef path, const MemoryBuffer &file,
                                         const ObjectChanges &changes,
                                         ZeroedMemory &memory, GrownSections &grown) {
  std::vector<ArchiveMember> members = readArchive(file.getMemBufferRef());
  std::vector<std::unique_ptr<MemoryBuffer>> files;
  for (ArchiveMember &m : members) {
    if (m.path.empty())
      continue;
    auto member = readRealFile(m.path);
    if (!member)
      return nullptr; // lld says which
    m.bytes = (*member)->getBuffer();
    files.push_back(std::move(*member));
  }
  if (!changes.padding && !hasSmallTables(members))
    return nullptr;
  PaddedArchive padded(std::move(members), changes);
  if (!padded.isPadded())
    return nullptr;
  if (changes.inPlace && padded.canStay())
    if (auto copy = privateCopy(path, file)) {
      padded.edit(copy->getBuffer(), file.getBuffer(), grown);
      return copy;
    }
  return padded.write(file.getBufferIdentifier(), memory);
}

} // namespace relink
