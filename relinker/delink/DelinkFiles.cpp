//===- DelinkFiles.cpp - Which source file things are of ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DWARF and the STT_FILE symbols of GNU ld say it, the latter of local functions
// only. The rest follows from how linkers work:
//
// - Unwind tables lie in the order of the objects, whatever becomes of the code:
//   a function whose record is between two of one object's is of that object.
// - An object's .eh_frame has an alignment of 8 (psABI). A record that begins
//   elsewhere is in the same object as the one in front of it.
// - Only code of the same object can name a local function.
//
// None is used in a program that contradicts it anywhere.
//
//===----------------------------------------------------------------------===//

#include "DelinkFiles.h"
#include "AddressMap.h"
#include "AppDwarf.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/DebugInfo/DWARF/DWARFUnit.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// An object, as a number; 0 where none is known.
using Owner = unsigned;
/// Several claim the place: functions that the linker folded into one.
constexpr Owner disputed = ~0u;

class FileFinder {
public:
  FileFinder(Program &program, const DelinkConfig &config)
      : program(program), config(config) {}
  Expected<FileMap> find();

private:
  Error readUnits();
  void addRange(uint64_t low, uint64_t high, Owner unit);
  Owner unitAt(uint64_t address) const;
  void readLocals();
  void nameUnits();
  bool fillBetween(ArrayRef<const UnwindRecord *> records, bool apply);
  bool fillGroups(bool apply);
  bool fillCallers(bool apply);
  void fill();
  FileMap assign();
  bool claim(Owner &place, Owner owner);

  Program &program;
  const DelinkConfig &config;
  std::vector<std::string> names{""}; ///< by owner
  /// Disjoint code of units: start, end, and whose.
  std::map<uint64_t, std::pair<uint64_t, Owner>> ranges;
  AddressMap<Owner> owners; ///< by start of a function
  AddressMap<Owner> locals; ///< the same, of local functions alone
  std::vector<std::vector<const UnwindRecord *>> sequences; ///< by CIE
};

/// Adds what no earlier unit has: of a function that several units define, the
/// first one's was linked, and linkers let the others' DWARF say the same.
void FileFinder::addRange(uint64_t low, uint64_t high, Owner unit) {
  auto next = ranges.upper_bound(low);
  if (next != ranges.begin())
    low = std::max(low, std::prev(next)->second.first);
  while (low < high) {
    uint64_t end = next == ranges.end() ? high : std::min(high, next->first);
    if (low < end)
      ranges.emplace_hint(next, low, std::pair(end, unit));
    if (next == ranges.end())
      return;
    low = std::max(low, next->second.first);
    ++next;
  }
}

Owner FileFinder::unitAt(uint64_t address) const {
  auto it = ranges.upper_bound(address);
  if (it == ranges.begin())
    return 0;
  --it;
  return address < it->second.first ? it->second.second : 0;
}

Error FileFinder::readUnits() {
  Config c;
  c.debugFile = config.debugFile;
  c.debugDirs = config.debugDirs;
  auto dwarf = AppDwarf::ofApp(program.image, c);
  if (!dwarf)
    return dwarf.takeError();
  for (const DebugUnit &u : dwarf->units()) {
    if (u.unit->isTypeUnit() || u.fileName().empty())
      continue;
    auto list = (u.skeleton ? u.skeleton : u.unit)->getUnitDIE().getAddressRanges();
    if (!list) {
      consumeError(list.takeError());
      continue;
    }
    names.push_back(u.fileName().str());
    for (const DWARFAddressRange &r : *list)
      if (r.LowPC < r.HighPC)
        addRange(r.LowPC, r.HighPC, names.size() - 1);
  }
  return Error::success();
}

/// False if \p place is another's.
bool FileFinder::claim(Owner &place, Owner owner) {
  if (!place)
    place = owner;
  if (place == owner)
    return true;
  place = disputed;
  return false;
}

