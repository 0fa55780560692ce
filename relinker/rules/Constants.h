//===- Constants.h - Which constants of the app are meant -------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Programs compare the addresses of constants: of names, of tables of functions.
// So where the app has the very constant, a reference has to mean the app's.
// Assemblers refer to constants as section and offset, though, and that may
// count from another: `table[i - 1]` from in front of the table, `p != table + n`
// from its end, where the next one starts.
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_CONSTANTS_H
#define RELINK_CONSTANTS_H

#include "Plan.h"

namespace relink {

/// Makes references by section and offset to constants that are bound references
/// by name, where all constants that a function may mean are as far from each other
/// in the app as they are here. The other references keep the section as it is.
void nameConstants(Object &object, Plan &plan);

} // namespace relink

#endif
