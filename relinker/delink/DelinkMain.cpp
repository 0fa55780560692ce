//===- DelinkMain.cpp - Where main() is -----------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DelinkProgram.h"
#include "Error.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// _start hands main to __libc_start_main as its first argument (%rdi). What the
/// start-up objects ask for has its name again.
static void searchMain(Program &program) {
  const Image &image = program.image;
  for (const ProgramSymbol &s : program.symbols)
    if (s.name == "main" && s.type == STT_FUNC)
      program.mainAddress = s.address;
  if ((program.mainAddress && !image.isStatic()) ||
      image.kind == ImageKind::Shared)
    return;
  constexpr unsigned rdi = 7;
  uint64_t at = image.header.e_entry;
  bool isSecond = false;
  for (unsigned n = 0; n < 32; ++n) {
    Instruction i;
    ArrayRef<uint8_t> bytes = image.bytesFrom(at);
    if (bytes.empty() || !program.target.decode(bytes, at, i))
      return;
    // musl's _start calls a function that has main's address.
    bool isOwn = i.isCall && i.branchTarget && !program.mainAddress && !isSecond &&
                 program.pieceAt(*i.branchTarget);
    if (isOwn) {
      isSecond = true;
      at = *i.branchTarget;
      continue;
    }
    if (i.isCall || (isSecond && i.isBranch)) {
      program.startMain = image.isStatic() ? i.branchTarget.value_or(0) : 0;
      return;
    }
    AddressFlow f = program.target.followAddresses(bytes.take_front(i.size));
    at += i.size;
    if (f.destination != rdi || program.mainAddress)
      continue;
    if (f.kind == AddressFlow::Kind::Address && f.ipRelative)
      program.mainAddress = at + int64_t(f.displacement);
    else if (f.kind == AddressFlow::Kind::Constant)
      program.mainAddress = uint32_t(f.immediate);
    else if (f.kind == AddressFlow::Kind::Load && f.ipRelative)
      if (auto it = program.slots.find(at + int64_t(f.displacement));
          it != program.slots.end()) {
        program.mainAddress = it->second.target;
        program.importsMain = it->second.kind == Reference::Kind::Import;
      }
  }
}

Error findMain(Program &program) {
  searchMain(program);
  if (const Piece *p = program.pieceAt(program.mainAddress);
      program.mainAddress && p && p->dropped)
    return program.error("main, at " + hex(program.mainAddress) +
                         ", can't be told from start-up code: no symbols or unwind "
                         "tables say where functions are");
  bool needsMain = program.image.kind != ImageKind::Shared && !program.named &&
                   !program.keepsStartUp;
  const Piece *mainPiece = program.pieceAt(program.mainAddress);
  if (needsMain && !program.importsMain && (!mainPiece || !mainPiece->isCode()))
    return program.error("main is not known: it has no symbol table, and its start-up "
                         "code has another form than glibc's or musl's");
  return Error::success();
}

} // namespace relink
