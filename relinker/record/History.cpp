//===- History.cpp - The patches in a file --------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "History.h"
#include "Error.h"
#include "OutputFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;

namespace relink {
namespace {

struct Totals {
  uint64_t changed = 0, appended = 0;
};

Totals totalsOf(const HistoryEntry &e) {
  Totals t;
  for (const RecordedEdit &edit : e.record.edits)
    t.changed += edit.size;
  t.appended = e.fileSize - e.record.original.size;
  return t;
}

json::Object toJson(const HistoryEntry &e) {
  json::Object out = e.record.description;
  json::Array edits;
  for (const RecordedEdit &edit : e.record.edits)
    edits.push_back(json::Object{{"offset", edit.offset}, {"size", edit.size}});
  const FileHash &original = e.record.original;
  out["original"] = json::Object{
      {"size", original.size},
      {"blake3Tree", toHex(original.tree)},
      {"sha256", original.sha ? json::Value(toHex(*original.sha)) : nullptr}};
  out["edits"] = std::move(edits);
  out["appended"] = totalsOf(e).appended;
  return out;
}

StringRef text(const json::Object &o, StringRef key) {
  return o.getString(key).value_or("");
}

void printFunction(const json::Object &f, raw_ostream &os) {
  auto number = [&](StringRef key) {
    return uint64_t(f.getInteger(key).value_or(0));
  };
  os << formatv("  replaced {0}: {1:x} ({2} bytes) -> {3:x} ({4} bytes), {5}\n",
                printable(demangle(text(f, "name"))), number("oldAddress"),
                number("oldSize"), number("newAddress"), number("newSize"),
                printable(text(f, "method")));
}

void print(const HistoryEntry &e, size_t number, raw_ostream &os) {
  const json::Object &d = e.record.description;
  os << "patch " << number << ", by " << printable(text(d, "tool")) << "\n";
  if (const json::Array *functions = d.getArray("replaced"))
    for (const json::Value &f : *functions)
      if (auto *o = f.getAsObject())
        printFunction(*o, os);
  if (const json::Array *imports = d.getArray("interposed"))
    for (const json::Value &i : *imports)
      if (auto *o = i.getAsObject())
        os << "  interposed " << printable(demangle(text(*o, "name"))) << "\n";
  Totals t = totalsOf(e);
  os << "  " << t.changed << " bytes in " << e.record.edits.size()
     << " places overwritten, " << t.appended << " appended\n";
  if (const json::Array *patches = d.getArray("patches"))
    for (const json::Value &p : *patches)
      os << "  patch object: SHA-256 " << printable(p.getAsString().value_or(""))
         << "\n";
  const FileHash &o = e.record.original;
  os << "  before: " << o.size << " bytes, "
     << (o.sha ? "SHA-256 " + toHex(*o.sha) : "BLAKE3 tree " + toHex(o.tree));
  if (StringRef id = text(d, "buildId"); !id.empty())
    os << ", build-id " << printable(id);
  os << "\n";
}

} // namespace

std::string printable(StringRef s) {
  std::string out;
  for (char c : s)
    out += isPrint(c) ? c : '?';
  return out;
}

Error noRecord(StringRef path) {
  return makeError(path + ": holds no record of a patch\n>>> it was not made by "
                   "relink, or with --no-record, or the record was stripped");
}

Expected<std::unique_ptr<MemoryBuffer>> restoreChecked(const Image &file,
                                                       const Record &r) {
  std::vector<uint8_t> bytes = restore(file.bytes(), r);
  FileHash hash = hashFile(bytes);
  if (r.isOriginal(hash))
    return MemoryBuffer::getMemBufferCopy(toStringRef(bytes), file.path);
  std::string places;
  for (size_t i = 0, shown = 0; i < hash.blocks.size() && shown < 4; ++i)
    if (hash.blocks[i] != r.original.blocks[i]) {
      ++shown;
      places += "\n>>> between " + hex(i * hashBlock) + " and " +
                hex(std::min<uint64_t>((i + 1) * hashBlock, hash.size));
    }
  return makeError(file.path + ": what is left of the original is not what it "
                   "was: the file was stripped or edited after it was patched" +
                   places + "\n>>> remedy: use the original file");
}

Expected<std::vector<HistoryEntry>> readHistory(StringRef path,
                                                std::string &stopped) {
  std::vector<HistoryEntry> out;
  auto image = Image::open(path);
  if (!image)
    return image.takeError();
  std::unique_ptr<Image> file = std::move(*image);
  while (out.size() < mostPatches) {
    auto record = readRecord(*file);
    if (!record)
      return record.takeError();
    if (!*record)
      break;
    auto before = restoreChecked(*file, **record);
    out.push_back({std::move(**record), file->bytes().size()});
    out.back().record.originals = {};
    if (!before) {
      stopped = toString(before.takeError());
      break;
    }
    auto older = Image::read(std::move(*before), path);
    if (!older) {
      stopped = toString(older.takeError());
      break;
    }
    file = std::move(*older);
  }
  return out;
}

Error listPatches(StringRef path, bool asJson, raw_ostream &os) {
  std::string stopped;
  auto history = readHistory(path, stopped);
  if (!history)
    return history.takeError();
  if (asJson) {
    json::Array patches;
    for (const HistoryEntry &e : *history)
      patches.push_back(toJson(e));
    json::Object out{{"version", 1}, {"file", path}, {"patches", std::move(patches)}};
    if (!stopped.empty())
      out["stopped"] = stopped;
    os << formatv("{0:2}\n", json::Value(std::move(out)));
    return Error::success();
  }
  os << path << ": " << history->size()
     << (history->size() == 1 ? " patch\n" : " patches, the last one first\n");
  size_t number = history->size();
  for (const HistoryEntry &e : *history)
    print(e, number--, os);
  if (!stopped.empty())
    os << "note: " << stopped << "\n";
  return Error::success();
}

Error revertPatch(const RevertOptions &options, raw_ostream &os) {
  if (Error e = checkOutputPath(options.output, options.input))
    return e;
  auto image = Image::open(options.input);
  if (!image)
    return image.takeError();
  std::unique_ptr<Image> file = std::move(*image);
  std::optional<Record> last;
  unsigned count = 0;
  do {
    auto record = readRecord(*file);
    if (!record)
      return record.takeError();
    if (!*record) {
      if (!count)
        return noRecord(options.input);
      break;
    }
    auto restored = restoreChecked(*file, **record);
    if (!restored)
      return restored.takeError();
    ++count;
    last = std::move(**record);
    auto older = Image::read(std::move(*restored), options.input);
    if (!older)
      return older.takeError();
    file = std::move(*older);
  } while (options.all && count < mostPatches);

  OutputFile out(options.output);
  if (Error e = out.checkCreated())
    return e;
  if (Error e = out.write(file->bytes(), 0))
    return e;
  if (Error e = out.copyAttributes(options.input, options.dropPrivileges))
    return e;
  if (Error e = out.commit())
    return e;
  const FileHash &hash = last->original;
  if (options.json)
    os << formatv("{0:2}\n",
                  json::Value(json::Object{{"version", 1},
                                           {"output", options.output},
                                           {"reverted", count},
                                           {"size", hash.size},
                                           {"sha256", hash.sha ? json::Value(toHex(*hash.sha)) : nullptr}}));
  else if (!options.quiet)
    os << options.output << ": the file before " << count
       << (count == 1 ? " patch" : " patches") << ", " << hash.size << " bytes, "
       << (hash.sha ? "SHA-256 " + toHex(*hash.sha)
                    : "BLAKE3 tree " + toHex(hash.tree))
       << "\n";
  return Error::success();
}

} // namespace relink