/// A unit and an STT_FILE symbol of the same name, with a function in common,
/// are one object. With link-time optimisation symbols name something else.
void FileFinder::readLocals() {
  Owner first = names.size();
  std::vector<Owner> same(program.sourceFiles.size(), 0);
  auto isFunction = [&](const ProgramSymbol &s) {
    return (s.type == STT_FUNC || s.type == STT_GNU_IFUNC) &&
           !program.isStartUpFunction(s.name);
  };
  for (const ProgramSymbol &s : program.symbols) {
    Owner unit = s.file && isFunction(s) ? unitAt(s.address) : 0;
    if (unit && !same[s.file - 1] &&
        baseName(program.sourceFiles[s.file - 1]) == names[unit])
      same[s.file - 1] = unit;
  }
  for (const std::string &name : program.sourceFiles)
    names.push_back(baseName(name).str());
  for (const ProgramSymbol &s : program.symbols) {
    if (!isFunction(s))
      continue;
    Owner unit = unitAt(s.address);
    Owner own = !s.file              ? 0
                : same[s.file - 1]   ? same[s.file - 1]
                                     : first + s.file - 1;
    if (unit || own)
      claim(owners[s.address], unit ? unit : own);
    // What also has a global name, others can name.
    claim(locals[s.address], s.binding == STB_LOCAL && own ? unit ? unit : own
                                                           : disputed);
  }
  for (const UnwindRecord &f : program.frames)
    if (Owner unit = f.cie ? unitAt(f.start) : 0)
      claim(owners[f.start], unit);
}

/// Whether no object's records are in two places, as far as they are known;
/// with \p apply, fills in what lies between two of one object's.
bool FileFinder::fillBetween(ArrayRef<const UnwindRecord *> records, bool apply) {
  DenseMap<Owner, size_t> seen; // last place
  Owner before = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    Owner o = owners.lookup(records[i]->start);
    if (!o || o == disputed)
      continue;
    auto [it, fresh] = seen.try_emplace(o, i);
    if (!fresh && before != o)
      return false;
    if (!fresh && apply)
      for (size_t k = it->second + 1; k < i; ++k)
        if (Owner &between = owners[records[k]->start]; !between)
          between = o;
    it->second = i;
    before = o;
  }
  return true;
}

/// Records up to one that begins at a multiple of 8 are of one object.
bool FileFinder::fillGroups(bool apply) {
  size_t first = 0;
  Owner owner = 0;
  auto &frames = program.frames;
  for (size_t i = 0; i <= frames.size(); ++i) {
    if (i == frames.size() || frames[i].address % 8 == 0) {
      for (size_t k = first; apply && owner && k < i; ++k)
        if (Owner *o = frames[k].cie ? &owners[frames[k].start] : nullptr; o && !*o)
          *o = owner;
      first = i;
      owner = 0;
    }
    Owner o = i < frames.size() && frames[i].cie ? owners.lookup(frames[i].start) : 0;
    if (!o || o == disputed)
      continue;
    if (owner && owner != o)
      return false;
    owner = o;
  }
  return true;
}

bool FileFinder::fillCallers(bool apply) {
  AddressMap<Owner> callers;
  for (const Reference &r : program.references) {
    if (r.kind != Reference::Kind::Address || r.anchor ||
        r.evidence == Evidence::Unwind || r.evidence == Evidence::JumpTable)
      continue;
    Owner o = locals.lookup(r.target);
    Piece *from = o && o != disputed ? program.pieceAt(r.place) : nullptr;
    if (!from || !from->isCode() || from->dropped)
      continue;
    // A piece may have functions of several.
    auto known = owners.find(from->address);
    bool isKnown = known != owners.end() && known->second;
    if (isKnown && known->second != o && known->second != disputed)
      return false;
    if (!isKnown)
      claim(callers[from->address], o);
  }
  for (auto [address, o] : callers)
    if (apply && o != disputed)
      owners[address] = o;
  return true;
}

void FileFinder::fill() {
  AddressMap<std::vector<const UnwindRecord *>> byCie;
  for (const UnwindRecord &f : program.frames)
    if (f.cie)
      byCie[f.cie].push_back(&f);
  bool groups = fillGroups(false);
  bool callers = !program.sourceFiles.empty() && fillCallers(false);
  bool between = llvm::all_of(byCie, [&](const auto &list) {
    return fillBetween(list.second, false);
  });
  // Each can add to what the others know.
  for (int n = 0; n < 4; ++n) {
    if (groups)
      groups = fillGroups(true);
    if (callers)
      callers = fillCallers(true);
    if (between)
      for (auto &[cie, list] : byCie)
        fillBetween(list, true);
  }
}

