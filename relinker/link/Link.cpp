//===- Link.cpp - lld, in process -----------------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inputs are memory files, named to lld through /proc/self/fd. The output goes
// through a pipe: lld renames a temporary file over an ordinary output, and
// there is no directory here to do that in, but writes straight to a pipe. The
// script fixes the layout: the app's sections where they are, then what is
// writable, then what is read-only or code, then the linker's own tables,
// which the splicer reads and merges but does not copy.
//
//===----------------------------------------------------------------------===//

#include "Link.h"
#include "Error.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// An anonymous file that lld can open by name.
class MemoryFile {
public:
  static Expected<MemoryFile> create(StringRef bytes) {
    MemoryFile f(memfd_create("relink", MFD_CLOEXEC));
    if (f.fd < 0)
      return makeError("cannot create a memory file: " +
                       Twine(strerror(errno)));
    while (!bytes.empty()) {
      ssize_t n = ::write(f.fd, bytes.data(), bytes.size());
      if (n < 0)
        return makeError("cannot write a memory file: " +
                         Twine(strerror(errno)));
      bytes = bytes.drop_front(n);
    }
    return f;
  }
  MemoryFile(MemoryFile &&o) : fd(std::exchange(o.fd, -1)) {}
  MemoryFile(const MemoryFile &) = delete;
  ~MemoryFile() {
    if (fd >= 0)
      ::close(fd);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
private:
  explicit MemoryFile(int fd) : fd(fd) {}
  int fd;
};

/// Collects what is written to a pipe.
class PipeReader {
public:
  PipeReader() {
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return;
    ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); // fewer switches, if allowed
    thread = std::thread([this] {
      char block[65536];
      ssize_t n;
      while (!stop && ((n = ::read(ends[0], block, sizeof(block))) > 0 ||
                       (n < 0 && errno == EINTR)))
        if (n > 0)
          data.append(block, block + n);
    });
  }
  ~PipeReader() { finish(); }
  PipeReader(const PipeReader &) = delete;
  bool isOpen() const { return ends[1] >= 0; }
  std::string path() const {
    return "/proc/self/fd/" + std::to_string(ends[1]);
  }
  /// A writer crashed, and has left its end of the pipe open.
  void abandon() {
    stop = true;
    (void)!::write(ends[1], "", 1); // wakes the reader
  }
  /// Waits for the writers to be done.
  SmallVector<char, 0> finish() {
    if (ends[1] >= 0)
      ::close(std::exchange(ends[1], -1));
    if (thread.joinable())
      thread.join();
    if (ends[0] >= 0)
      ::close(std::exchange(ends[0], -1));
    return std::move(data);
  }

private:
  int ends[2] = {-1, -1};
  std::thread thread;
  std::atomic<bool> stop = false;
  SmallVector<char, 0> data;
};

/// lld's diagnostics name memory files; the user knows the objects.
std::string readableDiagnostics(
    std::string text, ArrayRef<std::pair<std::string, std::string>> names) {
  for (const auto &[path, name] : names)
    for (size_t at = 0; (at = text.find(path, at)) != std::string::npos;) {
      char next = text.c_str()[at + path.size()];
      if (isDigit(next)) {
        at += path.size();
        continue;
      }
      text.replace(at, path.size(), name);
      at += name.size();
    }
  StringRef rest = text;
  std::string out;
  while (!rest.empty()) {
    auto [line, tail] = rest.split('\n');
    rest = tail;
    line.consume_front("ld.lld: ");
    if (line.consume_front("error: "))
      out += (out.empty() ? "" : "\n") + line.str();
    else if (!line.empty() && !line.starts_with("warning: "))
      out += (out.empty() ? "" : "\n") + line.str();
  }
  return out;
}

class Script {
public:
  Script(const Image &image, const Plan &plan, const LinkInputs &inputs,
         const Placement &placement)
      : image(image), plan(plan), inputs(inputs), placement(placement),
        out(text) {}
  std::string write();

private:
  void writeApp();
  void writeTls();
  void writeWritable();
  void writeReadOnly();
  void writePools();
  void writePool(reserve::PoolKind pool);
  void writeTlsPool();
  void writeLinkerTables();
  void writeDebugInfo();

