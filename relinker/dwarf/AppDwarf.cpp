//===- AppDwarf.cpp - The DWARF of an app or a patch object ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AppDwarf.h"
#include "DebugFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"
#include "llvm/DebugInfo/DWARF/DWARFUnitIndex.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::dwarf;

namespace relink {

StringRef baseName(StringRef path) {
  return path.drop_front(path.rfind('/') + 1);
}

StringRef DwarfFile::section(StringRef name, bool split) const {
  auto it = sections.find(("debug_" + name + (split ? ".dwo" : "")).str());
  return it == sections.end() ? StringRef() : it->second->getBuffer();
}

StringRef DebugUnit::name() const {
  return toStringRef(unit->getUnitDIE().find(DW_AT_name));
}

StringRef DebugUnit::fileName() const { return baseName(name()); }

bool DebugUnit::hasCodeIn(uint64_t begin, uint64_t end) const {
  DWARFDie die = (skeleton ? skeleton : unit)->getUnitDIE();
  auto ranges = die.getAddressRanges();
  if (!ranges) {
    consumeError(ranges.takeError());
    return false;
  }
  return any_of(*ranges, [&](const DWARFAddressRange &r) {
    return r.LowPC < end && begin < r.HighPC;
  });
}

StringRef DebugUnit::bytes() const {
  // The reader has checked that the unit lies in its section.
  StringRef all = unit->getInfoSection().Data;
  uint64_t from = std::min<uint64_t>(unit->getOffset(), all.size());
  return all.slice(from, unit->getNextUnitOffset());
}

iterator_range<const DWARFDebugInfoEntry *> DebugUnit::entries() const {
  if (!check->isSound(*unit))
    return {nullptr, nullptr};
  auto all = unit->dies();
  return {all.empty() ? nullptr : &*all.begin(),
          all.empty() ? nullptr : &*all.begin() + unit->getNumDIEs()};
}

/// A .dwp finds units by hash tables (DWARF 5, section 7.3.5.3), which LLVM's
/// reader probes until it meets a free slot.
static bool isSoundIndex(StringRef index) {
  if (index.empty())
    return true;
  if (index.size() < 16)
    return false;
  uint64_t slots = support::endian::read32le(index.data() + 12);
  if (!isPowerOf2_64(slots) || (index.size() - 16) / 8 < slots)
    return false;
  for (uint64_t i = 0; i < slots; ++i)
    if (support::endian::read64le(index.data() + 16 + 8 * i) == 0)
      return true;
  return false;
}

static std::unique_ptr<DwarfFile> readFile(StringRef elf, const Twine &path) {
  auto file = std::make_unique<DwarfFile>();
  file->path = path.str();
  auto sections = readDebugSections(elf, path);
  if (!sections) {
    consumeError(sections.takeError());
    return nullptr;
  }
  file->sections = std::move(*sections);
  if (!isSoundIndex(file->section("cu_index", false)) ||
      !isSoundIndex(file->section("tu_index", false)))
    return nullptr;
  file->context = readDwarf(file->sections);
  return file;
}

/// Only regular files: a program may name a pipe or a device.
static std::unique_ptr<MemoryBuffer> openRegular(const Twine &path) {
  sys::fs::file_status status;
  if (sys::fs::status(path, status) || !sys::fs::is_regular_file(status))
    return nullptr;
  auto file = MemoryBuffer::getFile(path, false, false);
  return file ? std::move(*file) : nullptr;
}

DwarfFile *AppDwarf::openSplit(const Twine &path) {
  auto [it, isNew] = splitFiles.try_emplace(path.str(), nullptr);
  if (!isNew)
    return it->second;
  auto buffer = openRegular(path);
  if (!buffer)
    return nullptr;
  auto file = readFile(buffer->getBuffer(), path);
  if (!file)
    return nullptr;
  file->buffer = std::move(buffer);
  for (auto &unit : file->context->dwo_compile_units()) {
    if (!UnitCheck::isFirstEntrySound(*unit))
      continue;
    // DWARF 5 has the id in the header, GNU's extension of DWARF 4 doesn't.
    auto id = unit->getDWOId();
    if (!id)
      id = toUnsigned(unit->getUnitDIE().find(DW_AT_GNU_dwo_id));
    if (id)
      splitUnits.try_emplace({file.get(), *id}, unit.get());
  }
  it->second = file.get();
  files.push_back(std::move(file));
  return it->second;
}

/// Looked for as gdb does (manual, "Separate Debug Files"): a .dwp beside the
/// app or its debug file, then the name in the compilation's directory; then beside the app.
void AppDwarf::addSplitUnit(DWARFUnit &skeleton, StringRef dwoName, uint64_t id,
                            StringRef filePath, StringRef appPath) {
  std::vector<std::string> places = {filePath.str() + ".dwp",
                                     appPath.str() + ".dwp"};
  SmallString<256> path(dwoName);
  if (sys::path::is_relative(dwoName)) {
    const char *directory = skeleton.getCompilationDir();
    path = directory ? directory : "";
    sys::path::append(path, dwoName);
  }
  places.push_back(path.str().str());
  path = sys::path::parent_path(appPath);
  sys::path::append(path, baseName(dwoName));
  places.push_back(path.str().str());
  for (const std::string &place : places) {
    DwarfFile *file = openSplit(place);
    DWARFUnit *unit = file ? splitUnits.lookup({file, id}) : nullptr;
    if (!unit)
      continue;
    // What LLVM does for the files it opens itself (DWARFUnit::parseDWO).
    const DWARFObject &app = skeleton.getContext().getDWARFObj();
    unit->setSkeletonUnit(&skeleton);
    if (auto base = skeleton.getAddrOffsetSectionBase())
      unit->setAddrOffsetSection(&app.getAddrSection(), *base);
    if (skeleton.getVersion() <= 4)
      unit->setRangesSection(
          &app.getRangesSection(),
          skeleton.getUnitDIE().getRangesBaseAttribute().value_or(0));
    list.push_back({unit, &skeleton, file, check.get()});
    return;
  }
  missing.push_back(dwoName.str() + " is not there");
}

void AppDwarf::addFile(std::unique_ptr<DwarfFile> file, StringRef appPath) {
  for (auto &unit : file->context->normal_units()) {
    DWARFDie die = UnitCheck::isFirstEntrySound(*unit) ? unit->getUnitDIE()
                                                       : DWARFDie();
    if (!die)
      continue;
    auto dwoName = die.find({DW_AT_dwo_name, DW_AT_GNU_dwo_name});
    if (!dwoName || unit->isTypeUnit()) {
      list.push_back({unit.get(), nullptr, file.get(), check.get()});
      continue;
    }
    auto id = unit->getDWOId();
    if (!id)
      id = toUnsigned(die.find(DW_AT_GNU_dwo_id));
    addSplitUnit(*unit, toStringRef(dwoName), id.value_or(0), file->path,
                 appPath);
  }
  files.push_back(std::move(file));
}

Expected<AppDwarf> AppDwarf::ofApp(const Image &image, const Config &config) {
  AppDwarf out;
  auto has = [](const DwarfFile *file) {
    return file && !file->section("info", false).empty();
  };
  std::unique_ptr<DwarfFile> file;
  if (config.debugFile.empty())
    file = readFile(toStringRef(image.bytes()), image.path);
  if (!has(file.get())) {
    auto apart = findDebugFile(image, config);
    if (!apart)
      return apart.takeError();
    file = *apart ? readFile((*apart)->getBuffer(),
                             (*apart)->getBufferIdentifier())
                  : nullptr;
    if (file)
      file->buffer = std::move(*apart);
    if (!has(file.get()))
      file = readFile(toStringRef(image.bytes()), image.path);
  }
  if (!has(file.get()))
    return out;
  std::string from = file->path;
  StringRef elf =
      file->buffer ? file->buffer->getBuffer() : toStringRef(image.bytes());
  if (hasSection(elf, ".gnu_debugaltlink"))
    out.missing.push_back(baseName(from).str() +
                          " refers to another file for a part of it (dwz -m)");
  out.addFile(std::move(file), image.path);
  return out;
}

const DebugUnit *AppDwarf::counterpart(const DebugUnit &other,
                                       ArrayRef<uint64_t> addresses) const {
  SmallVector<const DebugUnit *, 2> found;
  for (const DebugUnit &unit : list)
    if (!unit.unit->isTypeUnit() && unit.fileName() == other.fileName())
      found.push_back(&unit);
  if (found.size() > 1)
    erase_if(found, [&](const DebugUnit *u) {
      return none_of(addresses,
                     [&](uint64_t a) { return u->hasCodeIn(a, a + 1); });
    });
  return found.size() == 1 ? found.front() : nullptr;
}

AppDwarf AppDwarf::ofPatch(const Plan &plan, const Object &object) {
  AppDwarf out;
  auto file = std::make_unique<DwarfFile>();
  file->path = object.name;
  ObjectDebugSections read = relocateDebugSections(plan, object);
  file->sections = std::move(read.sections);
  out.symbols = std::move(read.symbols);
  file->context = readDwarf(file->sections);
  out.addFile(std::move(file), object.name);
  return out;
}

} // namespace relink
