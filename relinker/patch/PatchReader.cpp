//===- PatchReader.cpp - Patch files to objects ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchReader.h"
#include "AddressMap.h"
#include "EarlierPatches.h"
#include "Error.h"
#include "Link.h"
#include "Split.h"
#include "SymbolIndex.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/Archive.h"

using namespace llvm;

namespace relink {
namespace {

/// An archive member that no one has asked for yet.
struct Member {
  size_t archive = 0;    ///< its number
  std::string name;      ///< in it
  MemoryBufferRef buffer;
  StringSet<> defines;
  bool taken = false;
};

class PatchReader {
public:
  PatchReader(const Config &config, ArrayRef<std::string> files,
              const Image &image, const Target &target, uint64_t mostDebugInfo,
              ChangedInputs *changed)
      : config(config), files(files), image(image), target(target),
        mostDebugInfo(mostDebugInfo), changed(changed) {}
  Expected<std::vector<std::unique_ptr<Object>>> run();

private:
  Error addFile(StringRef path);
  Error addArchive(MemoryBufferRef buffer);
  Error addObject(MemoryBufferRef buffer);
  Error takeChanged(size_t first);
  Error takeMembers();
  Error noMemberError(bool hasFullTable) const;
  Error compileModules();
  Error checkAlignments() const;