  const Image &image;
  const Plan &plan;
  const LinkInputs &inputs;
  const Placement &placement;
  std::string text;
  raw_string_ostream out;
};

void Script::writeApp() {
  for (const PinnedSection &p : inputs.pinned)
    out << "  " << p.name << " " << hex(p.address) << " : { *(" << p.name
        << ") } :NONE\n";
  for (const Replacement &r : plan.replacements)
    if (r.inPlace)
      out << "  .relink.inplace." << r.linkName << " " << hex(r.address)
          << " : { *(.relink.inplace." << r.linkName << ") } :NONE\n";
}

/// x86-64 executables count thread-local offsets from the block's end (psABI,
/// variant II), so new variables go in front; libraries count from its start,
/// so they go behind.
void Script::writeTls() {
  const TlsLayout &t = inputs.tls;
  if (!t.present)
    return;
  const char *fresh = "*(.tdata .tdata.*) *(.tbss .tbss.* .tcommon)";
  if (!t.grows) {
    out << "  . = " << hex(t.address) << ";\n"
        << "  .relink.apptls : { *(.relink.apptls) } :NONE :tls\n";
    return;
  }
  bool library = image.kind == ImageKind::Shared;
  uint64_t tail = alignTo(t.appSize, t.appAlign);
  out << "  .relink.tdata : ALIGN(" << t.align << ") {\n";
  if (library)
    out << "    *(.relink.apptls) *(.relink.apptlsend) " << fresh << "\n";
  else
    out << "    " << fresh << " . = ALIGN(. + " << tail << ", " << t.align
        << ") - " << tail << "; *(.relink.apptls) *(.relink.apptlsend) . = . + "
        << tail - t.appSize << ";\n";
  out << "  } :rw :tls\n";
}

// What the sections of each kind are made of.
constexpr char textSections[] =
    "  .relink.text : { *(.text .text.*) } :%\n"
    "  .relink.plt : { *(.plt) *(.plt.*) *(.iplt) } :%\n";
constexpr char rodataSections[] =
    "  .relink.rodata : { *(.rodata .rodata.*) } :%\n"
    "  .relink.gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) } "
    ":%\n";
constexpr char frameSections[] = "  .relink.eh_frame : { *(.eh_frame) } :%\n";
constexpr char relroSections[] =
    "  .relink.dynamic : { *(.relink.dynamic) } :%\n"
    "  .relink.data.rel.ro : { *(.data.rel.ro .data.rel.ro.*) } :%\n"
    "  .relink.got : { *(.got) *(.got.plt) *(.igot.plt) } :%\n";
constexpr char dataSections[] = "  .relink.data : { *(.data .data.*) } :%\n";
constexpr char bssSections[] =
    "  .relink.bss : { *(.bss .bss.* COMMON) *(.bss.rel.ro) } :%\n";

/// The sections, in the given segment.
std::string inSegment(StringRef sections, StringRef segment) {
  std::string text;
  for (char ch : sections)
    ch == '%' ? void(text += segment) : text.push_back(ch);
  return text;
}

void Script::writePool(reserve::PoolKind pool) {
  using reserve::PoolKind;
  const ReserveSpace &space = *placement.reserve;
  std::string segment = ("pool" + Twine(unsigned(pool))).str();
  auto put = [&](PoolKind kind, StringRef sections) {
    if (space.homeOf(kind) == pool)
      out << inSegment(sections, segment);
  };
  out << "  . = " << hex(space.pool(pool).start) << ";\n";
  put(PoolKind::Text, textSections);
  put(PoolKind::ReadOnly, rodataSections);
  if (!space.spareRows)
    put(PoolKind::ReadOnly, frameSections);
  put(PoolKind::Relro, relroSections);
  put(PoolKind::Data, dataSections);
  put(PoolKind::Bss, bssSections);
  out << "  HIDDEN(relink.pool" << unsigned(pool) << " = .);\n";
}

