//===- DelinkShared.cpp - An executable becomes a shared library ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A position-independent executable is nearly a library. It differs in what it
// takes for granted: that a variable of another library is copied to where it
// says, and that its thread-local block is the first one. Such instructions are
// replaced by ones that load a slot of the GOT; where these are longer, by a jump
// behind the function and back. Exports are protected: the library's own code
// was bound to them when it was linked.
//
//===----------------------------------------------------------------------===//

#include "DelinkShared.h"
#include "Error.h"
#include "Link.h"
#include "SymbolIndex.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;

namespace relink {
namespace {

constexpr unsigned jumpSize = 5; ///< jmp rel32

bool isPrefix(uint8_t byte) {
  return is_contained({0xf0, 0xf2, 0xf3, 0x66, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26},
                      byte);
}

class LibraryMaker {
public:
  LibraryMaker(Program &program, Object &object)
      : program(program), object(object) {
    for (const Sym &s : program.image.dynamicSymbols())
      imports.insert(program.image.dynamicName(s));
  }
  Error rewriteCode(ObjectSection &section);
  Error checkData(const ObjectSection &section) const;
  Error exportSymbols(const std::vector<std::string> &wanted);

private:
  struct Code {
    std::vector<Instruction> instructions;
    std::vector<uint64_t> targets; ///< of jumps within the section; sorted
    std::vector<uint64_t> fields;  ///< of all relocations; sorted
  };
  Expected<Code> decode(const ObjectSection &section) const;
  bool needsSlot(const ObjectRelocation &r) const;
  Error rewrite(ObjectSection &section, const Code &code, ObjectRelocation &r);
  uint64_t appendStub(ObjectSection &section, const Instruction &i,
                      ArrayRef<uint8_t> code);
  uint64_t callThroughStub(ObjectSection &section, const Instruction &i, int64_t offset);
  ObjectSymbol &threadSymbol(const ObjectRelocation &r);
  bool isExport(const ObjectSymbol &s) const;
  Error error(const ObjectSection &section, uint64_t offset, const Twine &what) const;

