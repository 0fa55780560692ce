//===- TraceFilter.cpp - What lld prints ----------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TraceFilter.h"

using namespace llvm;

namespace relink {

void TraceFilter::write_impl(const char *data, size_t size) {
  written += size;
  StringRef rest(data, size);
  for (size_t end; (end = rest.find('\n')) != StringRef::npos;
       rest = rest.drop_front(end + 1)) {
    line += rest.take_front(end);
    bool hidden = inputs.traced(line)  ? !showTrace
                  : inputs.folded(line) ? !showFolds
                                        : false;
    if (!hidden)
      outs() << line << '\n';
    line.clear();
  }
  line += rest;
}

} // namespace relink
