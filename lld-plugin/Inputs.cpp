//===- Inputs.cpp - The inputs of a link, as lld gets them ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Archive.h"
#include "Error.h"
#include "FunctionPadding.h"
#include "HotPatch.h"
#include "InputObject.h"
#include "Wrap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llvm::ELF;
using namespace relink::reserve;

namespace relink {

void Inputs::warn(const Twine &message) const {
  errs() << program << ": warning: " << message << "\n";
}

/// The first ELF file or module decides, as it does for lld.
void Inputs::noteMachine(StringRef bytes) {
  if (machine)
    return;
  MachineOf m = machineOf(bytes);
  machine = m.machine;
  fileClass = m.fileClass;
  encoding = m.encoding;
  if (options.padding && machine && !canPad(machine))
    warn("--function-padding: no padding is made for this architecture");
}

void Inputs::addObject(StringRef path, StringRef bytes, StringRef original) {
  Sizes held = sectionTotals(bytes);
  for (unsigned i = 0; i < poolKinds; ++i)
    named[i] += held[i];
  Source s;
  s.bytes = bytes;
  s.original = original;
  s.file = path.str();
  // Libraries and modules have no entries to check.
  s.isToolchain = isToolchainFile(path) ||
                  identify_magic(bytes) != file_magic::elf_relocatable;
  sources[path].push_back(std::move(s));
}

/// \p original has the same members as they were on disk.
void Inputs::addMembers(StringRef path, MemoryBufferRef archive,
                        MemoryBufferRef original) {
  if (!options.reserve && !options.patchMap &&
      options.hotPatch == HotPatchPolicy::Off)
    return;
  bool isToolchain = isToolchainFile(path), isPadded = archive != original;
  std::vector<ArchiveMember> members = readArchive(archive), originals;
  if (isPadded)
    originals = readArchive(original);
  for (size_t i = 0; i < members.size(); ++i) {
    ArchiveMember &m = members[i];
    if (m.path.empty())
      noteMachine(m.bytes);
    else if (!machine)
      if (auto file = readRealFile(m.path))
        noteMachine((*file)->getBuffer());
    Source s;
    s.bytes = s.original = m.bytes;
    if (i < originals.size()) {
      s.original = originals[i].bytes;
      s.originalPath = originals[i].path;
    }
    uint64_t size = 0;
    if (!m.path.empty() && !sys::fs::file_size(m.path, size))
      bytesRead += size;
    s.path = std::move(m.path);
    s.isToolchain = isToolchain;
    s.file = path.str();
    s.member = m.name.str();
    sources[(path + "(" + m.name + ")").str()].push_back(std::move(s));
  }
}

/// Null where nothing can be padded.
std::unique_ptr<MemoryBuffer> Inputs::pad(StringRef path, const MemoryBuffer &file) {
  if (identify_magic(file.getBuffer()) == file_magic::archive)
    return padArchive(path, file, options.changes(), paddedMemory, grownSections);
  PaddedObject object = PaddedObject::plan(file.getBuffer(), options.changes());
  if (!object.isPadded())
    return nullptr;
  if (options.changes().inPlace && object.canStay())
    if (auto copy = privateCopy(path, file)) {
      object.edit(copy->getBufferStart());
      grownSections.add({copy->getBufferStart(), copy->getBufferSize()}, object.grown());
      return copy;
    }
  auto out = WritableMemoryBuffer::getNewUninitMemBuffer(object.size(), path);
  object.write(out->getBufferStart());
  return out;
}

std::unique_ptr<MemoryBuffer>
Inputs::adapt(StringRef path, std::unique_ptr<MemoryBuffer> file) {
  std::lock_guard<std::mutex> lock(mutex);
  file_magic magic = identify_magic(file->getBuffer());
  if (magic != file_magic::elf_relocatable &&
      magic != file_magic::elf_shared_object && magic != file_magic::archive &&
      magic != file_magic::bitcode)
    return file; // a script, a list of symbols
  auto [known, isNew] = padded.try_emplace(path);
  if (!isNew)
    return MemoryBuffer::getMemBuffer(known->second, path, false);

  noteMachine(file->getBuffer());
  MemoryBufferRef original = file->getMemBufferRef();
  std::unique_ptr<MemoryBuffer> padding;
  if (options.changes() && magic != file_magic::elf_shared_object &&
      magic != file_magic::bitcode)
    padding = pad(path, *file);
  MemoryBufferRef seen = padding ? padding->getMemBufferRef() : original;
  StringRef bytes = known->second = seen.getBuffer();
  bytesRead += bytes.size();
  if (magic == file_magic::archive)
    addMembers(path, seen, original);
  else
    addObject(path, bytes, original.getBuffer());
  if (magic == file_magic::bitcode)
    bitcode.push_back(path.str());
  // The map takes an object's hash from what was on disk.
  if (!padding || options.patchMap)
    kept.push_back(std::move(file));
  if (padding)
    kept.push_back(std::move(padding));
  return MemoryBuffer::getMemBuffer(bytes, path, false);
}

Inputs::Sizes Inputs::poolSizes(const Sizes &held) const {
  Sizes out;
  for (unsigned i = 0; i < poolKinds; ++i) {
    const PoolRequest &p = options.pools[i];
    uint64_t share = std::min(held[i] / 100 * p.percent, p.most);
    out[i] = alignTo(std::max(p.bytes, share), 64);
  }
  return out;
}

std::unique_ptr<MemoryBuffer> Inputs::reserveFor(StringRef path) {
  if (!options.reserve || path != reserveName)
    return nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (!ReserveObject::supports(machine, fileClass, encoding)) {
    if (options.askedReserve)
      warn("--patch-reserve: no reserve is made for this architecture");
    // An object would have to have the right e_flags; a script need not.
    return MemoryBuffer::getMemBuffer("/* no reserve */", reserveName);
  }
  // No object holds more than its file, save in .bss, which takes none.
  Sizes most;
  most.fill(bytesRead + grownSections.addedBytes());
  most = poolSizes(most);
  reserve.emplace(machine, options, most, reserveName);
  contents.sizes = poolSizes(named);
  reserve->update(contents);
  return reserve->takeBuffer();
}

/// One object's entries become part of the record.
void Inputs::addEntries(const Entries &object) {
  const HotPatchFacts &f = object.facts;
  if (!f.understood || !f.functions)
    return;
  ++contents.codeObjects;
  if (!f.isReady()) {
    notReady.push_back(object.name);
    return;
  }
  ++contents.readyObjects;
  if (!f.oddFunction.empty())
    odd.push_back(object.name + ": " + f.oddFunction);
  mixed |= f.prefixNops != f.greatestPrefix ||
           (anyReady && f.prefixNops != contents.prefixNops);
  auto least = [&](uint16_t old, unsigned now) {
    now = std::min(now, 0xffffu);
    return anyReady ? std::min<uint16_t>(old, now) : now;
  };
  contents.entryNops = least(contents.entryNops, f.entryNops);
  contents.prefixNops = least(contents.prefixNops, f.prefixNops);
  anyReady = true;
}

void Inputs::opened(StringRef path, MemoryBufferRef member) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = sources.find(
      (path + "(" + member.getBufferIdentifier() + ")").str());
  if (it == sources.end())
    return;
  // Members of one name come in the archive's order.
  for (Source &s : it->second)
    if (s.bytes.empty()) {
      s.bytes = s.original = member.getBuffer();
      return;
    }
}

