//===- X86_64Relocations.cpp - What linkers make of relocations -----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The relaxations are those of the x86-64 psABI, "Optimize GOTPCRELX
// Relocations" and "Linker Optimization" (thread-local storage), in the byte
// sequences that GNU ld, gold, lld and mold write.
//
//===----------------------------------------------------------------------===//

#include "Object.h"
#include "X86_64.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::ELF;
using support::endian::read32le;
using support::endian::read64le;

namespace relink {
namespace {

using Kind = LinkedField::Kind;

class FieldReader {
public:
  FieldReader(ArrayRef<uint8_t> object, uint64_t place,
              ArrayRef<ObjectRelocation> relocations, ArrayRef<uint8_t> linked,
              uint64_t address, LinkedField &out)
      : object(object), place(place), relocations(relocations),
        relocation(relocations.front()), linked(linked), address(address),
        out(out) {}
  bool read();

private:
  uint8_t was(int64_t at) const { return object[place + at]; }
  uint8_t is(int64_t at) const { return linked[place + at]; }
  bool has(uint64_t before, uint64_t behind) const {
    return place >= before && place + behind <= linked.size();
  }
  bool unchanged(uint64_t before) const {
    return place >= before && object.slice(place - before, before) ==
                                  linked.slice(place - before, before);
  }
  bool reads(int64_t at, ArrayRef<uint8_t> bytes) const {
    return has(at < 0 ? -at : 0, at + int64_t(bytes.size()) > 0
                                     ? at + bytes.size() : 0) &&
           linked.slice(place + at, bytes.size()) == bytes;
  }
  int64_t signed32(int64_t at = 0) const {
    return int32_t(read32le(&linked[place + at]));
  }
  /// \p from and \p to count from the place.
  bool yield(Kind kind, uint64_t value, int64_t from, int64_t to,
             unsigned consumed = 1) {
    out.kind = kind;
    out.value = value;
    out.begin = place + from;
    out.end = place + to;
    out.consumed = consumed;
    return true;
  }
  bool field(Kind kind, unsigned size, bool pcRelative);
  bool readGotLoad();
  bool readInitialExec();
  bool readGeneralDynamic();
  bool readLocalDynamic();
  bool readDescriptor();
  /// Relocations of a TLS sequence: its own and that of its call.
  unsigned withCall() const {
    return relocations.size() > 1 &&
                   relocations[1].offset - relocation.offset < 16
               ? 2
               : 1;
  }

