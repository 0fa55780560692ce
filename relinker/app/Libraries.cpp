//===- Libraries.cpp - What the app's libraries export --------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

struct LibrarySearch::Library {
  std::unique_ptr<Image> image;
  std::string soname;
  bool isNew = false;
};

LibrarySearch::LibrarySearch(const Image &image, const Config &config)
    : image(image), config(config) {}
LibrarySearch::~LibrarySearch() = default;

/// $ORIGIN is the directory of the object that has the entry (ld.so(8)).
static std::string expandOrigin(StringRef path, StringRef objectPath) {
  SmallString<256> origin(objectPath);
  sys::fs::make_absolute(origin);
  sys::path::remove_filename(origin);
  std::string out = path.str();
  for (StringRef token : {"${ORIGIN}", "$ORIGIN"})
    for (size_t at = 0; (at = out.find(token, at)) != std::string::npos;
         at += origin.size())
      out.replace(at, token.size(), origin.c_str());
  return out;
}

/// `-L`, the object's run path, then the directories the app's own loader
/// searches.
std::string LibrarySearch::locate(StringRef soname,
                                  ArrayRef<std::string> extra) const {
  if (soname.contains('/'))
    return sys::fs::exists(config.sysroot + soname) ? config.sysroot + soname.str()
                                                    : "";
  std::vector<std::string> directories = config.libraryPaths;
  append_range(directories, extra);
  bool musl = image.interpreter.contains("musl");
  std::vector<StringRef> defaults =
      musl ? std::vector<StringRef>{"/usr/lib/x86_64-linux-musl",
                                    "/lib/x86_64-linux-musl", "/lib",
                                    "/usr/local/lib", "/usr/lib"}
           : std::vector<StringRef>{"/lib/x86_64-linux-gnu",
                                    "/usr/lib/x86_64-linux-gnu", "/lib64",
                                    "/usr/lib64", "/lib", "/usr/lib"};
  for (StringRef d : defaults)
    directories.push_back(config.sysroot + d.str());
  for (const std::string &d : directories) {
    std::string path = d + "/" + soname.str();
    if (sys::fs::exists(path) && !sys::fs::is_directory(path))
      return path;
  }
  return {};
}

Error LibrarySearch::load() {
  loaded = true;
  std::vector<std::string> queue;
  std::vector<std::string> seen;
  auto open = [&](StringRef soname, ArrayRef<std::string> runPaths,
                  bool isNew) -> Error {
    if (is_contained(seen, soname))
      return Error::success();
    seen.push_back(soname.str());
    std::string path = locate(soname, runPaths);
    if (path.empty()) {
      notFound.push_back(soname.str());
      return Error::success();
    }
    auto library = Image::open(path);
    if (!library) {
      // Linker scripts and foreign files are no loadable libraries.
      consumeError(library.takeError());
      notFound.push_back(soname.str());
      return Error::success();
    }
    auto entry = std::make_unique<Library>();
    entry->image = std::move(*library);
    entry->soname = entry->image->dynamic.soname.empty()
                        ? soname.str()
                        : entry->image->dynamic.soname.str();
    entry->isNew = isNew;
    libraries.push_back(std::move(entry));
    return Error::success();
  };
  auto runPathsOf = [](const Image &from) {
    std::vector<std::string> out;
    for (StringRef p : from.dynamic.runPaths)
      out.push_back(expandOrigin(p, from.path));
    return out;
  };
  for (StringRef needed : image.dynamic.needed)
    if (Error e = open(needed, runPathsOf(image), false))
      return e;
  for (const std::string &name : config.libraries) {
    size_t before = libraries.size();
    if (Error e = open("lib" + name + ".so", {}, true))
      return e;
    if (libraries.size() != before)
      continue;
    // The development link may be a linker script or absent: take what it
    // stands for by its usual soname numbers.
    notFound.clear();
    for (StringRef suffix : {"", ".0", ".1", ".2", ".3", ".4", ".5", ".6"})
      if (libraries.size() == before)
        if (Error e = open(("lib" + name + ".so").append(suffix), {}, true))
          return e;
    notFound.clear();
    bool isNeededAlready = any_of(libraries, [&](const auto &l) {
      StringRef soname = l->soname;
      return soname.consume_front("lib" + name + ".so") &&
             (soname.empty() || soname.starts_with("."));
    });
    if (libraries.size() == before && !isNeededAlready)
      return makeError("-l" + name + ": library not found\n>>> remedy: say "
                       "where it is with -L DIR");
  }
  // Dependencies of dependencies, breadth first, as ld.so searches them.
  for (size_t i = 0; i < libraries.size() && i < 512; ++i) {
    const Image &from = *libraries[i]->image;
    for (StringRef needed : from.dynamic.needed)
      if (Error e = open(needed, runPathsOf(from), false))
        return e;
  }
  for (auto &library : libraries)
    if (is_contained(image.dynamic.needed, StringRef(library->soname)))
      library->isNew = false;
  return Error::success();
}

