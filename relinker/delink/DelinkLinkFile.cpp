//===- DelinkLinkFile.cpp - How to link the objects again -----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A response file for a compiler driver, which brings the start-up objects and
// the linker: cc @link.rsp -fuse-ld=lld -o app. Names in it are relative to its
// directory.
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Error.h"
#include "Link.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

class LinkFileWriter {
public:
  explicit LinkFileWriter(const Program &program)
      : program(program), image(program.image), os(out.response) {}
  Expected<LinkFiles> write(const std::vector<std::string> &objectNames);

private:
  void writeKind();
  void writeDynamic();
  Error writeExports();
  void writeLibraries();
  void argument(const Twine &text);

  const Program &program;
  const Image &image;
  LinkFiles out;
  raw_string_ostream os;
};

/// Quoted where response files (GCC manual, "@file") would split it.
void LinkFileWriter::argument(const Twine &text) {
  std::string s = text.str();
  out.arguments.push_back(s);
  if (StringRef(s).find_first_of(" \t\n\"'\\") == StringRef::npos) {
    os << s << "\n";
    return;
  }
  os << '"';
  for (char c : s) {
    if (c == '"' || c == '\\')
      os << '\\';
    os << c;
  }
  os << "\"\n";
}

void LinkFileWriter::writeKind() {
  if (program.asLibrary)
    return argument("-shared");
  switch (image.kind) {
  case ImageKind::Pie:
    return argument("-pie");
  case ImageKind::Shared:
    return argument("-shared");
  case ImageKind::StaticPie:
    argument("-static-pie");
    return argument("-nodefaultlibs");
  case ImageKind::Executable:
    return argument("-no-pie");
  case ImageKind::StaticExecutable:
    argument("-static"); // what it needs of libraries is part of it
    return argument("-nodefaultlibs");
  }
}

void LinkFileWriter::writeDynamic() {
  const DynamicTables &d = image.dynamic;
  if (!image.interpreter.empty() && !program.asLibrary)
    argument("-Wl,--dynamic-linker=" + image.interpreter);
  if (!d.soname.empty())
    argument("-Wl,-soname," + d.soname);
  bool runPath = d.has(DT_RUNPATH);
  if (!d.runPaths.empty()) {
    argument(runPath ? "-Wl,--enable-new-dtags" : "-Wl,--disable-new-dtags");
    for (StringRef path : d.runPaths)
      argument("-Wl,-rpath," + path);
  }
  argument(d.bindNow ? "-Wl,-z,now" : "-Wl,-z,lazy");
  argument(image.segmentOfType(PT_GNU_RELRO) ? "-Wl,-z,relro"
                                             : "-Wl,-z,norelro");
  if (d.symbolic)
    argument("-Wl,-Bsymbolic");
  if (const Phdr *stack = image.segmentOfType(PT_GNU_STACK);
      stack && (stack->p_flags & PF_X))
    argument("-Wl,-z,execstack");
  for (auto [tag, value] : d.entries)
    if (tag == DT_AUXILIARY || tag == DT_FILTER)
      if (StringRef name = image.dynamicString(value); !name.empty())
        argument((tag == DT_AUXILIARY ? "-Wl,-f," : "-Wl,-F,") + name);
  if (d.flags & DF_ORIGIN || d.flags1 & DF_1_ORIGIN)
    argument("-Wl,-z,origin");
  for (const ProgramSymbol &s : program.places)
    for (auto [name, option] : {std::pair(initName, "-Wl,-init,"),
                                std::pair(finiName, "-Wl,-fini,"),
                                std::pair(entryName, "-Wl,-e,")})
      if (s.name == name)
        argument(option + Twine(name));
  constexpr std::pair<uint64_t, const char *> flags[] = {
      {DF_1_NODELETE, "nodelete"},
      {DF_1_NOOPEN, "nodlopen"},
      {DF_1_INITFIRST, "initfirst"},
      {DF_1_INTERPOSE, "interpose"}};
  for (auto [flag, option] : flags)
    if (d.flags1 & flag && !(program.asLibrary && flag == DF_1_NOOPEN))
      argument(Twine("-Wl,-z,") + option);
  // gcc's static programs register .eh_frame by a function that a stripped one does
  // not name, and have no search table.
  bool isRegistered = image.isStatic() && image.section(".eh_frame");
  if (image.segmentOfType(PT_GNU_EH_FRAME) || isRegistered)
    argument("-Wl,--eh-frame-hdr");
  argument(d.gnuHash ? d.hash ? "-Wl,--hash-style=both" : "-Wl,--hash-style=gnu"
                     : "-Wl,--hash-style=sysv");
  argument("-Wl,--no-gc-sections");
}

