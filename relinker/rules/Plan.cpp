//===- Plan.cpp - What is replaced, bound and added -----------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Plan.h"
#include "Error.h"
#include "Selections.h"

using namespace llvm;

namespace relink {

Error Plan::indexObjects() {
  for (auto &object : objects)
    for (ObjectSymbol &s : object->symbols) {
      if (!s.isDefined())
        if (StringRef real = realName(s.name); !real.empty())
          originalsCalled.insert(real);
      if (!s.isDefined() || s.isLocal() || s.name.empty())
        continue;
      ObjectSymbol *&known = definitions[s.name];
      if (!known || (known->isWeak() && !s.isWeak())) {
        known = &s;
        continue;
      }
      bool bothStrong = !known->isWeak() && !s.isWeak() &&
                        known->kind != ObjectSymbol::Kind::Common &&
                        s.kind != ObjectSymbol::Kind::Common;
      if (bothStrong)
        return makeError(object->name + ": " + shown(s.name) +
                         " is defined by two of the patch objects");
    }
  auto read = FrameIndex::read(objects);
  if (!read)
    return read.takeError();
  frames = std::move(*read);
  return Error::success();
}

} // namespace relink