/// The block has the size it had, and new variables lie in the middle of it. A
/// segment ends with its last section.
void Script::writeTlsPool() {
  constexpr unsigned kind = unsigned(reserve::PoolKind::Tls);
  const TlsLayout &t = inputs.tls;
  out << "  .relink.apptls " << hex(t.address)
      << " : { *(.relink.apptls) } :NONE :tls\n"
      << "  .relink.tdata " << hex(placement.reserve->pool(reserve::PoolKind::Tls).start)
      << " : { *(.tdata .tdata.*) *(.tbss .tbss.* .tcommon) HIDDEN(relink.pool"
      << kind << " = .); } :pool" << kind << " :tls\n"
      << "  .relink.apptlsend " << hex(t.address + t.appSize)
      << " : { *(.relink.apptlsend) } :NONE :tls\n";
}

/// Each pool is a segment of its own here, at its place in the app.
void Script::writePools() {
  const ReserveSpace &space = *placement.reserve;
  for (unsigned i = 1; i < reserve::poolKinds; ++i)
    writePool(reserve::PoolKind(i));
  if (inputs.tls.grows)
    writeTlsPool();
  if (space.spareRows)
    // Records are multiples of 4, and .eh_frame has no gaps.
    out << "  .relink.eh_frame " << hex(space.framesStart)
        << " : SUBALIGN(4) { *(.eh_frame) } :frames\n";
  out << "  . = " << hex(space.constructorsStart) << ";\n"
      << "  .relink.init_array : { *(SORT_BY_INIT_PRIORITY(.init_array.[0-9]*)) "
         "*(.init_array) } :ctors\n"
         "  /DISCARD/ : { *(.init_array.relink.old) }\n"
      << "  . = " << hex(placement.address) << ";\n";
}

void Script::writeWritable() {
  out << "  .relink.init_array : ALIGN(8) { *(.init_array.relink.old) "
         "*(SORT_BY_INIT_PRIORITY(.init_array.*)) *(.init_array) } :rw\n"
         "  .relink.fini_array : ALIGN(8) { *(.fini_array.relink.old) "
         "*(SORT_BY_INIT_PRIORITY(.fini_array.*)) *(.fini_array) } :rw\n"
      << inSegment(relroSections, "rw") << inSegment(dataSections, "rw")
      << "  HIDDEN(relink.file_end = .);\n"
      << inSegment(bssSections, "rw")
      << "  HIDDEN(relink.rw_end = .);\n"
         "  . = relink.rw_end == relink.start ? . : ALIGN(4096)"
      << (placement.identity ? "" : " + (relink.file_end & 4095)") << ";\n"
         "  HIDDEN(relink.rx_start = .);\n";
}

void Script::writeReadOnly() {
  out << inSegment(textSections, "rx") << inSegment(rodataSections, "rx")
      << inSegment(frameSections, "rx") << "  HIDDEN(relink.rx_end = .);\n";
}

void Script::writeLinkerTables() {
  out << "  . = ALIGN(4096);\n";
  for (const char *name :
       {".note.gnu.property", ".eh_frame_hdr", ".dynsym", ".dynstr",
        ".gnu.version", ".gnu.version_r", ".gnu.hash", ".rela.dyn", ".rela.plt",
        ".dynamic"})
    out << "  " << name << " : { *(" << name << ") } :tables\n";
}

/// References into the app's part of a section are not there; those into the
/// patch's have to count it in.
void Script::writeDebugInfo() {
  for (const DebugPrefix &p : inputs.debug.prefixes)
    out << "  " << p.name << " 0 : { . += " << p.size << "; *(" << p.name
        << ") }\n";
}

