//===- Report.cpp - What was done, for people and machines ----------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;

namespace relink {

Report makeReport(const Config &config, const Image &image, const Plan &plan,
                  const Output &output) {
  Report r;
  r.app = config.app;
  r.output = config.output;
  r.kind = toString(image.kind).str();
  r.comparison = !plan.mapped.empty() ? "map" : plan.before ? "orig" : "app";
  r.mapped = plan.mapped;
  r.replaced = output.replaced;
  r.unchanged = output.unchanged;
  r.sameFunctions = plan.sameFunctions;
  r.linesOnly = plan.linesOnly;
  r.nothingToDo = plan.isNothingToDo();
  for (const Replacement &f : plan.replacements)
    if (auto v = plan.verdicts.find(f.body); v != plan.verdicts.end())
      r.changed.push_back({f.body->name, v->second.reason});
  r.interposed = interposedImports(plan);
  r.bound = plan.bound;
  llvm::sort(r.bound);
  r.bound.erase(llvm::unique(r.bound), r.bound.end());
  r.added = plan.added;
  r.imports = output.newImports;
  r.libraries = plan.newDependencies;
  for (const ObjectSymbol *s : plan.exports)
    r.exports.push_back(s->name);
  for (const Remark &remark : plan.remarks)
    r.remarks.push_back({remark.symbol, remark.text});
  r.notes = output.notes;
  r.redirectedCalls = output.redirectedCalls;
  r.redirectedSlots = output.redirectedSlots;
  r.notes.insert(r.notes.end(), plan.notes.begin(), plan.notes.end());
  for (auto [kind, bytes] : output.reserveTaken)
    r.reserve.push_back({reserve::poolNames[unsigned(kind) - 1], bytes});
  r.appSize = image.bytes().size();
  r.outputSize = output.hasTail() ? output.tailOffset + output.tail.size()
                                  : r.appSize;
  r.bytesAppended = r.outputSize - r.appSize;
  for (const Edit &e : output.edits) {
    ArrayRef<uint8_t> was = image.bytes().slice(e.offset, e.bytes.size());
    for (size_t i = 0; i < e.bytes.size(); ++i)
      r.bytesChanged += was[i] != e.bytes[i];
    r.edits.push_back({e.offset, {e.bytes.size(), e.what}});
  }
  llvm::sort(r.edits);
  return r;
}

void addFiles(const PatchFiles &files, Report &r) {
  r.notes.insert(r.notes.end(), files.notes.begin(), files.notes.end());
  if (!files.changed) {
    if (files.chosen) {
      r.allInputs = *files.chosen;
      for (const std::string &f : files.files)
        r.inputs.push_back({f, "is later than the program"});
    }
    return;
  }
  r.inputs = files.changed->taken;
  r.allInputs = files.changed->same + r.inputs.size();
  std::vector<std::string> missing = files.changed->missing();
  if (missing.empty())
    return;
  constexpr size_t most = 3; // named; all of them when one object is given
  std::string names = join(ArrayRef(missing).take_front(most), ", ");
  if (missing.size() > most)
    names += " and " + std::to_string(missing.size() - most) + " more";
  r.notes.push_back(r.app + " was linked from " + names +
                    " too, of which the patch files have no version");
}

static void printList(raw_ostream &os, StringRef what,
                      ArrayRef<std::string> names) {
  for (const std::string &n : names)
    os << "  " << what << " " << demangle(n) << "\n";
}

void printSummary(const Report &r, bool verbose, raw_ostream &os) {
  for (const auto &[name, how] : r.inputs)
    os << "  input    " << name << " " << how << "\n";
  for (const ReplacedFunction &f : r.replaced)
    os << formatv("  replaced {0}: {1:x} ({2} bytes) -> {3:x} ({4} bytes), {5}{6}\n",
                  demangle(f.name), f.oldAddress, f.oldSize, f.newAddress,
                  f.newSize, toString(f.method),
                  f.preserved.empty() ? ""
                  : verbose ? ", keeps " + f.preserved
                            : ", keeps registers");
  for (const InterposedImport &i : r.interposed)
    os << "  import   " << demangle(i.name) << ": interposed, "
       << (i.appOnly ? "for the app's own references\n" : "and exported\n");
  if (verbose)
    for (const auto &[name, how] : r.changed)
      os << "  changed  " << demangle(name) << ": " << how << "\n";
  printList(os, "same    ", r.unchanged);
  for (const std::string &name : r.linesOnly)
    os << "  lines    " << demangle(name)
       << ": only line numbers (__LINE__) of assertions differ; it stays\n";
  if (verbose)
    for (const auto &[name, address] : r.bound)
      os << formatv("  bound    {0}: {1:x}\n", demangle(name), address);
  else if (!r.bound.empty())
    os << "  bound    " << r.bound.size() << " to the app's own (-v lists them)\n";
  printList(os, "added   ", r.added);
  printList(os, "import  ", r.imports);
  printList(os, "export  ", r.exports);
  printList(os, "needs   ", r.libraries);
  if (r.redirectedCalls || r.redirectedSlots)
    os << "  redirected " << r.redirectedCalls << " calls, "
       << r.redirectedSlots << " virtual table slots\n";
  if (!r.reserve.empty()) {
    os << "  reserve  ";
    ListSeparator separator;
    for (const auto &[kind, bytes] : r.reserve)
      os << separator << bytes << " bytes of " << kind;
    os << " taken\n";
  }
  for (const auto &[name, text] : r.remarks)
    os << "  remark   " << demangle(name) << ": " << text << "\n";
  for (const std::string &n : r.mapped)
    os << "  map      compared with " << n << " as it was linked\n";
  for (const std::string &n : r.notes)
    os << "  note     " << n << "\n";
  if (verbose)
    for (const auto &[offset, edit] : r.edits)
      os << formatv("  edit     {0:x}, {1} bytes: {2}\n", offset, edit.first,
                    edit.second);
  if (r.nothingToDo && r.allInputs && r.inputs.empty()) {
    os << formatv("{0}{1}: nothing to do: {2} was linked from {3}\n",
                  r.written ? "" : "(dry run) ", r.output, r.app,
                  *r.allInputs == 1 ? "this input"
                                    : formatv("these {0} inputs", *r.allInputs).str());
    return;
  }
  if (r.nothingToDo) {
    std::string why = "the app has all that the patch defines";
    if (r.sameFunctions)
      why = formatv("all {0} functions of the patch are the app's own", r.sameFunctions);
    os << formatv("{0}{1}: nothing to do: {2}\n", r.written ? "" : "(dry run) ",
                  r.output, why);
    return;
  }
  os << formatv("{0}{1}: {2} replaced, {3} of the original's bytes changed, "
                "{4} appended\n",
                r.written ? "" : "(dry run) ", r.output, r.replaced.size(),
                r.bytesChanged, r.bytesAppended);
}

json::Array toJson(ArrayRef<ReplacedFunction> functions) {
  json::Array out;
  for (const ReplacedFunction &f : functions)
    out.push_back(json::Object{{"name", f.name},
                               {"demangled", demangle(f.name)},
                               {"oldAddress", f.oldAddress},
                               {"oldSize", f.oldSize},
                               {"newAddress", f.newAddress},
                               {"newSize", f.newSize},
                               {"newEntry", f.newEntry},
                               {"method", toString(f.method)},
                               {"keeps", f.preserved}});
  return out;
}

std::vector<InterposedImport> interposedImports(const Plan &plan) {
  std::vector<InterposedImport> out;
  for (const Interposition &i : plan.interpositions)
    out.push_back({i.definition->name, i.appOnly});
  return out;
}

json::Array toJson(ArrayRef<InterposedImport> imports) {
  json::Array out;
  for (const InterposedImport &i : imports)
    out.push_back(json::Object{{"name", i.name}, {"exported", !i.appOnly}});
  return out;
}

json::Value toJson(const Report &r) {
  json::Array bound, edits, remarks, changed, inputs;
  for (const auto &[name, how] : r.inputs)
    inputs.push_back(json::Object{{"name", name}, {"how", how}});
  for (const auto &[name, how] : r.changed)
    changed.push_back(json::Object{{"name", name}, {"how", how}});
  for (const auto &[name, address] : r.bound)
    bound.push_back(json::Object{{"name", name}, {"address", address}});
  for (const auto &[offset, edit] : r.edits)
    edits.push_back(json::Object{{"offset", offset},
                                 {"size", edit.first},
                                 {"what", edit.second}});
  json::Array reserve;
  for (const auto &[kind, bytes] : r.reserve)
    reserve.push_back(json::Object{{"kind", kind}, {"taken", bytes}});
  for (const auto &[name, text] : r.remarks)
    remarks.push_back(json::Object{{"name", name}, {"text", text}});
  return json::Object{{"version", 1},
                      {"app", r.app},
                      {"kind", r.kind},
                      {"output", r.output},
                      {"written", r.written},
                      {"inputs", std::move(inputs)},
                      {"comparison", r.comparison},
                      {"mapped", json::Array(r.mapped)},
                      {"replaced", toJson(r.replaced)},
                      {"changed", std::move(changed)},
                      {"redirectedCalls", r.redirectedCalls},
                      {"redirectedSlots", r.redirectedSlots},
                      {"sameFunctions", r.sameFunctions},
                      {"nothingToDo", r.nothingToDo},
                      {"linesOnly", json::Array(r.linesOnly)},
                      {"unchanged", json::Array(r.unchanged)},
                      {"bound", std::move(bound)},
                      {"added", json::Array(r.added)},
                      {"interposed", toJson(r.interposed)},
                      {"imports", json::Array(r.imports)},
                      {"exports", json::Array(r.exports)},
                      {"libraries", json::Array(r.libraries)},
                      {"remarks", std::move(remarks)},
                      {"notes", json::Array(r.notes)},
                      {"edits", std::move(edits)},
                      {"reserve", std::move(reserve)},
                      {"appSize", r.appSize},
                      {"outputSize", r.outputSize},
                      {"bytesChanged", r.bytesChanged},
                      {"bytesAppended", r.bytesAppended}};
}

} // namespace relink
