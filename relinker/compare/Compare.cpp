//===- Compare.cpp - Is it what the app already has? ----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compare.h"
#include "Imports.h"
#include "RelocationTypes.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

/// Bytes of the symbol with the relocated fields zeroed, in both copies.
bool equalMasked(ArrayRef<uint8_t> ours, ArrayRef<uint8_t> theirs,
                 const ObjectSymbol &s) {
  if (ours.size() != theirs.size())
    return false;
  std::vector<bool> masked(ours.size());
  for (const ObjectRelocation &r : s.section->relocations)
    for (unsigned i = 0; i < fieldSize(r.type); ++i)
      if (r.offset + i >= s.value && r.offset + i - s.value < ours.size())
        masked[r.offset + i - s.value] = true;
  for (size_t i = 0; i < ours.size(); ++i)
    if (!masked[i] && ours[i] != theirs[i])
      return false;
  return true;
}

/// The app's bytes; zeros where its segment has no file bytes (.bss).
std::vector<uint8_t> appBytes(const Image &image, const AppSymbol &app,
                              uint64_t size) {
  std::vector<uint8_t> out(size);
  uint64_t address = app.address;
  if (app.type == STT_TLS) {
    const Phdr *tls = image.segmentOfType(PT_TLS);
    if (!tls || app.address >= tls->p_filesz)
      return out;
    address += tls->p_vaddr;
    size = std::min<uint64_t>(size, tls->p_filesz - app.address);
  }
  ArrayRef<uint8_t> have = image.bytesFrom(address);
  std::copy_n(have.begin(), std::min<uint64_t>(have.size(), size), out.begin());
  return out;
}

std::vector<uint8_t> ownBytes(const ObjectSymbol &s) {
  if (s.section->isNoBits() || s.value + s.size > s.section->data.size())
    return std::vector<uint8_t>(s.section->isNoBits() ? s.size : 0);
  auto begin = s.section->data.begin() + s.value;
  return {begin, begin + s.size};
}

constexpr uint64_t mostCompared = uint64_t(1) << 28;

/// The string literal that \p r points to, with its end; empty if it is none.
ArrayRef<uint8_t> literal(const ObjectRelocation &r) {
  const ObjectSection *home = r.symbol ? r.symbol->section : nullptr;
  if (r.type != R_X86_64_64 || !home || !home->isMergeable() ||
      !(home->flags & SHF_STRINGS) || home->entrySize != 1)
    return {};
  uint64_t at = r.symbol->value + r.addend;
  if (at >= home->data.size())
    return {};
  ArrayRef<uint8_t> rest = ArrayRef(home->data).drop_front(at);
  size_t length = toStringRef(rest).find('\0');
  return length == StringRef::npos ? ArrayRef<uint8_t>() : rest.take_front(length + 1);
}

/// Whether pointers to string literals point to the same ones in the app.
bool equalLiterals(const Image &image, const AppSymbol &app, const ObjectSymbol &s) {
  if (app.type == STT_TLS)
    return true;
  std::map<uint64_t, ArrayRef<uint8_t>> literals; // by place in the app
  for (const ObjectRelocation &r : s.section->relocations)
    if (r.offset >= s.value && r.offset - s.value < s.size)
      if (ArrayRef<uint8_t> text = literal(r); !text.empty())
        literals[app.address + (r.offset - s.value)] = text;
  if (literals.empty())
    return true;
  auto pointers = readPointers(image, app.address, app.address + s.size);
  return all_of(literals, [&](const auto &entry) {
    auto pointer = pointers.find(entry.first);
    return pointer == pointers.end() ||
           image.bytesAt(pointer->second, entry.second.size()) == entry.second;
  });
}

} // namespace

bool equalInitialValue(const Image &image, const AppSymbol &app,
                       const ObjectSymbol &s) {
  if (!s.section || s.size > mostCompared)
    return true;
  return equalMasked(ownBytes(s), appBytes(image, app, s.size), s) &&
         equalLiterals(image, app, s);
}

} // namespace relink
