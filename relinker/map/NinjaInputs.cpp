//===- NinjaInputs.cpp - What a program was linked from, by Ninja ---------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NinjaInputs.h"
#include "Error.h"
#include "NinjaLog.h"
#include "SameProgram.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace relink {
namespace {

enum class FileKind { Absent, Object, Archive, Other };

class NinjaReader {
public:
  NinjaReader(const Config &config, const Image &app, const NinjaManifest &manifest,
              const NinjaLog &log)
      : config(config), app(app), manifest(manifest), log(log) {}
  Expected<NinjaInputs> run(bool hasMap);

private:
  Expected<const NinjaEdge *> findLink() const;
  const NinjaEdge *linkAt(StringRef name) const;
  SmallSetVector<const NinjaEdge *, 4> linksCalled(StringRef name) const;
  const NinjaEdge *followAliases(const NinjaEdge *edge) const;
  bool isLink(const NinjaEdge &edge) const;
  Error noSuchTarget(StringRef name) const;
  FileKind kindOf(StringRef path) const;
  FileKind readKind(StringRef path) const;
  std::optional<uint64_t> fileTime(StringRef path);
  Error checkUpToDate(StringRef output, StringRef target);
  Error checkInput(StringRef output, StringRef input, uint64_t made,
                   StringRef target);
  Error checkArchive(StringRef archive);
  Error chooseByTime(const NinjaEdge &link);
  Error chooseLater(StringRef path, FileKind kind, uint64_t linked);
  Error stale(StringRef output, const Twine &why, StringRef target) const;

