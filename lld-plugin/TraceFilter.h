//===- TraceFilter.h - What lld prints --------------------------*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_LLD_TRACEFILTER_H
#define RELINK_LLD_TRACEFILTER_H

#include "Inputs.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace relink {

/// Standard output, less the lines of a --trace and of --print-icf-sections that
/// the user did not ask for.
/// Each line reaches \p inputs as soon as it is complete.
class TraceFilter : public llvm::raw_ostream {
public:
  TraceFilter(Inputs &inputs, bool showTrace, bool showFolds)
      : llvm::raw_ostream(/*unbuffered=*/true), inputs(inputs),
        showTrace(showTrace), showFolds(showFolds) {}
  ~TraceFilter() override { llvm::outs() << line; }

private:
  void write_impl(const char *data, size_t size) override;
  uint64_t current_pos() const override { return written; }

  Inputs &inputs;
  bool showTrace, showFolds;
  std::string line;
  uint64_t written = 0;
};

} // namespace relink

#endif