  ArrayRef<uint8_t> object;
  uint64_t place;
  ArrayRef<ObjectRelocation> relocations;
  const ObjectRelocation &relocation;
  ArrayRef<uint8_t> linked;
  uint64_t address;
  LinkedField &out;
};

bool FieldReader::field(Kind kind, unsigned size, bool pcRelative) {
  if (!has(0, size))
    return false;
  uint64_t value = 0;
  switch (size) {
  case 1:
    value = int64_t(int8_t(is(0)));
    break;
  case 2:
    value = int64_t(int16_t(is(0) | is(1) << 8));
    break;
  case 4:
    value = signed32();
    break;
  default:
    value = read64le(&linked[place]);
  }
  if (pcRelative)
    value += address + place;
  return yield(kind, value, 0, size);
}

/// GOTPCREL and its relaxable forms.
bool FieldReader::readGotLoad() {
  bool rex = relocation.type == R_X86_64_REX_GOTPCRELX;
  if (!has(rex ? 3 : 2, 4))
    return false;
  if (unchanged(rex ? 3 : 2))
    return field(Kind::Slot, 4, true);
  uint8_t opcode = was(-2), modrm = was(-1);
  uint64_t here = address + place;
  if (opcode == 0xff && modrm == 0x15) { // call *foo@GOTPCREL(%rip)
    if (is(-2) == 0x67 && is(-1) == 0xe8) // addr32 call foo
      return yield(Kind::Address, here + signed32(), -2, 4);
    if (is(-2) == 0x90 && is(-1) == 0xe8) // nop; call foo
      return yield(Kind::Address, here + signed32(), -2, 4);
    if (is(-2) == 0xe8 && is(3) == 0x90) // call foo; nop
      return yield(Kind::Address, here - 1 + signed32(-1), -2, 4);
    return false;
  }
  if (opcode == 0xff && modrm == 0x25) { // jmp *foo@GOTPCREL(%rip)
    if (is(-2) == 0xe9 && is(3) == 0x90)
      return yield(Kind::Address, here - 1 + signed32(-1), -2, 4);
    if (is(-2) == 0x90 && is(-1) == 0xe9)
      return yield(Kind::Address, here + signed32(), -2, 4);
    return false;
  }
  if (opcode == 0x8b && is(-2) == 0x8d && is(-1) == modrm) // mov: lea foo(%rip)
    return yield(Kind::Address, here + signed32(), -2, 4);
  // To an immediate; REX.R becomes REX.B.
  if (rex && is(-3) != ((was(-3) & ~4) | (was(-3) & 4) >> 2))
    return false;
  uint8_t reg = (modrm & 0x38) >> 3;
  bool immediate =
      (opcode == 0x8b && is(-2) == 0xc7 && is(-1) == (0xc0 | reg)) ||
      (opcode == 0x85 && is(-2) == 0xf7 && is(-1) == (0xc0 | reg)) ||
      ((opcode & 0xc7) == 0x03 && is(-2) == 0x81 &&
       is(-1) == (0xc0 | reg | (opcode & 0x3c)));
  // The place was 4 bytes before the end: S + A + 4.
  return immediate &&
         yield(Kind::Address, signed32() - 4, rex ? -3 : -2, 4);
}

/// GOTTPOFF: a load of the offset becomes the offset.
bool FieldReader::readInitialExec() {
  if (!has(3, 4))
    return false;
  if (unchanged(3))
    return field(Kind::TlsSlot, 4, true);
  uint8_t reg = (was(-1) & 0x38) >> 3, high = was(-3) & 4;
  bool mov = was(-2) == 0x8b && is(-3) == (high ? 0x49 : 0x48) &&
             is(-2) == 0xc7 && is(-1) == (0xc0 | reg);
  bool add = was(-2) == 0x03 && is(-3) == (high ? 0x49 : 0x48) &&
             is(-2) == 0x81 && is(-1) == (0xc0 | reg);
  bool lea = was(-2) == 0x03 && is(-3) == (high ? 0x4d : 0x48) &&
             is(-2) == 0x8d && is(-1) == (0x80 | reg << 3 | reg);
  return (mov || add || lea) &&
         yield(Kind::TlsThread, signed32() - 4, -3, 4);
}

/// data16 lea foo@TLSGD(%rip),%rdi; ... call __tls_get_addr: 16 bytes.
bool FieldReader::readGeneralDynamic() {
  static constexpr uint8_t load[] = {0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0};
  if (!has(4, 12))
    return false;
  if (unchanged(4))
    return field(Kind::TlsIndex, 4, true);
  if (!reads(-4, load))
    return false;
  unsigned consumed = withCall();
  bool lea = is(5) == 0x48 && is(6) == 0x8d && is(7) == 0x80;
  bool add = is(5) == 0x48 && is(6) == 0x81 && is(7) == 0xc0;
  if (lea || add)
    return yield(Kind::TlsThread, signed32(8) - 4, -4, 12, consumed);
  if (is(5) == 0x48 && is(6) == 0x03 && is(7) == 0x05)
    return yield(Kind::TlsSlot, address + place + 8 + signed32(8), -4, 12,
                 consumed);
  return false;
}

/// lea foo@TLSLD(%rip),%rdi; call __tls_get_addr: 12 or 13 bytes.
bool FieldReader::readLocalDynamic() {
  static constexpr uint8_t load[] = {0x66, 0x66, 0x66, 0x64, 0x48, 0x8b,
                                     0x04, 0x25, 0,    0,    0,    0};
  static constexpr uint8_t longLoad[] = {0x66, 0x66, 0x66, 0x66, 0x64, 0x48,
                                         0x8b, 0x04, 0x25, 0,    0,    0,
                                         0};
  static constexpr uint8_t xorLoad[] = {0x31, 0xc0, 0x64, 0x48, 0x8b, 0x00};
  if (!has(3, 9))
    return false;
  if (unchanged(3))
    return field(Kind::Nothing, 4, true);
  if (reads(-3, load))
    return yield(Kind::Nothing, 0, -3, 9, withCall());
  if (reads(-3, longLoad))
    return yield(Kind::Nothing, 0, -3, 10, withCall());
  if (reads(-3, xorLoad)) // mold; the block's size is subtracted behind it
    return yield(Kind::Nothing, 0, -3, 9, withCall());
  return false;
}

/// lea foo@TLSDESC(%rip),%rax.
bool FieldReader::readDescriptor() {
  if (!has(3, 4))
    return false;
  if (unchanged(3))
    return field(Kind::TlsDescriptor, 4, true);
  uint8_t reg = (was(-1) & 0x38) >> 3, high = was(-3) & 4;
  if (is(-3) == (high ? 0x49 : 0x48) && is(-2) == 0xc7 &&
      is(-1) == (0xc0 | reg))
    return yield(Kind::TlsThread, signed32() - 4, -3, 4);
  if (is(-3) == was(-3) && is(-2) == 0x8b && is(-1) == was(-1))
    return yield(Kind::TlsSlot, address + place + signed32(), -3, 4);
  return false;
}

bool FieldReader::read() {
  switch (relocation.type) {
  case R_X86_64_PC32:
  case R_X86_64_PLT32:
    return field(Kind::Address, 4, true);
  case R_X86_64_PC64:
    return field(Kind::Address, 8, true);
  case R_X86_64_PC16:
    return field(Kind::Address, 2, true);
  case R_X86_64_PC8:
    return field(Kind::Address, 1, true);
  case R_X86_64_64:
    return field(Kind::Address, 8, false);
  case R_X86_64_32:
    if (!field(Kind::Address, 4, false))
      return false;
    out.value = uint32_t(out.value);
    return true;
  case R_X86_64_32S:
    return field(Kind::Address, 4, false);
  case R_X86_64_GOTPCREL:
  case R_X86_64_GOTPCRELX:
  case R_X86_64_REX_GOTPCRELX:
    return readGotLoad();
  case R_X86_64_GOTTPOFF:
    return readInitialExec();
  case R_X86_64_TLSGD:
    return readGeneralDynamic();
  case R_X86_64_TLSLD:
    return readLocalDynamic();
  case R_X86_64_GOTPC32_TLSDESC:
    return readDescriptor();
  case R_X86_64_TLSDESC_CALL:
    return (reads(0, {0xff, 0x10}) || reads(0, {0x66, 0x90})) &&
           yield(Kind::Nothing, 0, 0, 2);
  case R_X86_64_TPOFF32:
    return field(Kind::TlsThread, 4, false);
  case R_X86_64_TPOFF64:
    return field(Kind::TlsThread, 8, false);
  case R_X86_64_DTPOFF32:
    // Next to a relaxed local-dynamic load it counts from the thread pointer,
    // which in executables lies behind the block.
    return field(Kind::TlsBlock, 4, false) &&
           (int64_t(out.value) >= 0 ||
            (out.kind = Kind::TlsThread, true));
  default:
    return false;
  }
}

} // namespace

bool readLinkedFieldX86_64(ArrayRef<uint8_t> object, uint64_t place,
                           ArrayRef<ObjectRelocation> relocations,
                           ArrayRef<uint8_t> linked, uint64_t address,
                           LinkedField &out) {
  if (relocations.empty() || object.size() != linked.size() ||
      place > object.size())
    return false;
  return FieldReader(object, place, relocations, linked, address, out).read();
}

} // namespace relink