namespace {

/// glibc elf/dl-lookup.c, musl ldso/dynlink.c: the DJB hash of a name.
uint32_t gnuHash(StringRef name) {
  uint32_t h = 5381;
  for (uint8_t c : name)
    h = h * 33 + c;
  return h;
}

/// Index of the definition of \p name in \p version, or of the default one if
/// that is empty; 0 if there is none.
unsigned lookUp(const Image &library, StringRef name, StringRef version) {
  using support::endian::read32le;
  ArrayRef<Sym> symbols = library.dynamicSymbols();
  auto isMeant = [&](unsigned i) {
    const Sym &s = symbols[i];
    if (s.st_shndx == SHN_UNDEF || s.getBinding() == STB_LOCAL ||
        library.dynamicName(s) != name)
      return false;
    return version.empty() ? !library.hasHiddenVersion(i)
                           : library.dynamicVersion(i) == version;
  };
  ArrayRef<uint8_t> table = library.dynamic.gnuHash
                                ? library.bytesFrom(library.dynamic.gnuHash)
                                : ArrayRef<uint8_t>();
  if (table.size() >= 16) {
    uint64_t buckets = read32le(&table[0]), first = read32le(&table[4]),
             bloom = read32le(&table[8]);
    uint64_t bucketsAt = 16 + bloom * 8, chains = bucketsAt + buckets * 4;
    uint32_t h = gnuHash(name);
    if (!buckets || chains > table.size())
      return 0;
    uint64_t i = read32le(&table[bucketsAt + (h % buckets) * 4]);
    for (; i >= first && i < symbols.size(); ++i) {
      uint64_t at = chains + (i - first) * 4;
      if (at + 4 > table.size())
        return 0;
      uint32_t entry = read32le(&table[at]);
      if ((entry | 1) == (h | 1) && isMeant(i))
        return i;
      if (entry & 1)
        return 0;
    }
    return 0;
  }
  for (unsigned i = 1; i < symbols.size(); ++i)
    if (isMeant(i))
      return i;
  return 0;
}

} // namespace

Expected<std::optional<LibrarySymbol>>
LibrarySearch::find(StringRef name, StringRef version) {
  if (!loaded)
    if (Error e = load())
      return e;
  for (const auto &library : libraries) {
    const Image &from = *library->image;
    unsigned index = lookUp(from, name, version);
    if (!index)
      continue;
    const Sym &s = from.dynamicSymbols()[index];
    LibrarySymbol out;
    out.library = library->soname;
    out.version = from.dynamicVersion(index).str();
    out.type = s.getType();
    out.binding = s.getBinding();
    out.size = s.st_size;
    out.needsNewDependency = library->isNew;
    if (const Section *section = from.sectionAt(s.st_value))
      out.align = std::max<uint64_t>(section->align, 1);
    if (uint64_t low = s.st_value & -s.st_value)
      out.align = std::min(out.align, low);
    if (const Phdr *load = from.loadAt(s.st_value))
      out.readOnly = !(load->p_flags & PF_W);
    if (out.type == STT_OBJECT)
      for (const Sym &other : from.dynamicSymbols())
        if (other.st_value == s.st_value && other.st_shndx == s.st_shndx &&
            other.getType() == STT_OBJECT && from.dynamicName(other) != name)
          out.aliases.push_back(from.dynamicName(other).str());
    return out;
  }
  return std::nullopt;
}

} // namespace relink
