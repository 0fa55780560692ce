//===- Survey.h - How an app's functions could be redirected ----*- C++ -*-===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef RELINK_SURVEY_H
#define RELINK_SURVEY_H

#include "Config.h"
#include "Target.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <map>

namespace relink {

/// A function that no patch could replace, but one whose body fits in place.
struct FixedFunction {
  std::string name;
  uint64_t address = 0, size = 0;
  std::string reason;
};

struct Survey {
  std::string app;
  uint64_t functions = 0;
  std::map<RedirectMethod, uint64_t> methods; ///< how many functions each
  std::vector<FixedFunction> fixed;           ///< by address
};

/// Looks at every function that a symbol or the unwind table of the app names.
/// Each is looked at alone: that two may want the same padding is not seen.
llvm::Expected<Survey> surveyApp(const Config &config);

void printSurvey(const Survey &survey, bool verbose, llvm::raw_ostream &os);
llvm::json::Value toJson(const Survey &survey);

} // namespace relink

#endif