std::string Script::write() {
  out << "PHDRS {\n  rw PT_LOAD FLAGS(6);\n  rx PT_LOAD FLAGS(5);\n";
  if (placement.reserve) {
    for (unsigned i = 1; i <= reserve::poolKinds; ++i)
      out << "  pool" << i << " PT_LOAD;\n";
    out << "  frames PT_LOAD FLAGS(4);\n  ctors PT_LOAD FLAGS(6);\n";
  }
  if (inputs.tls.present)
    out << "  tls PT_TLS;\n";
  out << "  tables PT_LOAD FLAGS(4);\n}\nSECTIONS {\n";
  writeApp();
  if (inputs.tls.present && !inputs.tls.grows)
    writeTls();
  if (placement.reserve) {
    writePools();
  } else {
    out << "  . = " << hex(placement.address) << ";\n"
        << "  HIDDEN(relink.start = .);\n";
    if (inputs.tls.grows)
      writeTls();
    writeWritable();
    writeReadOnly();
  }
  writeLinkerTables();
  writeDebugInfo();
  out << "}\n";
  return text;
}

std::vector<std::string> linkArguments(const Image &image) {
  std::vector<std::string> args = {
      "ld.lld",         "-e",           "0",
      "-z",             "now",          "-z",
      "norelro",        "--gc-sections", "--eh-frame-hdr",
      "--build-id=none", "--hash-style=gnu", "--no-check-sections",
      "--threads=1", "--error-limit=20",
      "--no-dynamic-linker", "-z", "nognustack"};
  switch (image.kind) {
  case ImageKind::Pie:
  case ImageKind::StaticPie:
    args.push_back("-pie");
    break;
  case ImageKind::Shared:
    args.push_back("-shared");
    if (image.dynamic.symbolic)
      args.push_back("-Bsymbolic");
    break;
  case ImageKind::Executable:
    args.push_back("-no-pie");
    break;
  case ImageKind::StaticExecutable:
    args.insert(args.end(), {"-no-pie", "-static"});
    break;
  }
  return args;
}

Expected<std::unique_ptr<MemoryBuffer>>
runLld(std::vector<std::string> args,
       ArrayRef<std::pair<std::string, std::string>> names,
       StringRef outputName) {
  PipeReader output;
  if (!output.isOpen())
    return makeError("cannot create a pipe: " + Twine(strerror(errno)));
  args.insert(args.end(), {"-o", output.path()});
  std::vector<const char *> argv;
  for (const std::string &a : args)
    argv.push_back(a.c_str());
  std::string messages;
  raw_string_ostream os(messages);
  // A crash of lld, which trusts objects more than it should, ends in lldMain().
  CrashRecoveryContext::Enable();
  lld::Result result =
      lld::lldMain(argv, os, os, {{lld::Gnu, &lld::elf::link}});
  CrashRecoveryContext::Disable();
  if (result.retCode > 128)
    output.abandon();
  SmallVector<char, 0> bytes = output.finish();
  if (result.retCode > 128)
    return makeError("lld crashed (" + Twine(strsignal(result.retCode - 128)) +
                     "); is the patch object broken?");
  if (result.retCode != 0) {
    std::string text = readableDiagnostics(std::move(messages), names);
    return makeError(text.empty() ? "the linker failed without a message"
                                  : text);
  }
  return std::make_unique<SmallVectorMemoryBuffer>(std::move(bytes), outputName,
                                                   false);
}

} // namespace

Expected<Placement> placeBehind(const Image &image, bool tableMoves) {
  constexpr uint64_t mostHole = uint64_t(1) << 30;
  Placement p;
  p.offset = alignTo(image.elfEnd, 64);
  p.address = alignTo(image.memoryEnd(), pageSize) + p.offset % pageSize;
  if (!tableMoves)
    return p;
  uint64_t base = 0;
  for (const Phdr &s : image.segments)
    if (s.p_type == PT_LOAD) {
      base = s.p_vaddr - s.p_offset;
      break;
    }
  p.identity = true;
  p.address = alignTo(std::max(image.memoryEnd(), base + p.offset), pageSize);
  p.offset = p.address - base;
  if (p.offset - image.elfEnd > mostHole)
    return makeError(image.path + ": its program headers can't grow where they "
                     "are, and at the end of its memory, at " + hex(p.address) +
                     ", they would need a file of " + hex(p.offset) + " bytes");
  return p;
}

