//===- SymbolIndex.cpp - The app's symbols, from wherever -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SymbolIndex.h"
#include "AddressMap.h"
#include "DebugFile.h"
#include "Error.h"
#include "EarlierPatches.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

std::pair<StringRef, StringRef> splitVersion(StringRef name) {
  auto [base, version] = name.split('@');
  version.consume_front("@");
  return {base, version};
}

StringRef plainName(StringRef name) {
  if (name.contains('@'))
    return name; // its dots are the version's
  size_t dot = name.find('.', 1);
  return dot == StringRef::npos ? name : name.take_front(dot);
}

std::string canonicalName(StringRef name) {
  std::string out = plainName(name).str();
  StringRef rest = name.drop_front(out.size());
  while (rest.consume_front(".")) {
    StringRef part = rest.take_until([](char c) { return c == '.'; });
    rest = rest.drop_front(part.size());
    bool numbered = !part.empty() && all_of(part, isDigit);
    if (!numbered && part != "llvm" && part != "lto_priv")
      out += ("." + part).str();
  }
  return out;
}

bool isOutlinedPart(StringRef name) { return name.contains(".cold"); }

bool isTypeData(StringRef name) {
  return name.starts_with("_ZTV") || name.starts_with("_ZTI") ||
         name.starts_with("_ZTS") || name.starts_with("_ZTT");
}

bool isClone(StringRef name) {
  return name.contains(".constprop.") || name.contains(".isra.") ||
         name.contains(".part.");
}

void SymbolIndex::add(AppSymbol symbol) {
  // .symtab and .dynsym name the same symbol: one entry, with what both know.
  auto it = known.find({symbol.address, symbol.name});
  if (it != known.end()) {
    AppSymbol *same = it->second;
    if (symbol.dynamic)
      same->dynamic = symbol.dynamic;
    if (same->size == 0)
      same->size = symbol.size;
    return;
  }
  AppSymbol &added = symbols.emplace_back(std::move(symbol));
  known.insert({{added.address, added.name}, &added});
  byName[plainName(added.name)].push_back(&added);
}

AppSymbol *SymbolIndex::otherOfName(const AppSymbol &symbol) {
  AppSymbol *out = nullptr;
  for (const AppSymbol *s : find(plainName(symbol.name))) {
    if (s->isLocal() || s->name != symbol.name)
      continue;
    if (out || s->address == symbol.address || s->type != symbol.type ||
        s->source != AppSymbol::Source::Symtab || !s->isFunction())
      return nullptr;
    out = known.find({s->address, s->name})->second;
  }
  return out;
}

ArrayRef<const AppSymbol *> SymbolIndex::find(StringRef plain) const {
  auto it = byName.find(plain);
  return it == byName.end() ? ArrayRef<const AppSymbol *>() : it->second;
}

const AppSymbol *SymbolIndex::functionAt(uint64_t address) const {
  for (const AppSymbol &s : symbols)
    if (s.isFunction() && s.address == address)
      return &s;
  return nullptr;
}

