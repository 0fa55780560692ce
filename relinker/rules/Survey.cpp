//===- Survey.cpp - How an app's functions could be redirected ------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Survey.h"
#include "AddressMap.h"
#include "Error.h"
#include "Imports.h"
#include "Padding.h"
#include "SymbolIndex.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {
namespace {

struct SurveyedFunction {
  uint64_t size = 0;
  std::string name;
};

using FunctionMap = std::map<uint64_t, SurveyedFunction>;

/// Whether the frame is set up already where the code starts: it was cut from a
/// function. DW_CFA_def_cfa to DW_CFA_def_cfa_expression, before the location
/// is advanced.
bool startsWithFrame(const FdeView &fde) {
  return !fde.instructions.empty() && fde.instructions[0] >= 0x0c &&
         fde.instructions[0] <= 0x0f;
}

/// Parts that the compiler cut from functions are no functions, nor are PLT
/// entries, nor what has no code.
FunctionMap listFunctions(const Image &image, const UnwindTable &unwind) {
  FunctionMap out;
  AddressSet parts;
  forEachSymbol(image, [&](const Sym &s, StringRef name) {
    const Phdr *load = image.loadAt(s.st_value);
    if ((s.getType() != STT_FUNC && s.getType() != STT_GNU_IFUNC) || !load ||
        !(load->p_flags & PF_X))
      return;
    if (isOutlinedPart(name)) {
      parts.insert(s.st_value);
      return;
    }
    SurveyedFunction &f = out[s.st_value];
    f.size = std::max<uint64_t>(f.size, s.st_size);
    if (f.name.empty())
      f.name = name.str();
  });
  for (uint64_t i = 0; unwind.readable && i < unwind.rows; ++i) {
    auto fde = unwind.fdeOf(image, i);
    if (!fde || !fde->size || parts.contains(fde->start))
      continue;
    const Section *home = image.sectionAt(fde->start);
    if (home && isPltName(home->name))
      continue;
    auto known = out.find(fde->start);
    if (known == out.end() && !startsWithFrame(*fde))
      out[fde->start].size = fde->size;
    else if (known != out.end() && !known->second.size)
      known->second.size = fde->size;
  }
  return out;
}

std::vector<Extent> codeSegments(const Image &image) {
  std::vector<Extent> out;
  for (const Phdr &p : image.segments)
    if (p.p_type == PT_LOAD && (p.p_flags & PF_X))
      out.push_back({p.p_vaddr, p.p_vaddr + p.p_memsz});
  return out;
}

Expected<RedirectMethod> methodFor(const Image &image, const Target &target,
                                   Padding &padding, const Extent &function) {
  if (function.start == function.end)
    return makeError("how long it is, neither a symbol nor the unwind table says");
  auto site = siteOf(image, function);
  if (!site)
    return makeError("has no bytes in the file");
  uint64_t destination = image.memoryEnd() + pageSize; // about there
  site->padding = padding.behind(function.end);
  if (auto redirect = target.planRedirect(*site, destination))
    return redirect->method;
  else
    consumeError(redirect.takeError());
  std::vector<Cave> caves = padding.near(function.start);
  site->caves = caves;
  auto redirect = target.planRedirect(*site, destination);
  if (!redirect)
    return redirect.takeError();
  return redirect->method;
}

} // namespace

Expected<Survey> surveyApp(const Config &config) {
  auto opened = Image::open(config.app);
  if (!opened)
    return opened.takeError();
  const Image &image = **opened;
  auto target = createX86_64Target();
  if (!target)
    return target.takeError();
  UnwindTable unwind = UnwindTable::read(image);
  CodeMap map = CodeMap::read(image, unwind, codeSegments(image));
  Padding padding(image, **target, map);

  Survey out;
  out.app = config.app;
  for (const auto &[address, f] : listFunctions(image, unwind)) {
    ++out.functions;
    auto method =
        methodFor(image, **target, padding, {address, address + f.size});
    if (method)
      ++out.methods[*method];
    else
      out.fixed.push_back(
          {f.name, address, f.size, toString(method.takeError())});
  }
  return out;
}

void printSurvey(const Survey &s, bool verbose, raw_ostream &os) {
  os << s.app << ": " << s.functions << " functions\n";
  for (RedirectMethod m : {RedirectMethod::HotPatch, RedirectMethod::NearJump,
                           RedirectMethod::ShortJump}) {
    auto it = s.methods.find(m);
    os << formatv("  {0,-16}{1}\n", toString(m),
                  it == s.methods.end() ? 0 : it->second);
  }
  os << formatv("  {0,-16}{1}\n", "none", s.fixed.size());
  constexpr size_t shown = 20;
  for (const FixedFunction &f :
       ArrayRef(s.fixed).take_front(verbose ? s.fixed.size() : shown))
    os << formatv("  none: {0} at {1:x} ({2} bytes): {3}\n",
                  f.name.empty() ? "a function" : demangle(f.name), f.address,
                  f.size, f.reason);
  if (!verbose && s.fixed.size() > shown)
    os << "  " << s.fixed.size() - shown << " more (-v lists them)\n";
}

json::Value toJson(const Survey &s) {
  json::Object methods;
  for (RedirectMethod m : {RedirectMethod::HotPatch, RedirectMethod::NearJump,
                           RedirectMethod::ShortJump}) {
    auto it = s.methods.find(m);
    methods[toString(m)] = it == s.methods.end() ? 0 : it->second;
  }
  json::Array fixed;
  for (const FixedFunction &f : s.fixed)
    fixed.push_back(json::Object{{"name", f.name},
                                 {"address", f.address},
                                 {"size", f.size},
                                 {"reason", f.reason}});
  return json::Object{{"version", 1},
                      {"app", s.app},
                      {"functions", s.functions},
                      {"methods", std::move(methods)},
                      {"none", std::move(fixed)}};
}

} // namespace relink
