//===- MapInlining.cpp - Which functions hold copies, by the map ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapInlining.h"
#include "Error.h"

using namespace llvm;

namespace relink {
namespace {

class Reader {
public:
  Reader(MapCursor &in, MapInlining &out) : in(in), out(out) {}
  /// False if it is truncated.
  bool readFunctions();
  bool readCallers();
  /// Whether all copies are of functions that are listed.
  bool isRight() const { return right; }

private:
  template <typename Records> bool resize(Records &records, unsigned fields);
  template <typename List> bool resizeEach(List list, unsigned fields);
  template <typename Records, typename Field>
  void readNumbers(Records &records, Field field);

  MapCursor &in;
  MapInlining &out;
  bool right = true;
};

/// \p fields is how many bytes a record has at least.
template <typename Records>
bool Reader::resize(Records &records, unsigned fields) {
  uint64_t count = in.number();
  if (!in.isGood() || count > in.left() / fields)
    return false;
  records.resize(count);
  return true;
}

/// A list of each caller, all of which follow.
template <typename List>
bool Reader::resizeEach(List list, unsigned fields) {
  std::vector<uint64_t> counts;
  uint64_t total = 0;
  for (size_t i = 0; i < out.callers.size(); ++i) {
    counts.push_back(std::min<uint64_t>(in.number(), UINT32_MAX));
    total += counts.back();
  }
  if (!in.isGood() || total > in.left() / fields)
    return false;
  for (size_t i = 0; i < counts.size(); ++i)
    (out.callers[i].*list).resize(counts[i]);
  return true;
}

/// Each as the difference from what is behind the one before.
template <typename Records, typename Field>
void Reader::readNumbers(Records &records, Field field) {
  uint64_t next = 0;
  for (auto &r : records) {
    r.*field = next + in.signedNumber();
    next = r.*field + 1;
  }
}

bool Reader::readFunctions() {
  if (!resize(out.functions, 3))
    return false;
  readNumbers(out.functions, &MapInlining::Function::name);
  readNumbers(out.functions, &MapInlining::Function::file);
  for (MapInlining::Function &f : out.functions)
    f.flags = in.number();
  return in.isGood();
}

bool Reader::readCallers() {
  if (!resize(out.callers, 3))
    return false;
  readNumbers(out.callers, &MapInlining::Caller::name);
  if (!resizeEach(&MapInlining::Caller::starts, 1))
    return false;
  uint64_t last = 0;
  for (MapInlining::Caller &c : out.callers)
    for (uint64_t &address : c.starts)
      last = address = last + in.signedNumber();
  if (!resizeEach(&MapInlining::Caller::copies, 2))
    return false;
  for (MapInlining::Caller &c : out.callers) {
    uint64_t next = 0;
    for (auto &copies : c.copies) {
      uint64_t function = next + in.signedNumber();
      right &= function < out.functions.size();
      copies.function = function;
      next = function + 1;
    }
  }
  for (MapInlining::Caller &c : out.callers)
    for (auto &copies : c.copies)
      copies.times = in.number();
  return in.isGood();
}

} // namespace

Expected<MapInlining> MapInlining::read(MapCursor &in) {
  MapInlining out;
  uint64_t known = in.number();
  if (known > uint64_t(map::Inlining::Part))
    return makeError("says nothing that is known of inlined copies");
  out.known = map::Inlining(known);
  Reader reader(in, out);
  if (out.known != map::Inlining::Unknown &&
      (!reader.readFunctions() || !reader.readCallers()))
    return makeError("has a truncated list of inlined copies");
  if (!in.isGood())
    return makeError("has a truncated list of inlined copies");
  if (!reader.isRight())
    return makeError("has copies of a function that it does not list");
  return out;
}

} // namespace relink