/// What an executable exports a linker can't know from the objects; what a
/// library does, versions included, it can't either.
Error LinkFileWriter::writeExports() {
  if (program.asLibrary) {
    raw_string_ostream list(out.versionScript);
    list << "{\nglobal:\n";
    for (const std::string &name : program.exports)
      list << "  \"" << name << "\";\n";
    list << "local: *;\n};\n";
    argument("-Wl,--version-script=versions.map");
    return Error::success();
  }
  ArrayRef<Sym> dynamic = image.dynamicSymbols();
  std::map<StringRef, std::vector<StringRef>> nodes;
  StringMap<unsigned> versions;
  bool versioned = image.dynamic.verdef;
  for (unsigned i = 1; i < dynamic.size(); ++i) {
    const Sym &s = dynamic[i];
    StringRef name = image.dynamicName(s);
    if (s.st_shndx == SHN_UNDEF || s.st_shndx == SHN_ABS || name.empty() ||
        program.bringsSymbol(name) || program.bringsFunction(name))
      continue;
    bool copied = llvm::any_of(program.copies, [&](const Program::Copy &c) {
      return c.address == s.st_value;
    });
    if (!copied && versioned && !versions.try_emplace(name, i).second)
      return program.error("not supported yet: " + name +
                           " is exported in several versions");
    if (!copied)
      nodes[versioned ? image.dynamicVersion(i) : ""].push_back(name);
  }
  bool library = image.kind == ImageKind::Shared;
  if (nodes.empty() && !library)
    return Error::success();
  if (!library) {
    raw_string_ostream names(out.dynamicList);
    names << "{\n";
    for (const auto &[version, list] : nodes)
      for (StringRef name : list)
        names << "  \"" << name << "\";\n";
    names << "};\n";
    argument("-Wl,--dynamic-list=dynamic.list");
    if (!versioned)
      return Error::success();
  }
  raw_string_ostream list(out.versionScript);
  // What has no version in a library with versions is in no node, and stays
  // global if nothing says otherwise.
  bool open = versioned && nodes.erase("");
  for (const auto &[version, names] : nodes) {
    list << version << (version.empty() ? "" : " ") << "{\nglobal:\n";
    for (StringRef name : names)
      list << "  \"" << name << "\";\n";
    list << (library && !open && version == nodes.begin()->first
                 ? "local: *;\n"
                 : "")
         << "};\n";
  }
  if (library && nodes.empty())
    list << (open ? "{ global: *; };\n" : "{ local: *; };\n");
  argument("-Wl,--version-script=versions.map");
  return Error::success();
}

/// In the order in which the loader searches them. The driver's own come last
/// and only where something needs them.
void LinkFileWriter::writeLibraries() {
  SmallString<256> origin(image.path);
  sys::fs::make_absolute(origin);
  sys::path::remove_filename(origin);
  for (StringRef paths : image.dynamic.runPaths) {
    SmallVector<StringRef, 4> parts;
    paths.split(parts, ':', -1, false);
    for (StringRef part : parts) {
      std::string path = part.str();
      for (StringRef word : {"${ORIGIN}", "$ORIGIN"})
        if (size_t at = path.find(word.str()); at != std::string::npos)
          path.replace(at, word.size(), origin.str().str());
      argument("-L" + path);
    }
  }
  argument("-Wl,--no-as-needed");
  for (StringRef name : image.dynamic.needed)
    // The loader is named by libc's own linker script where it is needed.
    argument(name.contains('/') ? name.str() : ("-l:" + name).str());
  argument("-Wl,--as-needed");
  argument("-Wl,--allow-shlib-undefined"); // what they need is found at run time
}

Expected<LinkFiles>
LinkFileWriter::write(const std::vector<std::string> &objectNames) {
  writeKind();
  for (const std::string &name : objectNames)
    argument(name);
  writeDynamic();
  if (Error e = writeExports())
    return e;
  writeLibraries();
  return out;
}

} // namespace

Expected<std::vector<std::string>>
linkerArguments(const Program &program, WholeLink &link,
                const std::vector<std::string> &libraryPaths,
                const std::string &sysroot) {
  auto files = makeLinkFiles(program, {});
  if (!files)
    return files.takeError();
  link.files = {{"dynamic.list", files->dynamicList},
                {"versions.map", files->versionScript}};
  std::vector<std::string> out;
  for (StringRef a : files->arguments) {
    if (a.empty() || a == "-nodefaultlibs")
      continue;
    if (a == "-static-pie")
      out.insert(out.end(), {"-static", "-pie", "--no-dynamic-linker", "-z", "text"});
    else if (a.consume_front("-Wl,"))
      for (SmallVector<StringRef, 4> parts; StringRef part :
           (a.split(parts, ','), parts))
        out.push_back(part.str());
    else
      out.push_back(a.str());
  }
  for (const std::string &d : libraryPaths)
    out.push_back("-L" + d);
  for (const char *d : {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
                        "/lib64", "/usr/lib64", "/lib", "/usr/lib"})
    out.push_back("-L" + sysroot + d);
  if (!program.image.interpreter.empty()) // __tls_get_addr
    out.push_back(sysroot + program.image.interpreter.str());
  out.push_back("--build-id=none");
  return out;
}

Expected<LinkFiles> makeLinkFiles(const Program &program,
                                  const std::vector<std::string> &objectNames) {
  return LinkFileWriter(program).write(objectNames);
}

} // namespace relink