FileMap FileFinder::assign() {
  FileMap out;
  AddressMap<Owner> pieces;
  auto add = [&](uint64_t address) {
    Piece *p = program.pieceAt(address);
    Owner o = owners.lookup(address);
    if (p && p->isCode() && !p->dropped && o)
      claim(pieces[p->address], o);
  };
  for (const ProgramSymbol &s : program.symbols)
    if (s.type == STT_FUNC || s.type == STT_GNU_IFUNC)
      add(s.address);
  for (const UnwindRecord &f : program.frames)
    if (f.cie)
      add(f.start);
  // Both units and STT_FILE symbols are in the order of the link.
  std::map<Owner, unsigned> numbers;
  for (auto [address, o] : pieces)
    if (o && o != disputed)
      numbers[o] = 0;
  for (auto &[o, number] : numbers) {
    number = out.sources.size();
    out.sources.push_back(names[o]);
  }
  unsigned unknown = 0, mixed = 0;
  for (const Piece &p : program.pieces) {
    if (!p.isCode() || p.dropped)
      continue;
    Owner o = pieces.lookup(p.address);
    unknown += !o;
    mixed += o == disputed;
    if (!o || o == disputed)
      continue;
    out.file[p.address] = numbers[o];
  }
  if (out.isKnown() && unknown)
    program.remarks.push_back(Twine(unknown).str() +
                              " functions are of no source file that is known");
  if (out.isKnown() && mixed)
    program.remarks.push_back(Twine(mixed).str() +
                              " functions are of several source files");
  return out;
}

Expected<FileMap> FileFinder::find() {
  if (Error e = readUnits())
    return e;
  readLocals();
  fill();
  return assign();
}

} // namespace

Expected<FileMap> findFiles(Program &program, const DelinkConfig &config) {
  return FileFinder(program, config).find();
}

std::string safeFileName(StringRef name) {
  std::string out;
  for (char c : name.take_front(64))
    out += isAlnum(c) || StringRef("_-+.").contains(c) ? c : '_';
  if (out.empty() || out[0] == '.' || out[0] == '-')
    out.insert(out.begin(), '_');
  return out;
}

SplitPlan planByFile(const Program &program, const FileMap &files) {
  SplitPlan plan;
  plan.sources = files.sources;
  plan.names.push_back(sys::path::filename(program.image.path).str());
  StringSet<> taken;
  taken.insert(plan.names[0]);
  StringMap<unsigned> count;
  for (const std::string &source : drop_begin(files.sources)) {
    std::string name = safeFileName(sys::path::stem(source)), unique;
    do {
      unsigned n = ++count[name];
      unique = n == 1 ? name : name + "." + utostr(n);
    } while (!taken.insert(unique).second);
    plan.names.push_back(unique);
  }
  for (const Piece &p : program.pieces)
    if (p.output && p.isCode())
      if (unsigned n = files.file.lookup(p.address))
        plan.object[p.output] = n;
  return plan;
}

static bool isExceptionTable(const Piece &p) {
  return p.section->name == ".gcc_except_table" && !p.isCode();
}

/// Exception tables by the fields that lead to them.
static std::vector<std::pair<uint64_t, uint64_t>>
exceptionTables(Program &program) {
  std::vector<std::pair<uint64_t, uint64_t>> out; // start, the field's place
  const Section *frames = program.image.section(".eh_frame");
  for (const Reference &r : program.references)
    if (Piece *p = r.kind == Reference::Kind::Address ? program.pieceAt(r.target)
                                                      : nullptr;
        p && isExceptionTable(*p)) {
      // Something else knows the table's layout.
      if (r.evidence != Evidence::Unwind || !frames || !frames->contains(r.place))
        return {};
      out.push_back({r.target, r.place});
    }
  llvm::sort(out);
  return out;
}

void cutExceptionTables(Program &program) {
  std::vector<Piece> out;
  auto tables = exceptionTables(program);
  for (Piece &p : program.pieces) {
    if (!isExceptionTable(p) || tables.empty()) {
      out.push_back(p);
      continue;
    }
    uint64_t end = p.end();
    for (auto it = llvm::lower_bound(tables, std::pair(p.address + 1, uint64_t(0)));
         it != tables.end() && it->first < end; ++it) {
      if (it->first == p.address)
        continue; // one that two functions use
      Piece front = p;
      front.size = front.fileSize = it->first - p.address;
      out.push_back(front);
      p.address = it->first;
    }
    p.size = p.fileSize = end - p.address;
    out.push_back(p);
  }
  program.pieces = std::move(out);
}

void placeExceptionTables(Program &program, SplitPlan &plan) {
  DenseMap<const ObjectSection *, Owner> users;
  for (auto [start, place] : exceptionTables(program)) {
    auto frame = llvm::partition_point(
        program.frames, [&](const UnwindRecord &f) { return f.address + f.size <= place; });
    Piece *table = program.pieceAt(start);
    Piece *user = frame != program.frames.end() ? program.pieceAt(frame->start) : nullptr;
    if (!table->output || !user || !user->output)
      continue;
    unsigned object = plan.object.lookup(user->output);
    Owner &o = users[table->output];
    o = !o || o == object + 1 ? object + 1 : disputed;
  }
  for (auto [section, o] : users)
    if (o != disputed)
      plan.object[section] = o - 1;
}

} // namespace relink
