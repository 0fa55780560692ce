//===- FullRelink.cpp - The whole program linked again --------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The stand-in gives way to the program itself, as delink makes an object of it,
// with the same symbols at the same places. Start-up code stays in it, so that
// nothing but the libraries is needed.
//
//===----------------------------------------------------------------------===//

#include "FullRelink.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Imports.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <set>

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// Without the version, if it is what the name alone means.
StringRef plainLinkName(StringRef name) { return name.split("@@").first; }

class FullRelink {
public:
  FullRelink(const Config &config, const Image &image, const Target &target,
             const Plan &plan, const LinkInputs &inputs)
      : config(config), image(image), plan(plan), inputs(inputs),
        program(image, target) {}
  Expected<std::unique_ptr<MemoryBuffer>> link();

private:
  Error refuseUnsupported() const;
  void noteReplacements();
  void notePlaces();
  void nameOfTarget(const LinkTarget &target);
  Error leaveOutReplaced();
  void leaveOutColdParts(const Replacement &r);
  Error referFromPiece(const Piece &piece, const Replacement &r);
  std::string nameOfCopied(unsigned symbol) const;
  Expected<SmallVector<char, 0>> completePatch(const LinkInput &input);
  void addAliases(Object &object, const ObjectSymbol &entry,
                  const Replacement &r);
  Expected<std::vector<std::string>> arguments(WholeLink &link);

  const Config &config;
  const Image &image;
  const Plan &plan;
  const LinkInputs &inputs;
  Program program;
  /// What the patch calls something of the app, where the next link calls it
  /// otherwise.
  struct OtherName {
    std::string name;
    const Program::Copy *copy = nullptr; ///< the library has it: its name there
    uint64_t offset = 0;                 ///< in `copy`
  };
  StringMap<OtherName> otherNames;
  std::vector<const Program::Copy *> copies; ///< by address
  /// By name, without the version if that is what the name alone means.
  StringMap<SmallVector<const ProgramSymbol *, 1>> globals;
  /// What the program's object imports, by name without the version.
  StringMap<StringRef> imported;
  /// Constants of which the patch has its own, where the program's keeps the name.
  StringSet<> ownConstants;
};

Error FullRelink::refuseUnsupported() const {
  auto refuse = [&](const Twine &what) {
    return program.error("can't be linked again as a whole: " + what +
                         "\n>>> remedy: patch it without --relink");
  };
  if (!plan.interpositions.empty())
    return refuse("the patch defines an import");
  if (image.elfEnd < image.bytes().size())
    return refuse("it carries something behind its ELF part");
  for (const LinkTarget &t : plan.targets)
    if (t.kind == LinkTarget::Kind::Import && t.linkName != t.name)
      return refuse("the patch needs " + t.name + " of several versions");
  return Error::success();
}

void FullRelink::noteReplacements() {
  for (const Replacement &r : plan.replacements)
    program.replaced[r.address] = {r.size, r.entryName, !r.originalName.empty()};
}

/// What other modules may see keeps its name, by which the patch means it too; a
/// hidden one would take it from them. What the app has a copy of is the library's.
/// All else gets a name of its own.
void FullRelink::nameOfTarget(const LinkTarget &t) {
  auto behind = llvm::upper_bound(copies, t.address,
                                  [](uint64_t a, auto *c) { return a < c->address; });
  // The linker's own names, of a section's bounds, mean no copy, and are not in the object.
  StringRef plain = plainLinkName(t.name);
  bool isBound = plain.starts_with("__start_") || plain.starts_with("__stop_");
  if (t.type != STT_TLS && !isBound && behind != copies.begin()) {
    const Program::Copy &c = **std::prev(behind);
    if (t.address - c.address < std::max<uint64_t>(c.size, 1)) {
      otherNames[t.linkName] = {"", &c, t.address - c.address};
      return;
    }
  }
  for (const ProgramSymbol *s : globals.lookup(plain)) {
    bool isHidden = s->visibility == STV_HIDDEN || s->visibility == STV_INTERNAL;
    bool isInObject = s->type == STT_TLS || program.pieceAt(s->address) ||
                      program.pieceEndingAt(s->address);
    bool isThis = s->type == STT_GNU_IFUNC || // the patch has its PLT entry
                  (s->address == t.address &&
                   (s->type == STT_TLS) == (t.type == STT_TLS));
    bool isNamed = !isBound || s->type != STT_NOTYPE;
    if (isThis && isInObject && !isHidden && isNamed && !plain.contains('@')) {
      otherNames[t.linkName] = {plain.str()};
      return;
    }
  }
  std::string name = t.linkName;
  if (globals.contains(name))
    otherNames[t.linkName] = {name += ".relink.place"};
  program.places.push_back(
      {name, t.address, t.size, t.type, STB_GLOBAL, STV_HIDDEN, 0, 0});
}

