//===- PatchReader.cpp - Patch files to objects ---------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PatchReader.h"
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
  MemoryBufferRef buffer;
  StringSet<> defines;
  bool taken = false;
};

class PatchReader {
public:
  PatchReader(const Config &config, ArrayRef<std::string> files,
              const Image &image, const Target &target, uint64_t mostDebugInfo)
      : config(config), files(files), image(image), target(target),
        mostDebugInfo(mostDebugInfo) {}
  Expected<std::vector<std::unique_ptr<Object>>> run();

private:
  Error addFile(StringRef path);
  Error addArchive(MemoryBufferRef buffer);
  Error addObject(MemoryBufferRef buffer);
  Error takeMembers();
  Error compileModules();
  Error checkAlignments() const;

  const Config &config;
  ArrayRef<std::string> files;
  const Image &image;
  const Target &target;
  uint64_t mostDebugInfo;
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
  DenseMap<uint64_t, size_t> byOffset; // index in members
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
    members.push_back({buffers.back()->getMemBufferRef(), {}, false});
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
  return Error::success();
}

Error PatchReader::addFile(StringRef path) {
  auto file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return makeError(path + ": cannot open: " + file.getError().message());
  buffers.push_back(std::move(*file));
  MemoryBufferRef buffer = buffers.back()->getMemBufferRef();
  return identify_magic(buffer.getBuffer()) == file_magic::archive
             ? addArchive(buffer)
             : addObject(buffer);
}

/// As in a link, a member is taken when it defines what is wanted: a function
/// to replace (those of --replace, or else those the app has), or a symbol that
/// is undefined so far and that the app does not have.
Error PatchReader::takeMembers() {
  if (members.empty())
    return Error::success();
  StringSet<> names;
  for (const Member &m : members)
    for (const auto &entry : m.defines)
      names.insert(plainName(entry.first()));
  auto index = SymbolIndex::read(image, config, names);
  if (!index)
    return index.takeError();
  auto appHas = [&](StringRef name) { return !index->find(plainName(name)).empty(); };
  bool alone = objects.empty() && modules.empty();
  for (bool changed = true; changed;) {
    changed = false;
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
                   (alone && config.replace.empty() && appHas(entry.first()));
          }))
        continue;
      m.taken = changed = true;
      if (Error e = addObject(m.buffer))
        return e;
    }
  }
  return Error::success();
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
          const Target &target, uint64_t mostDebugInfo) {
  return PatchReader(config, files, image, target, mostDebugInfo).run();
}

} // namespace relink
