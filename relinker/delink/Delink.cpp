//===- Delink.cpp - A finished program, as objects again ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Delink.h"
#include "DelinkFiles.h"
#include "DelinkShared.h"
#include "Error.h"
#include "Image.h"
#include "LoaderRules.h"
#include "OutputFile.h"
#include "Target.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

Error refuseUnsupported(Program &program, const DelinkConfig &config) {
  const Image &image = program.image;
  if (image.header.e_machine != EM_X86_64)
    return program.error("not supported yet: this architecture");
  for (const Section &s : image.sections)
    if (StringRef(s.name).ends_with(".gopclntab"))
      return program.error("not supported yet: a program of Go's own compiler, whose "
                           "tables hold distances of code that no instruction shows");
  if (!program.kept.empty())
    return Error::success();
  program.assumes = config.assumeAddresses &&
                    (!image.isPositionIndependent() || image.isStatic());
  if (program.assumes)
    return Error::success();
  std::string context;
  for (const std::string &remark : program.remarks)
    context += "\n>>> " + remark;
  if (!image.isPositionIndependent())
    return program.error(
        "a program at fixed addresses has no relocations for its pointers, and "
        "numbers that look like addresses can't be told from them" + context +
        "\n>>> remedy: link it with ld.relink or --emit-relocs, or with -pie; or take "
        "them for addresses unproven, with --assume-addresses");
  if (image.isStatic())
    return program.error(
        "a static program refers to sections' bounds by their addresses, which "
        "can't be told from what lies there" + context +
        "\n>>> remedy: link it with ld.relink or --emit-relocs; or guess, with "
        "--assume-addresses");
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

/// An object, which may be larger than what memory has room for twice.
Error writeFile(const Twine &path, const Object &object) {
  OutputFile file(path.str());
  if (Error e = file.checkCreated())
    return e;
  raw_fd_ostream stream(file.descriptor(), /*shouldClose=*/false);
  constexpr size_t bufferSize = 1 << 20; // sections are small
  stream.SetBufferSize(bufferSize);
  writeObject(object, stream);
  stream.flush();
  if (std::error_code e = stream.error()) {
    stream.clear_error();
    return makeError(path + ": cannot write: " + e.message());
  }
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

Error writeOutputs(Program &program, const DelinkConfig &config,
                   DelinkReport &report) {
  auto objects = buildObjects(program, config, nullptr);
  if (!objects)
    return objects.takeError();
  std::vector<std::string> names;
  for (auto &object : *objects) {
    report.sections += object->sections.size();
    names.push_back(object->name + ".o");
  }
  auto files = makeLinkFiles(program, names);
  if (!files)
    return files.takeError();
  if (std::error_code e = sys::fs::create_directories(config.output))
    return makeError(config.output + ": cannot create: " + e.message());
  std::string directory = config.output + "/";
  for (size_t i = 0; i < names.size(); ++i)
    if (Error e = writeFile(directory + names[i], *(*objects)[i]))
      return e;
  if (!files->dynamicList.empty())
    if (Error e = writeFile(directory + "dynamic.list", files->dynamicList))
      return e;
  if (!files->versionScript.empty())
    if (Error e = writeFile(directory + "versions.map", files->versionScript))
      return e;
  return writeFile(directory + "link.rsp", files->response);
}

Error writeLibrary(Program &program, const DelinkConfig &config) {
  auto linked = linkLibrary(program, config);
  if (!linked)
    return linked.takeError();
  StringRef bytes = (*linked)->getBuffer();
  for (const RuleViolation &v : checkLoaderRules(arrayRefFromStringRef(bytes)))
    if (!v.warning)
      return program.error("the linked library breaks a rule of the loader: " +
                           v.message);
  return writeFile(config.output, bytes);
}

/// Functions that the loader calls by the dynamic section, or the kernel by the header.
void namePlaces(Program &program) {
  const Image &image = program.image;
  auto add = [&](const char *name, uint64_t address) {
    const Piece *p = program.pieceAt(address);
    if (p && p->isCode() && !p->dropped)
      program.places.push_back(
          {name, address, 0, STT_FUNC, STB_GLOBAL, STV_HIDDEN, 0, 0});
  };
  for (auto [tag, value] : image.dynamic.entries)
    if (tag == DT_INIT || tag == DT_FINI) {
      const Section *usual = image.section(tag == DT_INIT ? ".init" : ".fini");
      if (!usual || usual->address != value)
        add(tag == DT_INIT ? initName : finiName, value);
    }
  if (const Piece *p = program.pieceAt(image.header.e_entry);
      p && image.kind == ImageKind::Shared && p->address == image.header.e_entry)
    add(entryName, p->address);
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

bool DelinkConfig::linksLibrary() const {
  StringRef name = sys::path::filename(output);
  return asLibrary && (name.ends_with(".so") || name.contains(".so."));
}

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
  program.asLibrary = config.asLibrary;
  if (program.asLibrary)
    if (Error e = refuseAsLibrary(program))
      return e;
  if (Error e = analyzeProgram(program, config))
    return e;

  if (!config.check)
    namePlaces(program);
  // Beyond this point nothing is found out any more.
  if (Error e = config.check            ? checkObject(program, config, report)
                : config.linksLibrary() ? writeLibrary(program, config)
                                        : writeOutputs(program, config, report))
    return e;
  summarize(program, report);
  if (!config.references.empty())
    if (Error e = writeFile(config.references, listReferences(program)))
      return e;
  return report;
}

Expected<std::vector<std::unique_ptr<Object>>>
buildObjects(Program &program, const DelinkConfig &config, PinnedLayout *pinned) {
  using Granularity = DelinkConfig::Granularity;
  Granularity granularity = config.granularity;
  FileMap files;
  if (granularity == Granularity::Known || granularity == Granularity::File) {
    auto found = findFiles(program, config);
    if (!found)
      return found.takeError();
    files = std::move(*found);
    if (!files.isKnown() && granularity == Granularity::File)
      return program.error(
          "which source files its functions are of is not known\n>>> neither "
          "symbols of source files (STT_FILE) nor DWARF say so; "
          "--debug-file=FILE names a file that has them, --granularity=function "
          "needs none");
    granularity = files.isKnown() ? Granularity::File : Granularity::Whole;
  }
  if (granularity != Granularity::Whole)
    cutExceptionTables(program);
  auto whole = buildObject(program, config, pinned, nullptr);
  if (!whole)
    return whole.takeError();
  (*whole)->name = sys::path::filename(config.app);
  if (program.asLibrary)
    if (Error e = makeLibrary(program, **whole, config.exports))
      return e;
  std::vector<std::unique_ptr<Object>> out;
  if (granularity == Granularity::Whole) {
    out.push_back(std::move(*whole));
    return out;
  }
  SplitPlan plan = granularity == Granularity::File
                       ? planByFile(program, files)
                       : planByFunction(program, **whole);
  placeExceptionTables(program, plan);
  plan.isOrdered = !config.shuffle;
  return splitObject(**whole, plan);
}

Error analyzeProgram(Program &program, const DelinkConfig &config) {
  using Step = Error (*)(Program &, const DelinkConfig &);
  constexpr Step steps[] = {
      // What the program says of itself.
      [](Program &p, const DelinkConfig &) { return readMapRelocations(p); },
      [](Program &p, const DelinkConfig &) { return readKeptRelocations(p); },
      refuseUnsupported,
      readProgramSymbols,
      [](Program &p, const DelinkConfig &) { return readFrames(p); },
      [](Program &p, const DelinkConfig &) { return cutPieces(p); },
      // What refers to what, the surest first. Pieces may be joined on the way.
      [](Program &p, const DelinkConfig &) { return readDynamicReferences(p); },
      [](Program &p, const DelinkConfig &) { return readKeptWords(p); },
      [](Program &p, const DelinkConfig &) { return readAssumedWords(p); },
      [](Program &p, const DelinkConfig &) { return readCodeReferences(p); },
      [](Program &p, const DelinkConfig &) { return readKeptDistances(p); },
      [](Program &p, const DelinkConfig &) { return readUnwindReferences(p); },
      [](Program &p, const DelinkConfig &) { return finishAssumed(p); },
      settleBorders,
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