/// What the patch refers to in the app. The loader's entry points as well: in a
/// stripped program nothing names them.
void FullRelink::notePlaces() {
  for (const Program::Copy &c : program.copies)
    copies.push_back(&c);
  llvm::sort(copies, [](auto *a, auto *b) { return a->address < b->address; });
  for (const ProgramSymbol &s : program.symbols)
    if (s.binding != STB_LOCAL)
      globals[plainLinkName(s.name)].push_back(&s);
  for (const LinkTarget &t : plan.targets)
    if ((t.kind == LinkTarget::Kind::Address ||
         t.kind == LinkTarget::Kind::Export) &&
        (t.type == STT_TLS || !program.replaced.contains(t.address)))
      nameOfTarget(t);
  for (const auto &[name, symbol] : plan.definitions) {
    bool isOwn = plan.decisions.lookup(symbol).action == Decision::Action::Own;
    if (isOwn && symbol->section && !symbol->section->isCode() &&
        plan.live.count(symbol->section) && globals.contains(name) &&
        !is_contained(plan.exports, symbol))
      ownConstants.insert(name);
  }
  auto add = [&](StringRef name, uint64_t address) {
    if (address)
      program.places.push_back(
          {name.str(), address, 0, STT_FUNC, STB_GLOBAL, STV_HIDDEN, 0, 0});
  };
  add("relink.entry", image.header.e_entry);
  for (auto [tag, value] : image.dynamic.entries)
    if (tag == DT_INIT || tag == DT_FINI)
      add(tag == DT_INIT ? "relink.init" : "relink.fini", value);
}

Error FullRelink::leaveOutReplaced() {
  for (const Replacement &r : plan.replacements) {
    Piece *p = program.pieceAt(r.address);
    auto inside = [&](uint64_t a) { return a - r.address < r.size; };
    if (!p || !p->isCode() || !r.size || r.address + r.size > p->end())
      return program.error("can't be linked again as a whole: where " +
                           r.body->name + " at " + hex(r.address) +
                           " ends is not known\n>>> remedy: patch it without "
                           "--relink");
    if (!r.originalName.empty())
      continue; // `__real_`
    // A short jump can't be made to reach the new body.
    for (auto [from, to] : program.joins)
      if (inside(to) && !inside(from))
        return program.error("can't be linked again as a whole: the code at " +
                             program.describe(from) + " leads to " +
                             r.body->name +
                             " by a short jump or by running on\n>>> remedy: "
                             "patch it without --relink");
    bool alone = p->address == r.address && p->end() - r.address < r.size + 16;
    p->isReplaced = alone;
    program.replaced[r.address].isErased = !alone;
    if (alone)
      leaveOutColdParts(r);
    else if (Error e = referFromPiece(*p, r))
      return e;
  }
  return Error::success();
}

/// What was moved out of the function goes with it, if nothing else leads there.
void FullRelink::leaveOutColdParts(const Replacement &r) {
  for (const ProgramSymbol &s : program.symbols) {
    StringRef rest = s.name;
    if (s.type != STT_FUNC || !rest.consume_front(r.app->name) ||
        !rest.starts_with(".cold"))
      continue;
    Piece *cold = program.pieceAt(s.address);
    if (!cold || !cold->isCode() || cold->address != s.address)
      continue;
    auto isOwn = [&](uint64_t place) {
      return place - r.address < r.size || place - cold->address < cold->size;
    };
    cold->isReplaced = none_of(program.references, [&](const Reference &o) {
      return o.kind == Reference::Kind::Address && o.evidence != Evidence::Unwind &&
             o.target - cold->address < cold->size && !isOwn(o.place);
    });
  }
}

/// Where nothing tells functions apart, others are in its piece, and what of them
/// leads to it has no reference yet.
Error FullRelink::referFromPiece(const Piece &piece, const Replacement &r) {
  ArrayRef<uint8_t> bytes = program.image.bytesAt(piece.address, piece.size);
  Instruction i;
  for (uint64_t at = 0; at < bytes.size(); at += i.size) {
    if (!program.target.measure(bytes.drop_front(at), piece.address + at, i))
      break; // readCodeReferences() has refused it
    if (!i.branchTarget || *i.branchTarget - r.address >= r.size ||
        i.address - r.address < r.size)
      continue;
    if (*i.branchTarget != r.address || i.fieldSize != 4)
      return program.error("can't be linked again as a whole: the code at " +
                           program.describe(i.address) + " leads into " +
                           r.body->name + ", or by a short jump\n>>> remedy: patch "
                           "it without --relink");
    Reference reference;
    reference.place = i.address + i.fieldOffset;
    reference.bias = -4;
    reference.type = R_X86_64_PLT32;
    reference.target = r.address;
    program.references.push_back(reference);
  }
  return Error::success();
}

