//===- Delink.cpp - A finished program, as objects again ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Delink.h"
#include "DelinkProgram.h"
#include "Error.h"
#include "Image.h"
#include "OutputFile.h"
#include "Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

Error refuseUnsupported(const Program &program) {
  const Image &image = program.image;
  if (image.header.e_machine != EM_X86_64)
    return program.error("not supported yet: this architecture");
  if (!program.kept.empty())
    return Error::success();
  std::string context;
  for (const std::string &remark : program.remarks)
    context += "\n>>> " + remark;
  if (!image.isPositionIndependent())
    return program.error(
        "a program at fixed addresses has no relocations for its pointers, and "
        "numbers that look like addresses can't be told from them" + context +
        "\n>>> remedy: link it with ld.relink or --emit-relocs, or with -pie");
  if (image.isStatic())
    return program.error(
        "a static program refers to sections' bounds by their addresses, which "
        "can't be told from what lies there" + context +
        "\n>>> remedy: link it with ld.relink or --emit-relocs");
  return Error::success();
}

Error writeFile(const Twine &path, StringRef bytes) {
  OutputFile file(path.str());
  if (Error e = file.checkCreated())
    return e;
  if (Error e = file.write(arrayRefFromStringRef(bytes), 0))
    return e;
  return file.publish();
}

/// One reference a line: place, type, what it means, how it is known.
std::string listReferences(const Program &program) {
  std::string text;
  raw_string_ostream os(text);
  for (const Reference &r : program.references) {
    StringRef kind = r.kind == Reference::Kind::Address  ? "address"
                     : r.kind == Reference::Kind::Import ? "import"
                     : r.kind == Reference::Kind::Ifunc  ? "ifunc"
                     : r.kind == Reference::Kind::Thread ? "thread"
                     : r.kind == Reference::Kind::Number ? "number"
                                                         : "name";
    os << hex(r.place) << "\t" << r.type << "\t" << kind << "\t" << hex(r.target)
       << "\t";
    if (r.import)
      os << program.image.dynamicName(program.image.dynamicSymbols()[r.import]);
    else
      os << "-";
    os << "\t" << toString(r.evidence) << "\n";
  }
  return text;
}

/// Of a function by its number, since names may be long, and strange.
std::string objectName(const DelinkConfig &config, const Object &object, size_t n) {
  if (!n)
    return (sys::path::filename(config.app) + ".o").str();
  std::string name = utostr(n) + ".";
  for (char c : StringRef(object.name).take_front(64))
    name += isAlnum(c) || c == '_' ? c : '_';
  return name + ".o";
}

Error writeOutputs(Program &program, const DelinkConfig &config,
                   DelinkReport &report) {
  auto object = buildObject(program, config, nullptr, nullptr);
  if (!object)
    return object.takeError();
  report.sections = (*object)->sections.size();
  std::vector<std::unique_ptr<Object>> objects;
  if (config.byFunction) {
    auto parts = splitObject(**object);
    if (!parts)
      return parts.takeError();
    objects = std::move(*parts);
  } else {
    objects.push_back(std::move(*object));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < objects.size(); ++i)
    names.push_back(objectName(config, *objects[i], i));
  auto files = makeLinkFiles(program, names);
  if (!files)
    return files.takeError();
  if (std::error_code e = sys::fs::create_directories(config.output))
    return makeError(config.output + ": cannot create: " + e.message());
  std::string directory = config.output + "/";
  for (size_t i = 0; i < objects.size(); ++i) {
    SmallVector<char, 0> bytes = writeObject(*objects[i]);
    if (Error e = writeFile(directory + names[i], {bytes.data(), bytes.size()}))
      return e;
  }
  if (!files->dynamicList.empty())
    if (Error e = writeFile(directory + "dynamic.list", files->dynamicList))
      return e;
  if (!files->versionScript.empty())
    if (Error e = writeFile(directory + "versions.map", files->versionScript))
      return e;
  return writeFile(directory + "link.rsp", files->response);
}

void summarize(const Program &program, DelinkReport &report) {
  report.kind = toString(program.image.kind).str();
  for (const Piece &p : program.pieces)
    report.functions += p.isCode() && !p.dropped;
  uint64_t counts[evidenceCount] = {};
  for (const Reference &r : program.references)
    ++counts[unsigned(r.evidence)];
  for (unsigned i = 0; i < evidenceCount; ++i)
    report.references.push_back({toString(Evidence(i)).str(), counts[i]});
  report.remarks = program.remarks;
}

} // namespace

Expected<DelinkReport> delink(const DelinkConfig &config) {
  DelinkReport report;
  report.app = config.app;
  auto image = Image::open(config.app);
  if (!image)
    return image.takeError();
  auto target = createX86_64Target();
  if (!target)
    return target.takeError();
  Program program(**image, **target);
  if (Error e = analyzeProgram(program, config))
    return e;

  // Beyond this point nothing is found out any more.
  if (Error e = config.check ? checkObject(program, config, report)
                             : writeOutputs(program, config, report))
    return e;
  summarize(program, report);
  if (!config.references.empty())
    if (Error e = writeFile(config.references, listReferences(program)))
      return e;
  return report;
}

Error analyzeProgram(Program &program, const DelinkConfig &config) {
  using Step = Error (*)(Program &, const DelinkConfig &);
  constexpr Step steps[] = {
      // What the program says of itself.
      [](Program &p, const DelinkConfig &) { return readMapRelocations(p); },
      [](Program &p, const DelinkConfig &) { return readKeptRelocations(p); },
      [](Program &p, const DelinkConfig &) { return refuseUnsupported(p); },
      readProgramSymbols,
      [](Program &p, const DelinkConfig &) { return readFrames(p); },
      [](Program &p, const DelinkConfig &) { return cutPieces(p); },
      // What refers to what, the surest first. Pieces may be joined on the way.
      [](Program &p, const DelinkConfig &) { return readDynamicReferences(p); },
      [](Program &p, const DelinkConfig &) { return readKeptWords(p); },
      [](Program &p, const DelinkConfig &) { return readCodeReferences(p); },
      [](Program &p, const DelinkConfig &) { return readKeptDistances(p); },
      [](Program &p, const DelinkConfig &) { return readUnwindReferences(p); },
      joinAmbiguousBorders,
  };
  for (Step step : steps)
    if (Error e = step(program, config))
      return e;
  return Error::success();
}

void printReport(const DelinkReport &r, raw_ostream &os) {
  os << r.app << ": " << r.kind << ", " << r.functions << " functions\n";
  for (const auto &[name, count] : r.references)
    os << "  " << count << " references by " << name << "\n";
  for (const std::string &remark : r.remarks)
    os << "  remark: " << remark << "\n";
  if (r.checkedBytes)
    os << "  " << r.checkedBytes << " bytes linked again, " << r.checkedMeanings
       << " relocations compared, " << r.differences.size() << " differences\n";
  for (const std::string &d : r.differences)
    os << "  differs: " << d << "\n";
}

} // namespace relink