  const Config &config;
  ArrayRef<std::string> files;
  const Image &image;
  const Target &target;
  uint64_t mostDebugInfo;
  ChangedInputs *changed;
  std::vector<std::unique_ptr<MemoryBuffer>> buffers;
  std::vector<std::string> takenGroups;
  std::vector<MemoryBufferRef> modules;
  std::vector<Member> members;
  std::vector<std::unique_ptr<object::Archive>> archives;
  std::vector<std::unique_ptr<Object>> objects;
};

Error PatchReader::addObject(MemoryBufferRef buffer) {
  if (identify_magic(buffer.getBuffer()) == file_magic::bitcode) {
    modules.push_back(buffer);
    return Error::success();
  }
  auto object = readObject(buffer, takenGroups, mostDebugInfo);
  if (!object)
    return object.takeError();
  objects.push_back(std::move(*object));
  return Error::success();
}

Error PatchReader::addArchive(MemoryBufferRef buffer) {
  auto archive = object::Archive::create(buffer);
  if (!archive)
    return makeError(buffer.getBufferIdentifier() + ": " +
                     toString(archive.takeError()));
  size_t first = members.size();
  AddressMap<size_t> byOffset; // index in members
  Error iteration = Error::success();
  for (const object::Archive::Child &child : (*archive)->children(iteration)) {
    auto data = child.getMemoryBufferRef();
    auto name = child.getName();
    if (!data || !name) {
      consumeError(std::move(iteration));
      return makeError(buffer.getBufferIdentifier() + ": " +
                       toString(!data ? data.takeError() : name.takeError()));
    }
    buffers.push_back(MemoryBuffer::getMemBuffer(
        data->getBuffer(),
        (buffer.getBufferIdentifier() + "(" + *name + ")").str(), false));
    byOffset[child.getChildOffset()] = members.size();
    members.push_back({archives.size(), name->str(),
                       buffers.back()->getMemBufferRef(), {}, false});
  }
  if (iteration)
    return makeError(buffer.getBufferIdentifier() + ": " +
                     toString(std::move(iteration)));
  for (const auto &symbol : (*archive)->symbols()) {
    auto child = symbol.getMember();
    if (!child)
      return makeError(buffer.getBufferIdentifier() + ": " +
                       toString(child.takeError()));
    if (auto it = byOffset.find(child->getChildOffset()); it != byOffset.end())
      members[it->second].defines.insert(symbol.getName());
  }
  archives.push_back(std::move(*archive));
  return changed ? takeChanged(first) : Error::success();
}

/// Of an archive's members, which start at number \p first: those that the app has
/// in another version are part of the patch, and those that it has are not.
Error PatchReader::takeChanged(size_t first) {
  StringRef path = archives.back()->getFileName();
  std::vector<ChangedInputs::Member> asked;
  for (const Member &m : drop_begin(members, first))
    asked.push_back({m.name, m.buffer.getBuffer()});
  auto choices = changed->chooseMembers(path, asked);
  if (!choices)
    return choices.takeError();
  for (auto [m, choice] : zip(drop_begin(members, first), *choices)) {
    m.taken = choice != ChangedInputs::Choice::IfNeeded;
    if (choice == ChangedInputs::Choice::Take)
      if (Error e = addObject(m.buffer))
        return e;
  }
  return Error::success();
}

Error PatchReader::addFile(StringRef path) {
  auto file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return makeError(path + ": cannot open: " + file.getError().message());
  buffers.push_back(std::move(*file));
  MemoryBufferRef buffer = buffers.back()->getMemBufferRef();
  if (identify_magic(buffer.getBuffer()) == file_magic::archive)
    return addArchive(buffer);
  if (changed && changed->chooseObject(path, buffer.getBuffer()) ==
                     ChangedInputs::Choice::Leave)
    return Error::success();
  return addObject(buffer);
}

/// As in a link, a member is taken when it defines what is wanted: a function
/// to replace (those of --replace, or else those the app has), or a symbol that
/// is undefined so far and that the app does not have. Of a stripped app the objects
/// before the fix tell what it has, so all members are compared.
Error PatchReader::takeMembers() {
  if (members.empty())
    return Error::success();
  StringSet<> names;
  for (const Member &m : members)
    for (const auto &entry : m.defines)
      names.insert(plainName(entry.first()));
  auto index = SymbolIndex::read(image, config, names, EarlierPatches::read(image));
  if (!index)
    return index.takeError();
  auto appHas = [&](StringRef name) { return !index->find(plainName(name)).empty(); };
  bool alone = objects.empty() && modules.empty() && !changed;
  bool isBlind = !index->hasFullTable && !config.originals.empty();
  for (bool more = true; more;) {
    more = false;
    StringSet<> wanted;
    for (const std::string &name : config.replace)
      wanted.insert(name);
    for (auto &object : objects)
      for (const ObjectSymbol &s : object->symbols)
        if (!s.isDefined() && !appHas(s.name))
          wanted.insert(s.name);
    for (Member &m : members) {
      if (m.taken || none_of(m.defines, [&](const auto &entry) {
            return wanted.contains(entry.first()) ||
                   (alone && config.replace.empty() &&
                    (isBlind || appHas(entry.first())));
          }))
        continue;
      m.taken = more = true;
      if (changed)
        changed->takeNeeded(archives[m.archive]->getFileName(), m.name);
      if (Error e = addObject(m.buffer))
        return e;
    }
  }
  if (alone && none_of(members, [](const Member &m) { return m.taken; }))
    return noMemberError(index->hasFullTable);
  return Error::success();
}

/// Rather than nothing to do.
Error PatchReader::noMemberError(bool hasFullTable) const {
  std::string text = (archives.front()->getFileName() + ": no member defines a function " +
                      (config.replace.empty() ? "that " + image.path + " has"
                                              : "of --replace"))
                         .str();
  if (!hasFullTable && config.replace.empty())
    text += "\n>>> its symbol table was stripped; only exported names are known"
            "\n>>> remedy: --orig with the archive or the objects before the fix, "
            "--replace NAME, or --debug-file FILE";
  return makeError(text);
}

Error PatchReader::compileModules() {
  if (modules.empty())
    return Error::success();
  std::string name = modules.front().getBufferIdentifier().str();
  auto compiled = compileBitcode(modules, name);
  if (!compiled)
    return compiled.takeError();
  buffers.push_back(std::move(*compiled));
  auto object = readObject(buffers.back()->getMemBufferRef(), takenGroups, mostDebugInfo);
  if (!object)
    return object.takeError();
  objects.push_back(std::move(*object));
  return Error::success();
}

/// Loaders put a program that can be anywhere at a multiple of a page. In one at
/// a fixed address the room in front of the section is part of the file.
Error PatchReader::checkAlignments() const {
  constexpr uint64_t mostFixed = uint64_t(2) << 20;
  uint64_t most = image.isPositionIndependent() ? pageSize : mostFixed;
  for (auto &object : objects)
    for (const ObjectSection &s : object->sections)
      if (s.isAlloc() && s.align > most)
        return makeError(object->name + ": section " + s.name +
                         " wants an address that is a multiple of " +
                         Twine(s.align) + "\n>>> in " + image.path + ", a " +
                         toString(image.kind) + ", at most " + Twine(most) +
                         " can be had");
  return Error::success();
}

Expected<std::vector<std::unique_ptr<Object>>> PatchReader::run() {
  for (const std::string &path : files)
    if (Error e = addFile(path))
      return e;
  if (Error e = takeMembers())
    return e;
  if (Error e = compileModules())
    return e;
  if (Error e = checkAlignments())
    return e;
  for (auto &object : objects)
    if (Error e = splitSections(*object, target))
      return e;
  return std::move(objects);
}

} // namespace

Expected<std::vector<std::unique_ptr<Object>>>
readPatch(const Config &config, ArrayRef<std::string> files, const Image &image,
          const Target &target, uint64_t mostDebugInfo, ChangedInputs *changed) {
  return PatchReader(config, files, image, target, mostDebugInfo, changed).run();
}

} // namespace relink