/// All names that the app has for the old function, and the patch for its address.
void FullRelink::addAliases(Object &object, const ObjectSymbol &entry,
                            const Replacement &r) {
  StringSet<> names;
  auto add = [&](StringRef name, uint8_t binding, uint8_t visibility) {
    if (!names.insert(name).second)
      return;
    for (ObjectSymbol &known : object.symbols) // calls within the patch
      if (known.name == name && known.isDefined() && !known.isLocal())
        known.binding = STB_LOCAL, known.visibility = STV_DEFAULT;
    ObjectSymbol &s = object.addSymbol(name);
    s.kind = ObjectSymbol::Kind::Defined;
    s.type = entry.type;
    s.binding = binding;
    s.visibility = visibility;
    s.section = entry.section;
    s.value = entry.value;
    s.size = entry.size;
  };
  for (const ProgramSymbol &s : program.symbols)
    if (s.address == r.address && s.type == STT_FUNC && s.binding != STB_LOCAL) {
      add(s.name, s.binding, s.visibility);
      names.insert(plainLinkName(s.name));
    }
  for (const LinkTarget &t : plan.targets)
    if (t.type != STT_TLS && t.address == r.address &&
        (t.kind == LinkTarget::Kind::Address || t.kind == LinkTarget::Kind::Export))
      add(t.linkName, STB_GLOBAL, STV_HIDDEN);
}

/// As the program's own object calls it, with a version if it has to.
std::string FullRelink::nameOfCopied(unsigned symbol) const {
  StringRef name = image.dynamicName(image.dynamicSymbols()[symbol]);
  auto known = imported.find(name);
  return (known == imported.end() ? name : known->second).str();
}

/// Composed for a splice, the patch lacks the names that a link needs.
Expected<SmallVector<char, 0>> FullRelink::completePatch(const LinkInput &input) {
  std::vector<std::string> groups;
  auto object = readObject({{input.bytes.data(), input.bytes.size()}, input.name},
                           groups, 0);
  if (!object)
    return object.takeError();
  for (const Replacement &r : plan.replacements)
    for (ObjectSymbol &s : (*object)->symbols)
      if (s.name == r.entryName && s.isDefined()) {
        addAliases(**object, s, r);
        break;
      }
  DenseMap<const ObjectSymbol *, uint64_t> offsets;
  for (ObjectSymbol &s : (*object)->symbols)
    if (auto other = otherNames.find(s.name);
        !s.isDefined() && other != otherNames.end()) {
      const OtherName &o = other->second;
      s.name = o.copy ? nameOfCopied(o.copy->symbol) : o.name;
      offsets[&s] = o.offset;
    }
  for (ObjectSymbol &s : (*object)->symbols)
    if (!s.isLocal() && ownConstants.contains(s.name) && !offsets.count(&s))
      s.name += ".relink.new";
  for (ObjectSection &s : (*object)->sections)
    for (ObjectRelocation &r : s.relocations)
      r.addend += offsets.lookup(r.symbol);
  addPropertyNote(**object, image.ibt, image.shstk);
  return writeObject(**object);
}

Expected<std::vector<std::string>> FullRelink::arguments(WholeLink &link) {
  auto out = linkerArguments(program, link, config.libraryPaths, config.sysroot);
  if (!out)
    return out.takeError();
  for (const std::string &name : plan.newDependencies)
    out->push_back("-l:" + name);
  // What only a library of the app needs is found at run time, but not by a linker.
  std::set<std::string> indirect;
  for (const LinkTarget &t : plan.targets)
    if (t.kind == LinkTarget::Kind::Import && !t.dynamic && !t.library.library.empty() &&
        !is_contained(image.dynamic.needed, t.library.library))
      indirect.insert(t.library.library);
  for (const std::string &name : indirect)
    out->push_back("-l:" + name);
  for (const ObjectSymbol *s : plan.exports)
    out->push_back("--export-dynamic-symbol=" + s->name);
  if (image.header.e_entry)
    out->insert(out->end(), {"-e", "relink.entry"});
  out->insert(out->end(), {"-init", "relink.init", "-fini", "relink.fini"});
  return out;
}