  Program &program;
  Object &object;
  StringSet<> imports; ///< and exports
  std::map<std::pair<ObjectSymbol *, int64_t>, ObjectSymbol *> threadSymbols;
};

Error LibraryMaker::error(const ObjectSection &section, uint64_t offset,
                          const Twine &what) const {
  const ObjectSymbol *in = nullptr;
  for (const ObjectSymbol &s : object.symbols)
    if (s.section == &section && s.isFunction() && s.value <= offset &&
        (!in || s.value > in->value))
      in = &s;
  uint64_t inside = offset - (in ? in->value : 0);
  return program.error((in ? in->name : section.name) +
                       (inside ? "+" + hex(inside) : "") + ": " + what);
}

/// An import that code takes the address of, relative to itself: where the
/// library's own copy would be.
bool LibraryMaker::needsSlot(const ObjectRelocation &r) const {
  if (r.type == R_X86_64_TPOFF32)
    return true;
  return r.type == R_X86_64_PC32 && r.symbol && !r.symbol->isDefined() &&
         imports.contains(splitVersion(r.symbol->name).first);
}

Expected<LibraryMaker::Code>
LibraryMaker::decode(const ObjectSection &section) const {
  Code out;
  for (uint64_t at = 0; at < section.data.size();) {
    Instruction i;
    if (!program.target.decode(ArrayRef(section.data).drop_front(at), at, i))
      return error(section, at, "no instruction is known here");
    if (i.branchTarget)
      out.targets.push_back(*i.branchTarget);
    // LLVM's decoder takes some prefixes for instructions.
    if (Instruction *p = out.instructions.empty() ? nullptr : &out.instructions.back();
        p && llvm::all_of(ArrayRef(section.data).slice(p->address, p->size),
                          isPrefix)) {
      i.address = p->address;
      i.size += p->size;
      out.instructions.pop_back();
    }
    at = i.address + i.size;
    out.instructions.push_back(i);
  }
  for (const ObjectRelocation &r : section.relocations)
    out.fields.push_back(r.offset);
  llvm::sort(out.targets);
  return out;
}

/// The operand of an instruction that goes through a slot can have no addend.
ObjectSymbol &LibraryMaker::threadSymbol(const ObjectRelocation &r) {
  if (!r.addend)
    return *r.symbol;
  ObjectSymbol *&s = threadSymbols[{r.symbol, r.addend}];
  if (!s) {
    s = &object.addSymbol(r.symbol->name + "+" + utostr(r.addend));
    s->kind = r.symbol->kind;
    s->type = STT_TLS;
    s->binding = STB_LOCAL;
    s->section = r.symbol->section;
    s->value = r.symbol->value + r.addend;
  }
  return *s;
}

static void writeJump(std::vector<uint8_t> &data, uint64_t from, uint64_t to) {
  data[from] = 0xe9;
  write32le(&data[from + 1], to - (from + jumpSize));
}

/// \p code and the way back; its offset. What runs off the function's end, as code
/// that is never reached may, does not run into it.
uint64_t LibraryMaker::appendStub(ObjectSection &section, const Instruction &i,
                                  ArrayRef<uint8_t> code) {
  std::vector<uint8_t> &data = section.data;
  data.push_back(program.target.trapByte());
  uint64_t at = data.size();
  data.insert(data.end(), code.begin(), code.end());
  uint64_t back = data.size();
  data.resize(back + jumpSize);
  writeJump(data, back, i.address + i.size);
  section.size = data.size();
  return at;
}

/// `call *xmlFree(%rip)`, and the jump of that form.
static bool isCallThroughMemory(ArrayRef<uint8_t> code) {
  return code.size() == 6 && code[0] == 0xff && (code[1] == 0x15 || code[1] == 0x25);
}

/// The call goes to a stub behind the function that loads what is called, \p offset
/// bytes behind the variable's start, in %r11: no caller and no callee has anything there
/// (psABI, figure 3.4). A nop in front keeps the return address. The offset of the field
/// for the slot.
uint64_t LibraryMaker::callThroughStub(ObjectSection &section, const Instruction &i,
                                       int64_t offset) {
  constexpr unsigned field = 3, displacement = 10;
  std::vector<uint8_t> &data = section.data;
  data.push_back(program.target.trapByte());
  uint64_t at = data.size();
  const uint8_t code[] = {0x4c, 0x8b, 0x1d, 0, 0, 0, 0,  // mov slot(%rip),%r11
                          0x41, 0xff, 0xa3, 0, 0, 0, 0}; // jmp *offset(%r11)
  data.insert(data.end(), std::begin(code), std::end(code));
  write32le(&data[at + displacement], offset);
  section.size = data.size();
  bool isCall = data[i.address + 1] == 0x15;
  data[i.address] = 0x90;
  data[i.address + 1] = isCall ? 0xe8 : 0xe9;
  write32le(&data[i.address + 2], at - (i.address + i.size));
  return at + field;
}

Error LibraryMaker::rewrite(ObjectSection &section, const Code &code,
                            ObjectRelocation &r) {
  auto next = llvm::upper_bound(code.instructions, r.offset,
                                [](uint64_t at, const Instruction &i) {
                                  return at < i.address;
                                });
  if (next == code.instructions.begin())
    return error(section, r.offset, "no instruction has this field");
  const Instruction &i = *std::prev(next);
  uint64_t end = i.address + i.size;
  bool thread = r.type == R_X86_64_TPOFF32;
  auto refuse = [&](const Twine &why) {
    return error(section, i.address,
                 "can't become part of a library: this instruction has " +
                     (thread ? "the place of a thread-local variable in it"
                             : "the address of " + r.symbol->name +
                                   ", which another library has") +
                     ", and " + why);
  };
  if (i.branchTarget && !thread)
    return Error::success();
  int64_t offset = thread ? 0 : r.addend + int64_t(end - r.offset);
  if (!isInt<32>(offset))
    return refuse("it leads far away from there");
  if (llvm::lower_bound(code.fields, end) -
          llvm::lower_bound(code.fields, i.address) > 1)
    return refuse("it has another address in it, too");
  ArrayRef<uint8_t> bytes = ArrayRef(section.data).slice(i.address, i.size);
  auto inside = llvm::upper_bound(code.targets, i.address);
  bool isEntered = inside != code.targets.end() && *inside < end;
  if (!thread && !isEntered && isCallThroughMemory(bytes)) {
    r.offset = callThroughStub(section, i, offset);
    r.type = R_X86_64_REX_GOTPCRELX;
    r.addend = -4;
    return Error::success();
  }
  auto slot = program.target.goThroughSlot(bytes, r.offset - i.address, offset,
                                           thread);
  if (!slot)
    return refuse(toString(slot.takeError()));
  uint64_t at = i.address;
  bool fits = slot->code.size() <= i.size;
  if (!fits) {
    if (i.size < jumpSize || isEntered)
      return refuse("a jump does not fit in its place");
    at = appendStub(section, i, slot->code);
  }
  std::fill_n(section.data.begin() + i.address, i.size, 0x90);
  if (fits)
    llvm::copy(slot->code, section.data.begin() + i.address);
  else
    writeJump(section.data, i.address, at);
  r.offset = at + slot->field;
  r.symbol = thread ? &threadSymbol(r) : r.symbol;
  r.type = thread ? R_X86_64_GOTTPOFF : R_X86_64_REX_GOTPCRELX;
  r.addend = -4;
  return Error::success();
}

Error LibraryMaker::rewriteCode(ObjectSection &section) {
  if (llvm::none_of(section.relocations,
                    [&](const ObjectRelocation &r) { return needsSlot(r); }))
    return Error::success();
  auto code = decode(section);
  if (!code)
    return code.takeError();
  for (ObjectRelocation &r : section.relocations)
    if (needsSlot(r))
      if (Error e = rewrite(section, *code, r))
        return e;
  llvm::stable_sort(section.relocations, [](const auto &a, const auto &b) {
    return a.offset < b.offset;
  });
  return Error::success();
}

/// Fields that no loader can fill.
Error LibraryMaker::checkData(const ObjectSection &section) const {
  for (const ObjectRelocation &r : section.relocations) {
    bool isShort = r.type == R_X86_64_32 || r.type == R_X86_64_32S;
    if (isShort && r.symbol && r.symbol->kind != ObjectSymbol::Kind::Absolute)
      return error(section, r.offset,
                   "can't become part of a library: an address of 32 bits is part "
                   "of it\n>>> it was compiled for fixed addresses; remedy: "
                   "compile it with -fPIE");
    if (!section.isCode() && needsSlot(r))
      return error(section, r.offset,
                   "can't become part of a library: the distance to " +
                       r.symbol->name + ", which another library has, is part of it");
    if (!section.isWritable() && r.type == R_X86_64_64 && section.isAlloc() &&
        r.symbol && r.symbol->kind != ObjectSymbol::Kind::Absolute)
      return error(section, r.offset,
                   "can't become part of a library: an address is part of what is "
                   "not writable\n>>> it was compiled for fixed addresses; remedy: "
                   "compile it with -fPIE");
  }
  return Error::success();
}

bool LibraryMaker::isExport(const ObjectSymbol &s) const {
  return s.kind == ObjectSymbol::Kind::Defined && !s.isSection() &&
         s.visibility != STV_HIDDEN && s.visibility != STV_INTERNAL &&
         !isStartUpSymbol(s.name) && !program.isStartUpFunction(s.name);
}

Error LibraryMaker::exportSymbols(const std::vector<std::string> &wanted) {
  StringMap<std::vector<ObjectSymbol *>> byName;
  for (ObjectSymbol &s : object.symbols)
    if (isExport(s))
      byName[s.name].push_back(&s);
  auto exportIt = [&](ObjectSymbol &s) {
    s.binding = s.isWeak() ? uint8_t(STB_WEAK) : uint8_t(STB_GLOBAL);
    s.visibility = STV_PROTECTED;
    program.exports.push_back(s.name);
  };
  for (const std::string &name : wanted) {
    auto it = byName.find(name);
    if (it == byName.end())
      return program.error("--export-symbol=" + name +
                           ": the program has no function or variable of this "
                           "name\n>>> without symbols functions are called "
                           "fn_ADDRESS, in hexadecimal");
    auto global = llvm::find_if(it->second, [](auto *s) { return !s->isLocal(); });
    if (global == it->second.end() && it->second.size() > 1)
      return program.error("--export-symbol=" + name + ": " +
                           Twine(it->second.size()) +
                           " local ones have this name");
    ObjectSymbol &s = global == it->second.end() ? *it->second[0] : **global;
    if (s.visibility != STV_PROTECTED || !is_contained(program.exports, s.name))
      exportIt(s);
  }
  if (!wanted.empty()) { // the others keep what they mean to each other
    StringSet<> chosen;
    for (const std::string &name : program.exports)
      chosen.insert(name);
    for (ObjectSymbol &s : object.symbols)
      if (isExport(s) && !s.isLocal() && !chosen.contains(s.name))
        s.visibility = STV_HIDDEN;
    return Error::success();
  }
  for (ObjectSymbol &s : object.symbols)
    if (isExport(s) && (!s.isLocal() || (!program.named && s.isFunction())))
      exportIt(s);
  if (program.exports.empty())
    return program.error("has nothing to export");
  return Error::success();
}

/// What a library needs of crtbeginS.o, which is not at hand: a handle of its own,
/// and that what was registered with it (Itanium C++ ABI, 3.3.5) is destroyed when
/// the library goes, after its destructors: .fini_array is run backwards.
Object startUpObject(const Image &image) {
  Object object;
  ObjectSection &code = object.addSection(".text.finalize", SHT_PROGBITS,
                                          SHF_ALLOC | SHF_EXECINSTR);
  code.align = 16;
  code.data = {0xf3, 0x0f, 0x1e, 0xfa,             // endbr64
               0x48, 0x8d, 0x3d, 0,    0, 0, 0,    // lea __dso_handle(%rip),%rdi
               0xff, 0x25, 0,    0,    0, 0};      // jmp *__cxa_finalize@GOT(%rip)
  ObjectSection &data = object.addSection(".data.rel.ro", SHT_PROGBITS,
                                          SHF_ALLOC | SHF_WRITE);
  ObjectSection &array = object.addSection(".fini_array", SHT_FINI_ARRAY,
                                           SHF_ALLOC | SHF_WRITE);
  for (ObjectSection *s : {&data, &array}) {
    s->align = 8;
    s->data.resize(8);
  }
  for (ObjectSection &s : object.sections)
    s.size = s.data.size();
  ObjectSymbol &handle = object.addSymbol("__dso_handle");
  handle.kind = ObjectSymbol::Kind::Defined;
  handle.type = STT_OBJECT;
  handle.visibility = STV_HIDDEN;
  handle.section = &data;
  handle.size = 8;
  ObjectSymbol &finalize = object.addSymbol("__cxa_finalize");
  code.relocations = {{7, R_X86_64_PC32, &handle, -4},
                      {13, R_X86_64_GOTPCRELX, &finalize, -4}};
  data.relocations = {{0, R_X86_64_64, &handle, 0}};
  array.relocations = {{0, R_X86_64_64, &object.sectionSymbol(code), 0}};
  object.addSection(".note.GNU-stack", SHT_PROGBITS, 0);
  addPropertyNote(object, image.ibt, image.shstk);
  return object;
}

} // namespace

Error refuseAsLibrary(const Program &program) {
  const Image &image = program.image;
  if (image.kind == ImageKind::Shared)
    return program.error("is a shared library already");
  if (image.isStatic())
    return program.error("a static program can't become a library: it has a C "
                         "library of its own, and a process can't have two");
  for (const Section &s : image.sections)
    if (s.type == SHT_PREINIT_ARRAY && s.size)
      return program.error("can't become a library: it has constructors in " +
                           s.name + ", which libraries' loaders do not run");
  return Error::success();
}

Error makeLibrary(Program &program, Object &whole,
                  const std::vector<std::string> &wanted) {
  LibraryMaker maker(program, whole);
  program.exports.clear();
  for (ObjectSection &s : whole.sections) {
    if (Error e = maker.checkData(s))
      return e;
    if (s.isCode() && !s.isNoBits())
      if (Error e = maker.rewriteCode(s))
        return e;
  }
  if (Error e = maker.exportSymbols(wanted))
    return e;
  for (StringRef name : program.exports)
    if (name.find_first_of("\"\\\n") != StringRef::npos)
      return program.error("can't export a symbol whose name no version script can "
                           "hold\n>>> remedy: --export-symbol=NAME for those that "
                           "are needed");
  return Error::success();
}

Expected<std::unique_ptr<MemoryBuffer>> linkLibrary(Program &program,
                                                    const DelinkConfig &config) {
  DelinkConfig whole = config;
  whole.granularity = DelinkConfig::Granularity::Whole;
  auto objects = buildObjects(program, whole, nullptr);
  if (!objects)
    return objects.takeError();
  WholeLink link;
  link.inputs.push_back(
      {"start-up code", writeObject(startUpObject(program.image))});
  link.inputs.push_back({program.image.path, writeObject(*objects->front())});
  auto args = linkerArguments(program, link, {}, "");
  if (!args)
    return args.takeError();
  link.arguments = std::move(*args);
  StringRef name = sys::path::filename(config.output);
  link.arguments.insert(link.arguments.end(),
                        {"-soname", name.str(), "-z", "defs", "-z", "text"});
  return linkWhole(link);
}

} // namespace relink