Expected<std::unique_ptr<MemoryBuffer>>
linkPatch(const Image &image, const Plan &plan, const LinkInputs &inputs,
          const Placement &placement) {
  std::vector<MemoryFile> files;
  std::vector<std::pair<std::string, std::string>> names;
  auto add = [&](StringRef bytes, StringRef name) -> Expected<std::string> {
    auto file = MemoryFile::create(bytes);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    names.push_back({files.back().path(), name.str()});
    return files.back().path();
  };
  std::vector<std::string> args = linkArguments(image);
  auto script =
      add(Script(image, plan, inputs, placement).write(), "relink's script");
  if (!script)
    return script.takeError();
  args.insert(args.end(), {"-T", *script});
  // All that is not to be exported is hidden.
  if (!plan.exports.empty())
    args.push_back("--export-dynamic");
  for (auto *list : {&inputs.objects, &inputs.libraries})
    for (const LinkInput &input : *list) {
      auto path = add({input.bytes.data(), input.bytes.size()}, input.name);
      if (!path)
        return path.takeError();
      args.push_back(*path);
    }
  return runLld(std::move(args), names, "patch image");
}

Expected<std::unique_ptr<MemoryBuffer>>
linkPinned(ArrayRef<LinkInput> objects, const std::string &script) {
  std::string name = objects.size() == 1 ? objects[0].name : "objects";
  std::unique_ptr<MemoryBuffer> archive;
  if (objects.size() > 1) { // maybe more than a process may open files
    std::vector<NewArchiveMember> members;
    for (const LinkInput &object : objects)
      members.emplace_back(MemoryBufferRef(
          {object.bytes.data(), object.bytes.size()}, object.name));
    auto written = writeArchiveToBuffer(members, SymtabWritingMode::NoSymtab,
                                        object::Archive::K_GNU, true, false);
    if (!written)
      return written.takeError();
    archive = std::move(*written);
  }
  auto input = MemoryFile::create(
      archive ? archive->getBuffer()
              : StringRef(objects[0].bytes.data(), objects[0].bytes.size()));
  if (!input)
    return input.takeError();
  auto rules = MemoryFile::create(script);
  if (!rules)
    return rules.takeError();
  return runLld({"ld.lld", "-e", "0", "-static", "-no-pie", "--no-gc-sections",
                 "--build-id=none", "--no-check-sections", "--threads=1",
                 "-z", "norelro", "-z", "nognustack", "-z", "max-page-size=4096",
                 "-T", rules->path(), "--whole-archive", input->path()},
                {{input->path(), name}, {rules->path(), "relink's script"}},
                "pinned link");
}

Expected<std::unique_ptr<MemoryBuffer>> linkWhole(const WholeLink &link) {
  std::vector<MemoryFile> files;
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::string> args = {"ld.lld", "--threads=1", "--error-limit=20"};
  for (const LinkInput &input : link.inputs) {
    auto file = MemoryFile::create({input.bytes.data(), input.bytes.size()});
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    names.push_back({files.back().path(), input.name});
    args.push_back(files.back().path());
  }
  std::vector<std::string> more = link.arguments;
  for (const auto &[name, contents] : link.files) {
    auto file = MemoryFile::create(contents);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    for (std::string &a : more)
      if (size_t at = a.find(name); at != std::string::npos)
        a.replace(at, name.size(), files.back().path());
  }
  args.insert(args.end(), more.begin(), more.end());
  return runLld(std::move(args), names, "linked program");
}

Expected<std::unique_ptr<MemoryBuffer>>
compileBitcode(ArrayRef<MemoryBufferRef> modules, StringRef name) {
  std::vector<MemoryFile> files;
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::string> args = {"ld.lld", "-r", "--lto-O2", "--threads=1"};
  // The module says itself whether it is position-independent (PIC Level).
  for (MemoryBufferRef m : modules) {
    auto file = MemoryFile::create(m.getBuffer());
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    names.push_back({files.back().path(), m.getBufferIdentifier().str()});
    args.push_back(files.back().path());
  }
  return runLld(std::move(args), names, name);
}

} // namespace relink