Expected<std::unique_ptr<MemoryBuffer>> FullRelink::link() {
  if (Error e = refuseUnsupported())
    return e;
  program.keepsStartUp = true;
  noteReplacements();
  DelinkConfig delinkConfig;
  delinkConfig.app = config.app;
  delinkConfig.debugFile = config.debugFile;
  delinkConfig.debugDirs = config.debugDirs;
  if (Error e = analyzeProgram(program, delinkConfig))
    return e;
  if (Error e = leaveOutReplaced())
    return e;
  notePlaces();
  auto object = buildObject(program, delinkConfig, nullptr, nullptr);
  if (!object)
    return object.takeError();
  // Constants of the patch's own take over the name.
  StringSet<> exports;
  for (const ObjectSymbol *s : plan.exports)
    exports.insert(s->name);
  for (ObjectSymbol &s : (*object)->symbols)
    if (s.isDefined() && !s.isLocal() && s.type == STT_OBJECT &&
        exports.contains(splitVersion(s.name).first))
      s.binding = STB_LOCAL;
  for (const ObjectSymbol &s : (*object)->symbols)
    if (!s.isDefined())
      imported[StringRef(s.name).split('@').first] = s.name;
  WholeLink link;
  link.inputs.push_back({image.path, writeObject(**object)});
  for (const LinkInput &input : inputs.objects) {
    if (StringRef(input.name).starts_with("stand-in for "))
      continue;
    auto bytes = completePatch(input);
    if (!bytes)
      return bytes.takeError();
    link.inputs.push_back({input.name, std::move(*bytes)});
  }
  auto args = arguments(link);
  if (!args)
    return args.takeError();
  link.arguments = std::move(*args);
  return linkWhole(link);
}

/// Where the new bodies are, for the report and the record.
Error noteReplaced(const Plan &plan, StringRef linked, Output &out) {
  auto file = object::ELFFile<ELFT>::create(linked);
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  StringMap<const Sym *> symbols;
  for (const Shdr &s : *sections) {
    if (s.sh_type != SHT_SYMTAB)
      continue;
    auto table = file->symbols(&s);
    auto strings = file->getStringTableForSymtab(s, *sections);
    if (!table || !strings)
      return joinErrors(table.takeError(), strings.takeError());
    for (const Sym &sym : *table)
      if (auto name = sym.getName(*strings))
        symbols[*name] = &sym;
      else
        return name.takeError();
  }
  for (const Replacement &r : plan.replacements) {
    const Sym *s = symbols.lookup(r.linkName);
    if (!s)
      return makeError(r.body->name + ": its new body is not in the linked program");
    ReplacedFunction &f = out.replaced.emplace_back();
    f.name = r.body->name;
    f.oldAddress = r.address;
    f.oldSize = r.size;
    f.newAddress = f.newEntry = s->st_value;
    f.newSize = r.body->size;
    f.method = RedirectMethod::Relinked;
  }
  return Error::success();
}

/// Not shorter than the original, whose bytes the record counts. The section
/// headers come last, since the record is looked for behind them.
std::vector<uint8_t> lengthen(StringRef linked, uint64_t size) {
  std::vector<uint8_t> out(linked.begin(), linked.end());
  Ehdr header;
  memcpy(&header, out.data(), sizeof(Ehdr));
  uint64_t table = uint64_t(header.e_shnum) * sizeof(Shdr);
  uint64_t from = header.e_shoff;
  if (out.size() >= size || from + table > out.size())
    return out;
  uint64_t to = alignTo(std::max<uint64_t>(out.size(), size - std::min(size, table)), 8);
  out.resize(to + table);
  std::copy_n(linked.bytes_begin() + from, table, out.begin() + to);
  header.e_shoff = to;
  memcpy(out.data(), &header, sizeof(Ehdr));
  return out;
}

} // namespace

Expected<Output> relinkWhole(const JoinContext &c) {
  const Image &image = c.image;
  auto linked =
      FullRelink(c.config, image, c.target, c.plan, c.inputs).link();
  if (!linked)
    return linked.takeError();
  auto identity = c.identify();
  if (!identity)
    return identity.takeError();
  Output out;
  StringRef bytes = (*linked)->getBuffer();
  if (Error e = noteReplaced(c.plan, bytes, out))
    return e;
  // All of the original is overwritten, and the record has all of it.
  uint64_t size = image.bytes().size();
  std::vector<uint8_t> all = lengthen(bytes, size);
  out.edit(0, ArrayRef(all).take_front(size), "the program, linked again");
  out.tailOffset = size;
  out.tail.assign(all.begin() + size, all.end());
  out.notes.push_back("the whole program was linked again: callers go straight to "
                      "the new functions, the old ones are gone");
  PatchImage none;
  SpliceContext context{c.config, image,    c.plan,  c.inputs, none,
                        c.unwind, c.target, nullptr, *identity};
  placeRecord(context, out);
  if (Error e = writeRecord(context, out))
    return e;
  return out;
}

} // namespace relink