namespace {

/// One symbol table in memory, wherever it came from.
struct Table {
  ArrayRef<Sym> symbols;
  StringRef strings;
};

StringRef nameOf(const Table &table, const Sym &s) {
  // A string table must end in NUL (gABI); a hostile one is cut at its end.
  if (s.st_name >= table.strings.size())
    return {};
  StringRef rest = table.strings.drop_front(s.st_name);
  return rest.take_front(rest.find('\0'));
}

AppSymbol makeSymbol(const Sym &s, StringRef name, AppSymbol::Source source) {
  AppSymbol out;
  out.name = name.str();
  out.address = s.st_value;
  out.size = s.st_size;
  out.type = s.getType();
  out.binding = s.getBinding();
  out.visibility = s.getVisibility();
  out.source = source;
  return out;
}

Expected<Table> findSymtab(StringRef data, StringRef path) {
  auto file = object::ELFFile<ELFT>::create(data);
  if (!file)
    return makeError(path + ": " + toString(file.takeError()));
  auto sections = file->sections();
  if (!sections)
    return makeError(path + ": " + toString(sections.takeError()));
  for (const Shdr &s : *sections) {
    if (s.sh_type != SHT_SYMTAB)
      continue;
    auto symbols = file->symbols(&s);
    if (!symbols)
      return makeError(path + ": " + toString(symbols.takeError()));
    auto strings = file->getStringTableForSymtab(s);
    if (!strings)
      return makeError(path + ": " + toString(strings.takeError()));
    return Table{*symbols, *strings};
  }
  return Table{};
}

/// threadBlockSize() of another file of the program; \p otherwise if it does not say.
uint64_t blockSizeOf(StringRef data, uint64_t otherwise) {
  auto file = object::ELFFile<ELFT>::create(data);
  if (!file) {
    consumeError(file.takeError());
    return otherwise;
  }
  auto segments = file->program_headers();
  if (!segments) {
    consumeError(segments.takeError());
    return otherwise;
  }
  for (const Phdr &p : *segments)
    if (p.p_type == PT_TLS)
      return threadBlockSize(&p);
  return otherwise;
}

/// Calls \p visit for every defined symbol, with the STT_FILE before it.
template <typename F> void forEachDefined(const Table &table, F visit) {
  StringRef file;
  for (size_t i = 1; i < table.symbols.size(); ++i) {
    const Sym &s = table.symbols[i];
    uint8_t type = s.getType();
    if (type == STT_FILE) {
      file = nameOf(table, s);
      continue;
    }
    if (s.st_shndx == SHN_UNDEF || type == STT_SECTION)
      continue;
    StringRef name = nameOf(table, s);
    if (!name.empty())
      visit(s, name, file);
  }
}

std::optional<AppSymbol> parseSymbolLine(StringRef line) {
  SmallVector<StringRef, 4> words;
  line.split(words, ' ', -1, false);
  if (words.size() == 1)
    line.split(words, '\t', -1, false);
  AppSymbol s;
  s.source = AppSymbol::Source::User;
  if (words.size() < 4 || words[2].size() != 1)
    return std::nullopt;
  words[0].consume_front("0x");
  words[1].consume_front("0x");
  if (words[0].getAsInteger(16, s.address) || words[1].getAsInteger(16, s.size))
    return std::nullopt;
  char type = words[2][0];
  s.name = words[3].str();
  s.binding = isLower(type) && type != 'w' && type != 'i' ? STB_LOCAL
                                                          : STB_GLOBAL;
  switch (toLower(type)) {
  case 't':
  case 'w':
    s.type = STT_FUNC;
    break;
  case 'i':
    s.type = STT_GNU_IFUNC;
    break;
  case 'd':
  case 'b':
  case 'r':
  case 'g':
  case 's':
  case 'v':
    s.type = STT_OBJECT;
    break;
  default:
    return std::nullopt;
  }
  return s;
}

Error readSymbolFile(StringRef path, function_ref<void(AppSymbol)> add) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(path + ": cannot open: " + buffer.getError().message());
  for (line_iterator line(**buffer, /*SkipBlanks=*/true, '#'); !line.is_at_end();
       ++line) {
    auto symbol = parseSymbolLine(line->trim());
    if (!symbol)
      return makeError(path + ":" + Twine(line.line_number()) +
                       ": expected `address size type name` (hexadecimal, "
                       "type as nm prints it), found '" + *line + "'");
    add(std::move(*symbol));
  }
  return Error::success();
}

} // namespace

