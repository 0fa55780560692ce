//===- CodeFrame.h - Unwind records for code of our own ---------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CODEFRAME_H
#define RELINK_CODEFRAME_H

#include "EhFrame.h"
#include "Object.h"

namespace relink {

/// Adds an .eh_frame section with an FDE for all of \p code. At its start the
/// CFA is %rsp + 8, with the return address below it; code alignment is 1, data
/// alignment -8.
void addFrame(Object &object, ObjectSection &code,
              llvm::ArrayRef<uint8_t> instructions);

/// Whether \p fde counts on the same.
bool isOrdinaryCie(const FdeView &fde);

} // namespace relink

#endif