  const Config &config;
  const Image &app;
  const NinjaManifest &manifest;
  const NinjaLog &log;
  std::vector<std::pair<StringRef, FileKind>> inputs;
  mutable StringMap<FileKind> kinds;
  StringMap<std::optional<uint64_t>> fileTimes;
  DenseSet<StringRef> checked; ///< to be up to date
  NinjaInputs out;
};

FileKind NinjaReader::kindOf(StringRef path) const {
  auto [it, isNew] = kinds.try_emplace(path);
  if (isNew)
    it->second = readKind(path);
  return it->second;
}

FileKind NinjaReader::readKind(StringRef path) const {
  std::string file = manifest.inFileSystem(path);
  if (!sys::fs::is_regular_file(file))
    return FileKind::Absent;
  file_magic magic;
  if (identify_magic(file, magic))
    return FileKind::Absent;
  switch (magic) {
  case file_magic::archive:
    return FileKind::Archive;
  case file_magic::elf_relocatable:
  case file_magic::bitcode:
    return FileKind::Object;
  default:
    return FileKind::Other;
  }
}

/// Whether it makes a program of objects, and not an archive or an object.
bool NinjaReader::isLink(const NinjaEdge &edge) const {
  auto isPart = [&](StringRef path) {
    FileKind kind = kindOf(path);
    return kind == FileKind::Object || kind == FileKind::Archive;
  };
  return edge.rule != "phony" && any_of(edge.inputs, isPart) &&
         !isPart(edge.outputs[0]);
}

/// From a phony name or a symbolic link's to what it stands for.
const NinjaEdge *NinjaReader::followAliases(const NinjaEdge *edge) const {
  for (unsigned steps = 0; edge && steps < 16; ++steps) {
    if (isLink(*edge))
      return edge;
    if (edge->inputs.size() != 1)
      return nullptr;
    edge = manifest.edgeOf(edge->inputs[0]);
  }
  return nullptr;
}

/// By a path in the build directory or of the file system.
const NinjaEdge *NinjaReader::linkAt(StringRef name) const {
  std::string path = canonicalNinjaPath(name);
  if (const NinjaEdge *edge = followAliases(manifest.edgeOf(path)))
    return edge;
  SmallString<128> absolute(path), directory(manifest.directory);
  sys::fs::make_absolute(absolute);
  sys::fs::make_absolute(directory);
  sys::path::remove_dots(directory, true);
  StringRef inside = absolute;
  return inside.consume_front(directory) && inside.consume_front("/")
             ? followAliases(manifest.edgeOf(inside))
             : nullptr;
}

SmallSetVector<const NinjaEdge *, 4> NinjaReader::linksCalled(StringRef name) const {
  auto isCalledSo = [&](StringRef path) { return sys::path::filename(path) == name; };
  SmallSetVector<const NinjaEdge *, 4> out;
  for (const NinjaEdge &edge : manifest.edges())
    if (any_of(edge.outputs, isCalledSo))
      if (const NinjaEdge *link = followAliases(&edge);
          // What is made from the program, a patched one, is no link of it.
          link && none_of(link->inputs, isCalledSo))
        out.insert(link);
  return out;
}

Error NinjaReader::noSuchTarget(StringRef name) const {
  std::string message = manifest.inFileSystem("build.ninja") +
                        ": no program called " + name.str() +
                        " is linked there from objects that are built";
  unsigned shown = 0;
  for (const NinjaEdge &edge : manifest.edges())
    if (shown < 10 && isLink(edge)) {
      message += "\n>>> there is: " + edge.outputs[0].str();
      ++shown;
    }
  return makeError(message + "\n>>> remedy: --ninja-target=NAME, if it has another "
                             "name there; or build it: ninja -C " +
                   manifest.directory);
}

Expected<const NinjaEdge *> NinjaReader::findLink() const {
  StringRef name = config.ninjaTarget;
  if (name.empty())
    name = sys::path::filename(config.app);
  else if (const NinjaEdge *link = linkAt(name))
    return link;
  auto found = linksCalled(name);
  if (found.size() == 1)
    return found[0];
  if (found.empty())
    return noSuchTarget(name);
  std::string message = manifest.inFileSystem("build.ninja") + ": " +
                        std::to_string(found.size()) + " programs are called " +
                        name.str();
  for (const NinjaEdge *edge : found)
    message += "\n>>> candidate: " + edge->outputs[0].str();
  return makeError(message + "\n>>> remedy: --ninja-target=" +
                   found[0]->outputs[0]);
}

/// \p target is what is to be built, to have \p output where the link finds it.
Error NinjaReader::stale(StringRef output, const Twine &why, StringRef target) const {
  return makeError(manifest.inFileSystem(output) + ": " + why +
                   "\n>>> remedy: ninja -C " + manifest.directory + " " + target);
}

std::optional<uint64_t> NinjaReader::fileTime(StringRef path) {
  auto [it, isNew] = fileTimes.try_emplace(path);
  sys::fs::file_status status;
  if (isNew && !sys::fs::status(manifest.inFileSystem(path), status))
    it->second = status.getLastModificationTime().time_since_epoch().count();
  return it->second;
}

Error NinjaReader::checkInput(StringRef output, StringRef input, uint64_t made,
                              StringRef target) {
  const NinjaEdge *edge = manifest.edgeOf(input);
  if (edge && edge->rule == "phony")
    return Error::success();
  auto time = fileTime(input);
  if (!time)
    return stale(output, "is made from " + input + ", which is not there", target);
  return *time > made ? stale(output, "is older than " + input +
                                          ", which it is made from", target)
                      : Error::success();
}

/// What Ninja would look at before it makes \p output.
Error NinjaReader::checkUpToDate(StringRef output, StringRef target) {
  const NinjaEdge *edge = manifest.edgeOf(output);
  if (!edge || !checked.insert(output).second)
    return Error::success();
  auto made = log.timeOf(output);
  if (!made)
    return stale(output, log.path + " has no entry for it", target);
  std::vector<StringRef> all = log.dependencies(output);
  append_range(all, edge->inputs);
  append_range(all, edge->implicit);
  for (StringRef input : all)
    if (Error e = checkInput(output, input, *made, target))
      return e;
  return Error::success();
}

Error NinjaReader::checkArchive(StringRef archive) {
  if (const NinjaEdge *edge = manifest.edgeOf(archive))
    for (StringRef member : edge->inputs)
      if (Error e = checkUpToDate(member, archive))
        return e;
  return checkUpToDate(archive, archive);
}

Error NinjaReader::chooseLater(StringRef path, FileKind kind, uint64_t linked) {
  const NinjaEdge *edge = manifest.edgeOf(path);
  auto made = edge ? log.timeOf(path) : fileTime(path);
  if (!made || *made <= linked)
    return Error::success();
  if (kind == FileKind::Object) {
    out.files.push_back(manifest.inFileSystem(path));
    return Error::success();
  }
  // A member that the app does not have could define what another one does.
  std::string message = manifest.inFileSystem(path) + ": was made after " +
                        config.app + ", which has no map that says which of its "
                        "members it was linked from";
  for (StringRef member : edge ? ArrayRef(edge->inputs) : ArrayRef<StringRef>())
    if (auto time = log.timeOf(member); time && *time > linked)
      message += "\n>>> changed: " + manifest.inFileSystem(member);
  return makeError(message + "\n>>> remedy: link with ld.relink, which leaves a map; "
                             "or name the objects: relink APP OBJECT... -o OUT");
}

/// Without a map Ninja's log has to do, which knows the last link only.
Error NinjaReader::chooseByTime(const NinjaEdge &link) {
  StringRef program = link.outputs[0];
  auto linked = log.timeOf(program);
  if (!linked)
    return stale(program, log.path + " has no entry for it", program);
  auto same = isSameProgram(app, manifest.inFileSystem(program));
  if (!same)
    return same.takeError();
  if (!*same)
    return makeError(
        config.app + ": is not what " + manifest.inFileSystem(program) +
        " is now: that was linked again, and " + config.app +
        " has no map of what it was linked from\n>>> remedy: link with ld.relink, "
        "which leaves a map; or name the objects: relink APP OBJECT... -o OUT");
  for (const auto &[path, kind] : inputs)
    if (Error e = chooseLater(path, kind, *linked))
      return e;
  out.notes.push_back(app.path + " has no map of what it was linked from: what was "
                      "made after " + manifest.inFileSystem(program) +
                      " is told by " + log.path);
  return Error::success();
}

Expected<NinjaInputs> NinjaReader::run(bool hasMap) {
  auto link = findLink();
  if (!link)
    return link.takeError();
  SmallSetVector<StringRef, 16> paths((*link)->inputs.begin(), (*link)->inputs.end());
  paths.insert_range((*link)->implicit);
  for (StringRef path : paths) {
    const NinjaEdge *edge = manifest.edgeOf(path);
    if (edge && edge->rule == "phony")
      continue;
    FileKind kind = kindOf(path);
    if (kind == FileKind::Absent)
      return stale(path, "is not there", path);
    if (kind == FileKind::Other)
      continue;
    if (Error e = kind == FileKind::Archive ? checkArchive(path) : checkUpToDate(path, path))
      return e;
    inputs.push_back({path, kind});
  }
  out.considered = inputs.size();
  if (!hasMap) {
    if (Error e = chooseByTime(**link))
      return e;
    return std::move(out);
  }
  for (const auto &[path, kind] : inputs)
    out.files.push_back(manifest.inFileSystem(path));
  return std::move(out);
}

} // namespace

Expected<NinjaInputs> readNinjaInputs(const Config &config, const Image &app,
                                      bool hasMap) {
  auto manifest = NinjaManifest::read(config.ninjaDirectory);
  if (!manifest)
    return makeError(toString(manifest.takeError()) +
                     "\n>>> remedy: give --from-ninja the directory of a build with "
                     "Ninja");
  auto log = NinjaLog::read(**manifest);
  if (!log)
    return log.takeError();
  return NinjaReader(config, app, **manifest, *log).run(hasMap);
}

} // namespace relink