Expected<SymbolIndex> SymbolIndex::read(const Image &image, const Config &config,
                                        const StringSet<> &wanted,
                                        const EarlierPatches &earlier) {
  SymbolIndex index;
  const Phdr *tls = image.segmentOfType(PT_TLS);
  auto isWanted = [&](StringRef name) { return wanted.contains(plainName(name)); };

  // What the user says comes first: it is there because the rest is not.
  for (const UserSymbol &u : config.symbols) {
    AppSymbol s;
    s.name = u.name;
    s.address = u.address;
    s.size = u.size;
    s.type = StringRef("dDbBrR").contains(u.type) ? STT_OBJECT : STT_FUNC;
    s.binding = STB_GLOBAL;
    s.source = AppSymbol::Source::User;
    index.add(std::move(s));
  }
  for (const std::string &path : config.symbolFiles) {
    index.hasFullTable = true;
    if (Error e = readSymbolFile(path, [&](AppSymbol s) {
          if (isWanted(s.name))
            index.add(std::move(s));
        }))
      return e;
  }

  // What an earlier patch has defined takes the place of what was linked.
  for (const auto &[name, symbol] : earlier.definitions())
    if (isWanted(name) && image.loadAt(symbol.address))
      index.add(symbol);
  auto isRedefined = [&](const AppSymbol &s) {
    auto newer = earlier.definitions().find(s.name);
    return !s.isLocal() && newer != earlier.definitions().end() &&
           newer->second.address != s.address;
  };

  // An earlier patch has lengthened the thread-local block in front: offsets in the
  // block that was linked are smaller.
  auto addTable = [&](const Table &table, AppSymbol::Source source,
                      uint64_t blockShift = 0) {
    for (const Sym &s : table.symbols)
      if (s.getType() == STT_FILE)
        index.files.insert(nameOf(table, s));
    forEachDefined(table, [&](const Sym &s, StringRef name, StringRef file) {
      if (s.st_shndx == SHN_ABS || !isWanted(name))
        return;
      AppSymbol out = makeSymbol(s, name, source);
      if (out.isLocal())
        out.file = file.str();
      if (out.type == STT_TLS)
        out.address += blockShift;
      if (out.type == STT_TLS ? !tls || out.address > tls->p_memsz
                              : !image.loadAt(out.address))
        if (out.size || out.isFunction())
          return; // names nothing in this image
      if (!isRedefined(out))
        index.add(std::move(out));
    });
  };
  auto own = findSymtab(toStringRef(image.bytes()), image.path);
  if (!own)
    return own.takeError();
  if (!own->symbols.empty()) {
    index.hasFullTable = true;
    index.sourceFile = image.path;
    addTable(*own, AppSymbol::Source::Symtab);
  }
  if (own->symbols.empty() || !config.debugFile.empty()) {
    auto debug = findDebugFile(image, config);
    if (!debug)
      return debug.takeError();
    if (*debug) {
      auto table = findSymtab((*debug)->getBuffer(),
                              (*debug)->getBufferIdentifier());
      if (!table)
        return table.takeError();
      index.hasFullTable |= !table->symbols.empty();
      index.sourceFile = (*debug)->getBufferIdentifier().str();
      addTable(*table, AppSymbol::Source::DebugFile,
               threadBlockSize(tls) -
                   blockSizeOf((*debug)->getBuffer(), threadBlockSize(tls)));
    }
  }

  StringSet<> versioned; // names that are wanted in a version
  for (StringRef name : wanted.keys())
    if (auto [base, version] = splitVersion(name); !version.empty())
      versioned.insert(base);
  // An earlier patch's body has the name in .symtab; in .dynsym the entry that leads
  // there keeps it.
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  for (unsigned i = 1; i < dynamic.size(); ++i) {
    const Sym &s = dynamic[i];
    StringRef name = image.dynamicName(s);
    if (s.st_shndx == SHN_UNDEF || name.empty())
      continue;
    auto add = [&](StringRef known) {
      if (!isWanted(known))
        return;
      AppSymbol out = makeSymbol(s, known, AppSymbol::Source::Dynsym);
      out.dynamic = i;
      if (AppSymbol *moved = earlier.any() ? index.otherOfName(out) : nullptr)
        moved->dynamic = i;
      else
        index.add(std::move(out));
    };
    bool hidden = image.hasHiddenVersion(i);
    if (!hidden)
      add(name);
    if (!versioned.contains(name))
      continue;
    if (StringRef version = image.dynamicVersion(i); !version.empty())
      add((name + (hidden ? "@" : "@@") + version).str());
  }
  // In a stripped program only the record names what a patch has replaced.
  for (const auto &[name, symbol] : earlier.replaced())
    if (isWanted(name) && symbol.isFunction() && image.loadAt(symbol.address) &&
        none_of(index.find(plainName(name)),
                [&](const AppSymbol *s) { return s->name == symbol.name; }))
      index.add(symbol);
  return index;
}

void forEachSymbol(const Image &image,
                   function_ref<void(const Sym &, StringRef)> visit) {
  auto consider = [&](const Sym &s, StringRef name) {
    if (s.st_shndx != SHN_UNDEF && s.st_shndx != SHN_ABS &&
        s.getType() != STT_TLS)
      visit(s, name.take_until([](char c) { return c == '@'; }));
  };
  if (auto table = findSymtab(toStringRef(image.bytes()), image.path))
    forEachDefined(*table,
                   [&](const Sym &s, StringRef n, StringRef) { consider(s, n); });
  else
    consumeError(table.takeError());
  for (const Sym &s : image.dynamicSymbols())
    consider(s, image.dynamicName(s));
}

void forEachFunctionAt(const Image &image, const AddressSet &addresses,
                       function_ref<void(uint64_t, StringRef)> visit) {
  forEachSymbol(image, [&](const Sym &s, StringRef name) {
    if ((s.getType() == STT_FUNC || s.getType() == STT_GNU_IFUNC) &&
        addresses.contains(s.st_value))
      visit(s.st_value, name);
  });
}

std::vector<std::string> nearNames(const Image &image, StringRef name) {
  std::vector<std::pair<unsigned, std::string>> found;
  unsigned limit = std::max<size_t>(name.size() / 3, 1);
  auto consider = [&](StringRef candidate) {
    unsigned distance = name.edit_distance(plainName(candidate), true, limit);
    if (distance <= limit && !candidate.empty())
      found.push_back({distance, candidate.str()});
  };
  if (auto table = findSymtab(toStringRef(image.bytes()), image.path))
    forEachDefined(*table,
                   [&](const Sym &, StringRef n, StringRef) { consider(n); });
  else
    consumeError(table.takeError());
  for (const Sym &s : image.dynamicSymbols())
    if (s.st_shndx != SHN_UNDEF)
      consider(image.dynamicName(s));
  llvm::sort(found);
  std::vector<std::string> names;
  for (auto &[distance, n] : found)
    if (names.size() < 3 && !is_contained(names, n))
      names.push_back(n);
  return names;
}

} // namespace relink
