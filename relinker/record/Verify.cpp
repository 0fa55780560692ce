//===- Verify.cpp - Every byte of a patched file accounted for ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Verify.h"
#include "Error.h"
#include "History.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/Support/JSON.h"

using namespace llvm;

namespace relink {
namespace {

struct Finding {
  uint64_t from = 0, to = 0; ///< offsets in the file; equal for the whole file
  std::string what;
};

/// Where a replaced function's entry leads.
struct Route {
  std::string name;
  uint64_t entry = 0;
  std::vector<uint64_t> jumps; ///< addresses, in turn
};

class Verifier {
public:
  Verifier(const VerifyOptions &options, const Target &target)
      : options(options), target(target) {}
  Expected<bool> run(raw_ostream &os);

private:
  void find(uint64_t from, uint64_t to, const Twine &what) {
    findings.push_back({from, to, what.str()});
  }
  void checkEdits();
  void checkAppended();
  void checkOriginal();
  Error compareWithOriginal();
  Error checkPatches();
  Expected<ArrayRef<HistoryEntry>> history();
  void checkRoutes();
  void followEntry(Route &route, uint64_t body, uint64_t entry);
  void print(raw_ostream &os) const;
  void printJson(raw_ostream &os) const;

  const VerifyOptions &options;
  const Target &target;
  std::unique_ptr<Image> file;
  Record record;
  std::vector<uint8_t> before; ///< the original, as far as the file tells
  uint64_t changed = 0;
  std::vector<Finding> findings;
  std::vector<Route> routes;
  std::vector<HistoryEntry> patches; ///< read when first asked for
  std::string untold;                ///< why older ones are not known
  std::string stacked;               ///< of --original: which patch it is before
};

/// All patches, the last one first.
Expected<ArrayRef<HistoryEntry>> Verifier::history() {
  if (patches.empty()) {
    auto read = readHistory(options.file, untold);
    if (!read)
      return read.takeError();
    patches = std::move(*read);
    if (patches.size() == 1)
      untold.clear(); // checkOriginal() says it
  }
  return ArrayRef(patches);
}

void Verifier::checkEdits() {
  for (const RecordedEdit &e : record.edits) {
    changed += e.size;
    if (shortHash(file->bytes().slice(e.offset, e.size)) != e.check)
      find(e.offset, e.offset + e.size,
           "bytes that the patch changed have been changed again");
  }
}

void Verifier::checkAppended() {
  if (hashTail(file->bytes(), record) == record.tailHash)
    return;
  if (record.isInside)
    find(record.offset, record.offset + record.size, "the record has been changed");
  else
    find(record.elfEnd, file->bytes().size() - record.payloadSize(),
         "the part that the patch appended has been changed");
}

void Verifier::checkOriginal() {
  FileHash hash = hashFile(before);
  if (record.isOriginal(hash))
    return;
  uint64_t moved = file->bytes().size() - record.original.size;
  bool any = false;
  for (size_t i = 0; i < hash.blocks.size(); ++i) {
    if (hash.blocks[i] == record.original.blocks[i])
      continue;
    any = true;
    uint64_t from = i * hashBlock,
             to = std::min<uint64_t>(from + hashBlock, hash.size);
    auto inFile = [&](uint64_t at) { return at > record.elfEnd ? at + moved : at; };
    find(inFile(from), inFile(to), "bytes of the original have been changed");
  }
  if (!any)
    find(0, 0, "the original's hash is not the one on record");
}

/// Byte by byte, where the original itself is at hand. Before an older patch its
/// hash tells, which the restored file's has to be.
Error Verifier::compareWithOriginal() {
  if (options.original.empty())
    return Error::success();
  auto original = openMapped(options.original);
  if (!original)
    return original.takeError();
  ArrayRef<uint8_t> theirs = arrayRefFromStringRef((*original)->getBuffer());
  ArrayRef<uint8_t> ours = before;
  if (theirs == ours)
    return Error::success();
  auto all = history();
  if (!all)
    return all.takeError();
  FileHash hash = hashFile(theirs);
  for (size_t i = 1; i < all->size(); ++i)
    if ((*all)[i].record.isOriginal(hash)) {
      stacked = formatv("{0} is the file before patch {1} of {2}",
                        options.original, all->size() - i, all->size());
      return Error::success();
    }
  std::string others;
  if (all->size() > 1)
    others = formatv("\n>>> nor is it the file before one of the other {0} patches",
                     all->size() - 1);
  if (!untold.empty())
    others += "\n>>> " + untold;
  if (theirs.size() != ours.size()) {
    find(0, 0, options.original + " has " + Twine(theirs.size()) +
                   " bytes, and the patched original had " + Twine(ours.size()) +
                   others);
    return Error::success();
  }
  uint64_t moved = file->bytes().size() - ours.size();
  constexpr unsigned most = 10;
  for (uint64_t at = 0, shown = 0; at < ours.size() && shown < most; ++at) {
    if (ours[at] == theirs[at])
      continue;
    uint64_t end = at;
    while (end < ours.size() && ours[end] != theirs[end])
      ++end;
    uint64_t shift = at >= record.elfEnd ? moved : 0;
    find(at + shift, end + shift, "differs from " + options.original + others);
    others.clear();
    at = end;
    ++shown;
  }
  return Error::success();
}

Error Verifier::checkPatches() {
  if (options.patches.empty())
    return Error::success();
  auto all = history();
  if (!all)
    return all.takeError();
  auto isKnown = [&](StringRef digest) {
    return any_of(*all, [&](const HistoryEntry &e) {
      const json::Array *known = e.record.description.getArray("patches");
      return known && any_of(*known, [&](const json::Value &v) {
               return v.getAsString() == digest;
             });
    });
  };
  for (const std::string &path : options.patches) {
    auto patch = openMapped(path);
    if (!patch)
      return patch.takeError();
    std::string digest =
        toHex(sha256(arrayRefFromStringRef((*patch)->getBuffer())));
    if (!isKnown(digest))
      find(0, 0, path + " is not what the file was patched with (SHA-256 " +
                     digest + ")" + (untold.empty() ? "" : "\n>>> " + untold));
  }
  return Error::success();
}

/// Nops and endbr64 at the entry, then jumps, until one leads to the new body or
/// into the appended part.
void Verifier::followEntry(Route &route, uint64_t body, uint64_t entry) {
  constexpr unsigned mostJumps = 3, mostNops = 4;
  uint64_t at = route.entry;
  for (unsigned steps = 0; steps < mostJumps + mostNops; ++steps) {
    Instruction i;
    if (!target.decode(file->bytesFrom(at).take_front(16), at, i))
      break;
    if (!i.isBranch) {
      at += i.size;
      continue;
    }
    if (!i.branchTarget || i.isConditional)
      break;
    at = *i.branchTarget;
    route.jumps.push_back(at);
    auto offset = file->fileOffset(at);
    if (at == body || at == entry || (offset && record.isAppended(*offset)))
      return;
  }
  auto offset = file->fileOffset(route.entry);
  find(offset.value_or(0), offset.value_or(0) + 1,
       "the entry of " + printable(demangle(route.name)) + " does not lead to its new body");
}

void Verifier::checkRoutes() {
  const json::Array *functions = record.description.getArray("replaced");
  if (!functions)
    return;
  for (const json::Value &v : *functions) {
    const json::Object *f = v.getAsObject();
    if (!f)
      continue;
    Route route;
    route.name = f->getString("name").value_or("").str();
    route.entry = f->getInteger("oldAddress").value_or(0);
    uint64_t to = f->getInteger("newAddress").value_or(0);
    // Linked again as a whole: there is no old entry any more.
    bool isRelinked = f->getString("method") == toString(RedirectMethod::Relinked);
    if (isRelinked)
      route.entry = to;
    else if (to != route.entry)
      followEntry(route, to, f->getInteger("newEntry").value_or(to));
    routes.push_back(std::move(route));
  }
}

void Verifier::print(raw_ostream &os) const {
  if (!options.quiet)
    for (const Route &r : routes) {
      os << formatv("  {0}: {1:x}", printable(demangle(r.name)), r.entry);
      for (uint64_t at : r.jumps)
        os << formatv(" jumps to {0:x}", at);
      os << (r.jumps.empty() ? " holds its new body\n" : "\n");
    }
  if (!options.quiet && !stacked.empty())
    os << "  " << stacked << "\n";
  if (findings.empty()) {
    if (!options.quiet)
      os << formatv("{0}: verified: {1} bytes are the original's, {2} in {3} "
                    "places were overwritten, {4} appended\n",
                    options.file, record.original.size - changed, changed,
                    record.edits.size(),
                    file->bytes().size() - record.original.size);
    return;
  }
  for (const Finding &f : findings) {
    os << "error: " << options.file << ": " << f.what;
    if (f.to > f.from)
      os << formatv("\n>>> between {0:x} and {1:x} in the file", f.from, f.to);
    os << "\n";
  }
}

void Verifier::printJson(raw_ostream &os) const {
  json::Array found, entries;
  for (const Finding &f : findings)
    found.push_back(
        json::Object{{"from", f.from}, {"to", f.to}, {"what", f.what}});
  for (const Route &r : routes)
    entries.push_back(json::Object{{"name", r.name},
                                   {"entry", r.entry},
                                   {"jumps", json::Array(r.jumps)}});
  json::Object out{{"version", 1},
                   {"file", options.file},
                   {"verified", findings.empty()},
                   {"findings", std::move(found)},
                   {"entries", std::move(entries)},
                   {"changed", changed},
                   {"appended", file->bytes().size() - record.original.size}};
  os << formatv("{0:2}\n", json::Value(std::move(out)));
}

Expected<bool> Verifier::run(raw_ostream &os) {
  auto image = Image::open(options.file);
  if (!image)
    return image.takeError();
  file = std::move(*image);
  auto read = readRecord(*file);
  if (!read)
    return read.takeError();
  if (!*read)
    return noRecord(options.file);
  record = std::move(**read);
  before = restore(file->bytes(), record);
  checkEdits();
  checkAppended();
  checkOriginal();
  if (Error e = compareWithOriginal())
    return e;
  if (Error e = checkPatches())
    return e;
  checkRoutes();
  options.json ? printJson(os) : print(os);
  return findings.empty();
}

} // namespace

Expected<bool> verifyFile(const VerifyOptions &options, const Target &target,
                          raw_ostream &os) {
  return Verifier(options, target).run(os);
}

} // namespace relink