void Inputs::take(StringRef name, Source &source) {
  source.isTaken = anyTaken = true;
  if (!source.path.empty() && source.bytes.empty()) {
    auto file = readRealFile(source.path);
    if (!file)
      return; // gone since lld read it
    source.bytes = source.original = (*file)->getBuffer();
    kept.push_back(std::move(*file));
  }
  Sizes s = sectionTotals(source.bytes);
  for (unsigned i = 0; i < poolKinds; ++i)
    taken[i] += s[i];
  bool excepted = source.isToolchain || llvm::any_of(except, [&](auto &glob) {
                    return glob.match(name);
                  });
  if (options.hotPatch != HotPatchPolicy::Off && !excepted) {
    Entries &e = entries.emplace_back(Entries{name.str(), source.bytes, {}});
    entryTasks.async([&e] { e.facts = findHotPatchEntries(e.bytes); });
  }
  if (options.patchMap)
    addToMap(name, source);
}

void Inputs::addToMap(StringRef name, Source &source) {
  file_magic magic = identify_magic(source.bytes);
  if (magic != file_magic::elf_relocatable && magic != file_magic::bitcode)
    return;
  if (!source.originalPath.empty())
    if (auto file = readRealFile(source.originalPath)) {
      source.original = (*file)->getBuffer();
      kept.push_back(std::move(*file));
    }
  if (!map)
    map = std::make_unique<PatchMapWriter>(threads);
  map->add(name, {lastingName(source.file), source.member, source.original, source.bytes});
}

bool Inputs::traced(StringRef line) {
  std::lock_guard<std::mutex> lock(mutex);
  if (line == reserveName) {
    if (reserve && !options.reproduce) {
      contents.sizes = poolSizes(taken);
      reserve->update(contents);
    }
    return true;
  }
  auto it = sources.find(line);
  if (it == sources.end())
    return false;
  // Members of one name come in the archive's order.
  for (Source &s : it->second)
    if (!s.isTaken) {
      take(line, s);
      break;
    }
  return true;
}

bool Inputs::folded(StringRef line) {
  std::lock_guard<std::mutex> lock(mutex);
  if (line.consume_front("selected section ")) {
    keptFold = line.str();
    return true;
  }
  if (!line.consume_front("  removing identical section "))
    return false;
  if (map)
    map->addFold(keptFold, line);
  return true;
}

Error Inputs::finish() {
  std::lock_guard<std::mutex> lock(mutex);
  grownSections.seal();
  // lld tries whether it can create the output before it reads anything.
  if (!anyTaken || std::exchange(isFinished, true) ||
      options.hotPatch == HotPatchPolicy::Off)
    return Error::success();
  entryTasks.wait();
  for (const Entries &e : entries)
    addEntries(e);
  contents.hotPatch = !anyReady ? HotPatchKind::None
                      : mixed   ? HotPatchKind::Mixed
                                : HotPatchKind::Uniform;
  if (reserve && !options.reproduce)
    reserve->update(contents);

  bool refuse = options.hotPatch == HotPatchPolicy::Require;
  const char *severity = refuse ? ": error: " : ": warning: ";
  for (const std::string &what : odd)
    errs() << program << severity << what
           << ": an odd number of nops in front of its entry\n"
              ">>> its address is odd, and C++ pointers to member functions "
              "mark virtual ones by an odd address\n"
              ">>> remedy: an even M in -fpatchable-function-entry=N,M\n";
  if (!refuse)
    return Error::success();
  for (const std::string &what : notReady)
    errs() << program << severity << what
           << ": its functions have no hot-patch entries\n"
              ">>> remedy: compile it with -fpatchable-function-entry=8,6, or "
              "let it pass with --hotpatch-except=GLOB\n";
  for (const std::string &what : bitcode)
    warn(what + ": bitcode is not looked at by --hotpatch=require");
  if (notReady.empty() && odd.empty())
    return Error::success();
  size_t count = notReady.size() + odd.size();
  return makeError("--hotpatch=require: " + Twine(count) +
                   (count == 1 ? " object" : " objects") + " refused");
}

} // namespace relink
