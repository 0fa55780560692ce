//===- SpliceRecord.cpp - What was done, in the output itself -------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The record's size has to be known before the headers are written, and their
// contents before the record's: so its place is made first, from the ranges that
// will change, and what depends on their new contents is filled in last.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Report.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::write32le;
using support::endian::write64le;

namespace relink {
namespace {

std::vector<RecordedEdit> changedRanges(const Output &out) {
  std::vector<RecordedEdit> edits;
  for (const Edit &e : out.edits)
    edits.push_back({e.offset, e.bytes.size(), 0});
  if (out.hasTail()) // its section headers will be elsewhere
    edits.push_back({0, sizeof(Ehdr), 0});
  normalizeEdits(edits);
  return edits;
}

/// What it defines for others that is not in the place of what the app had, and
/// where. Thread-local variables have no address.
json::Array definitionsOf(const SpliceContext &c) {
  std::vector<StringRef> names;
  for (const auto &[name, symbol] : c.plan.definitions) {
    auto decision = c.plan.decisions.find(symbol);
    bool isOwn = decision == c.plan.decisions.end() ||
                 decision->second.action == Decision::Action::Own;
    if (isOwn && (!symbol->section || c.plan.live.count(symbol->section)))
      names.push_back(name);
  }
  llvm::sort(names);
  StringMap<const PatchSymbol *> placed;
  for (const PatchSymbol &s : c.patch.symbols)
    if (s.section && s.type != STT_TLS)
      placed[s.name] = &s;
  json::Array out;
  for (StringRef name : names) {
    json::Object o{{"name", name}};
    if (const PatchSymbol *s = placed.lookup(name)) {
      o["address"] = s->value;
      o["size"] = s->size;
      o["type"] = s->type;
    }
    out.push_back(std::move(o));
  }
  return out;
}

json::Object describePatch(const SpliceContext &c, const Output &out) {
  json::Array patches;
  for (const Digest &d : c.identity->patches)
    patches.push_back(toHex(d));
  return json::Object{{"tool", "relink " RELINK_VERSION},
                      {"buildId", c.identity->buildId},
                      {"patches", std::move(patches)},
                      {"replaced", toJson(out.replaced)},
                      {"defined", definitionsOf(c)},
                      {"interposed", toJson(interposedImports(c.plan))}};
}

/// What the original's bytes become, seen through the edits.
std::vector<uint8_t> editedBytes(const Image &image, const Output &out,
                                 const RecordedEdit &range) {
  std::vector<uint8_t> bytes(image.bytes().slice(range.offset, range.size));
  for (const Edit &e : out.edits)
    if (e.offset >= range.offset && e.offset < range.offset + range.size)
      llvm::copy(e.bytes, bytes.begin() + (e.offset - range.offset));
  return bytes;
}

} // namespace

/// Type 0x100 of owner "relink": version, then three digests. docs/format.md.
void addPatchNote(const SpliceContext &c, Output &out) {
  if (!c.identity || out.tail.size() <= out.rxOffset)
    return;
  constexpr uint32_t nameSize = 7, descriptionSize = 8 + 3 * sizeof(Digest);
  std::vector<uint8_t> note(12 + 8 + descriptionSize);
  write32le(&note[0], nameSize);
  write32le(&note[4], descriptionSize);
  write32le(&note[8], 0x100);
  memcpy(&note[12], "relink", nameSize);
  write32le(&note[20], 1);
  uint8_t *at = &note[28];
  auto put = [&](const Digest &d) { at = llvm::copy(d, at); };
  put(c.identity->original.tree);
  put(c.identity->original.sha.value_or(Digest{}));
  std::vector<uint8_t> all;
  for (const Digest &d : c.identity->patches)
    all.insert(all.end(), d.begin(), d.end());
  put(c.identity->patches.size() == 1 ? c.identity->patches[0] : sha256(all));
  Output::Place place = out.allocate(note, 4);
  out.addSection(".note.relink.patch", SHT_NOTE, SHF_ALLOC, place.address,
                 out.tailOffset + place.tailAt, note.size(), 4);
}

/// In the section that ld.relink has kept for it, if it fits: then the file
/// stays as long as it is.
static bool placeInPool(const SpliceContext &c, Output &out) {
  const RecordPool *pool =
      c.reserve && c.reserve->record ? &*c.reserve->record : nullptr;
  if (!pool)
    return false;
  Record r = out.record;
  r.isInside = true;
  r.elfEnd = r.resultSize = c.image.bytes().size();
  r.tailOffset = pool->offset + pool->used;
  std::vector<uint8_t> bytes = encodeRecord(r);
  if (bytes.size() > pool->size - pool->used)
    return false;
  r.offset = r.tailOffset;
  r.size = bytes.size();
  out.record = std::move(r);
  out.recordBytes = std::move(bytes);
  return true;
}

void placeRecord(const SpliceContext &c, Output &out) {
  if (!c.identity)
    return;
  Record &r = out.record;
  r.original = c.identity->original;
  r.elfEnd = c.image.elfEnd;
  r.edits = changedRanges(out);
  for (const RecordedEdit &e : r.edits) {
    ArrayRef<uint8_t> bytes = c.image.bytes().slice(e.offset, e.size);
    r.originals.insert(r.originals.end(), bytes.begin(), bytes.end());
  }
  r.description = describePatch(c, out);
  bool hadTail = out.hasTail();
  if (!hadTail && placeInPool(c, out))
    return;
  if (!hadTail)
    out.tailOffset = alignTo(c.image.elfEnd, 8);
  r.tailOffset = out.tailOffset;
  out.recordAt = alignTo(out.tailOffset + out.tail.size(), 8) - out.tailOffset;
  std::vector<uint8_t> bytes = encodeRecord(r);
  out.tail.resize(out.recordAt);
  out.tail.insert(out.tail.end(), bytes.begin(), bytes.end());
  // Patched in place, the file keeps its section headers, and its size in memory.
  if (!hadTail)
    out.sections.clear();
  out.addSection(recordSection, SHT_PROGBITS, 0, 0, out.tailOffset + out.recordAt,
                 bytes.size(), 8);
}

Error writeRecord(const SpliceContext &c, Output &out) {
  uint64_t end = out.tail.size();
  if (out.hasTail()) {
    // What the app carried behind its ELF part is looked for at the end of the
    // file (zip) or behind the section headers (AppImage).
    ArrayRef<uint8_t> payload = c.image.bytes().drop_front(c.image.elfEnd);
    out.tail.insert(out.tail.end(), payload.begin(), payload.end());
  }
  if (!c.identity)
    return Error::success();
  const Record &r = out.record;
  uint8_t *record =
      r.isInside ? out.recordBytes.data() : &out.tail[out.recordAt];
  for (const Edit &e : out.edits)
    if (none_of(r.edits, [&](const RecordedEdit &range) {
          return e.offset >= range.offset &&
                 e.offset + e.bytes.size() <= range.offset + range.size;
        }))
      return makeError(c.image.path + ": an edit at " + hex(e.offset) +
                       " is missing from the record: this is a bug in relink");
  for (size_t i = 0; i < r.edits.size(); ++i)
    write64le(record + editsOffset + i * editEntrySize + 16,
              shortHash(editedBytes(c.image, out, r.edits[i])));
  if (r.isInside) {
    llvm::copy(blake3(out.recordBytes), record + tailHashOffset);
    out.edit(r.offset, out.recordBytes, "record");
    return Error::success();
  }
  write64le(record + resultSizeOffset, out.tailOffset + out.tail.size());
  // From the end of the original's ELF part; what lies before the tail is zero.
  std::vector<uint8_t> appended(out.tailOffset - c.image.elfEnd);
  appended.insert(appended.end(), out.tail.begin(), out.tail.begin() + end);
  llvm::copy(blake3(appended), record + tailHashOffset);
  return Error::success();
}

} // namespace relink
