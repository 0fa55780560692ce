//===- NinjaManifest.cpp - What build.ninja says --------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NinjaManifest.h"
#include "Error.h"
#include "Image.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/StringSaver.h"

using namespace llvm;

namespace relink {

Expected<std::unique_ptr<MemoryBuffer>> openRegular(StringRef path) {
  sys::fs::file_status status;
  if (std::error_code e = sys::fs::status(path, status))
    return makeError(path + ": " + e.message());
  if (!sys::fs::is_regular_file(status))
    return makeError(path + ": is not a regular file");
  return openMapped(path);
}

std::string canonicalNinjaPath(StringRef path) {
  SmallString<128> out = path;
  sys::path::remove_dots(out, true);
  return out.str().str();
}

std::string NinjaManifest::inFileSystem(StringRef path) const {
  SmallString<128> out(directory);
  if (sys::path::is_absolute(path))
    out.clear();
  if (!path.empty())
    sys::path::append(out, path);
  return out.str().str();
}

namespace {

/// What include and subninja can make of a small file, and variables that hold
/// each other twice.
constexpr unsigned mostDepth = 64, mostFiles = 1 << 16;
constexpr uint64_t mostBytes = uint64_t(1) << 30;
constexpr size_t longestValue = 1 << 20;

struct Scope {
  const Scope *parent = nullptr;
  DenseMap<StringRef, StringRef> variables;
};

using Bindings = SmallDenseMap<StringRef, StringRef, 4>; ///< not evaluated

} // namespace

/// One file of a manifest.
class NinjaParser {
public:
  NinjaParser(NinjaManifest &out, Scope &scope, uint64_t &budget, unsigned depth)
      : out(out), scope(scope), budget(budget), depth(depth) {}
  Error parse(StringRef file);

private:
  Error parseStatement();
  Error parseBuild();
  Error parseVariable(StringRef name);
  Error parseInclude(bool ownScope);
  Error skipBlock();
  Expected<Bindings> readBindings();
  bool beginsBinding();
  Error readPaths(SmallVectorImpl<StringRef> &raw);

  char peek(size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : 0;
  }
  size_t newlineAt(size_t place) const;
  bool skipContinuation();
  void skipSpaces();
  bool take(StringRef what);
  Error endLine();
  StringRef readWord();
  StringRef readRaw(bool path);
  Expected<StringRef> evaluate(StringRef raw, const Bindings &own, const Scope &in);
  Expected<StringRef> lookUp(StringRef name, const Bindings &own, const Scope &in);
  Expected<StringRef> evaluatePath(StringRef raw, const Bindings &own);
  Error evaluatePaths(ArrayRef<StringRef> raw, const Bindings &own,
                      std::vector<StringRef> &paths);
  Error error(const Twine &message) const;

  NinjaManifest &out;
  Scope &scope;
  uint64_t &budget; ///< bytes that may still be read or made
  unsigned depth;
  StringRef path, text;
  size_t at = 0;
};

Error NinjaParser::error(const Twine &message) const {
  return makeError(path + ":" + Twine(text.take_front(at).count('\n') + 1) + ": " +
                   message);
}

/// Length of the line end at \p place, 0 if there is none.
size_t NinjaParser::newlineAt(size_t place) const {
  StringRef rest = text.substr(place);
  return rest.starts_with("\n") ? 1 : rest.starts_with("\r\n") ? 2 : 0;
}

/// `$` at the end of a line, and the indentation of the next.
bool NinjaParser::skipContinuation() {
  size_t newline = peek() == '$' ? newlineAt(at + 1) : 0;
  if (!newline)
    return false;
  at += 1 + newline;
  while (peek() == ' ')
    ++at;
  return true;
}

void NinjaParser::skipSpaces() {
  while (skipContinuation() || peek() == ' ')
    at += peek() == ' ';
}

bool NinjaParser::take(StringRef what) {
  if (!text.substr(at).starts_with(what))
    return false;
  at += what.size();
  skipSpaces();
  return true;
}

Error NinjaParser::endLine() {
  if (at == text.size())
    return Error::success();
  size_t newline = newlineAt(at);
  if (!newline)
    return error("expected the end of the line");
  at += newline;
  return Error::success();
}

StringRef NinjaParser::readWord() {
  size_t start = at;
  while (isAlnum(peek()) || (peek() && StringRef("_.-").contains(peek())))
    ++at;
  StringRef word = text.slice(start, at);
  skipSpaces();
  return word;
}

/// A path or value with its `$` in it.
StringRef NinjaParser::readRaw(bool isPath) {
  size_t start = at;
  while (at < text.size() && !newlineAt(at)) {
    if (skipContinuation())
      continue;
    if (isPath && StringRef(" :|").contains(peek()))
      break;
    at += peek() == '$' && at + 1 < text.size() ? 2 : 1;
  }
  return text.slice(start, at);
}

Expected<StringRef> NinjaParser::lookUp(StringRef name, const Bindings &own,
                                        const Scope &in) {
  // Bindings of a build statement mean what the file has so far.
  if (auto it = own.find(name); it != own.end())
    return evaluate(it->second, Bindings(), in);
  for (const Scope *s = &in; s; s = s->parent)
    if (auto it = s->variables.find(name); it != s->variables.end())
      return it->second;
  return StringRef();
}

Expected<StringRef> NinjaParser::evaluate(StringRef raw, const Bindings &own,
                                          const Scope &in) {
  if (!raw.contains('$'))
    return raw;
  std::string value;
  while (!raw.empty()) {
    auto [plain, rest] = raw.split('$');
    value += plain;
    if (plain.size() == raw.size())
      break;
    StringRef name;
    if (rest.empty())
      return error("a $ with nothing behind it");
    if (StringRef("$ :").contains(rest[0])) {
      value += rest[0];
      raw = rest.drop_front();
      continue;
    }
    if (rest.consume_front("\n") || rest.consume_front("\r\n")) {
      raw = rest.ltrim(' ');
      continue;
    }
    if (rest.consume_front("{")) {
      std::tie(name, raw) = rest.split('}');
    } else {
      name = rest.take_while([](char c) { return isAlnum(c) || c == '_' || c == '-'; });
      raw = rest.drop_front(name.size());
      if (name.empty())
        return error("unknown escape $" + rest.take_front(1));
    }
    auto found = lookUp(name, own, in);
    if (!found)
      return found.takeError();
    value += *found;
    if (value.size() > longestValue)
      return error("a value of more than 1 MiB");
  }
  if (value.size() > budget)
    return error("the values of more than 1 GiB in all");
  budget -= value.size();
  return StringSaver(out.allocator).save(value);
}

Expected<StringRef> NinjaParser::evaluatePath(StringRef raw, const Bindings &own) {
  auto value = evaluate(raw, own, scope);
  if (!value || !(value->starts_with(".") || value->contains("/.") ||
                  value->contains("//")))
    return value;
  return StringSaver(out.allocator).save(canonicalNinjaPath(*value));
}

Error NinjaParser::evaluatePaths(ArrayRef<StringRef> raw, const Bindings &own,
                                 std::vector<StringRef> &paths) {
  for (StringRef r : raw) {
    auto value = evaluatePath(r, own);
    if (!value)
      return value.takeError();
    paths.push_back(*value);
  }
  return Error::success();
}

Error NinjaParser::readPaths(SmallVectorImpl<StringRef> &raw) {
  for (;;) {
    StringRef one = readRaw(true);
    if (one.empty())
      return Error::success();
    raw.push_back(one);
    skipSpaces();
  }
}

/// Comments may stand in between.
bool NinjaParser::beginsBinding() {
  for (;;) {
    StringRef line = text.substr(at).take_until([](char c) { return c == '\n'; });
    if (line.ltrim(' ').starts_with("#")) {
      at = std::min(text.size(), at + line.size() + 1);
      continue;
    }
    if (!line.starts_with(" ") || line.rtrim('\r').trim(' ').empty())
      return false;
    skipSpaces();
    return true;
  }
}

Expected<Bindings> NinjaParser::readBindings() {
  Bindings bindings;
  while (beginsBinding()) {
    StringRef name = readWord();
    if (name.empty() || !take("="))
      return error("expected NAME = VALUE");
    bindings[name] = readRaw(false);
    if (Error e = endLine())
      return e;
  }
  return bindings;
}

/// build OUTPUT... [| IMPLICIT...]: RULE INPUT... [| ...] [|| ...] [|@ ...]
Error NinjaParser::parseBuild() {
  SmallVector<StringRef, 4> outputs;
  SmallVector<StringRef, 16> inputs, implicit, others;
  if (Error e = readPaths(outputs))
    return e;
  if (take("|"))
    if (Error e = readPaths(outputs))
      return e;
  if (outputs.empty() || !take(":"))
    return error("expected OUTPUTS: RULE");
  NinjaEdge &edge = out.statements.emplace_back();
  edge.rule = readWord();
  if (Error e = readPaths(inputs))
    return e;
  if (peek() == '|' && peek(1) != '|' && peek(1) != '@' && take("|"))
    if (Error e = readPaths(implicit))
      return e;
  for (StringRef order : {"||", "|@"})
    if (take(order))
      if (Error e = readPaths(others))
        return e;
  if (Error e = endLine())
    return e;
  auto own = readBindings();
  if (!own)
    return own.takeError();
  for (StringRef raw : outputs) {
    auto value = evaluatePath(raw, *own);
    if (!value)
      return value.takeError();
    edge.outputs.push_back(*value);
    out.byOutput[*value] = &edge;
  }
  if (Error e = evaluatePaths(inputs, *own, edge.inputs))
    return e;
  return evaluatePaths(implicit, *own, edge.implicit);
}

Error NinjaParser::parseVariable(StringRef name) {
  auto value = evaluate(readRaw(false), Bindings(), scope);
  if (!value)
    return value.takeError();
  scope.variables[name] = *value;
  return endLine();
}

Error NinjaParser::parseInclude(bool ownScope) {
  auto file = evaluate(readRaw(true), Bindings(), scope);
  if (!file)
    return file.takeError();
  if (depth == mostDepth)
    return error("files include each other more than 64 deep");
  if (Error e = endLine())
    return e;
  Scope inner;
  inner.parent = &scope;
  return NinjaParser(out, ownScope ? inner : scope, budget, depth + 1)
      .parse(out.inFileSystem(*file));
}

/// Of a rule or a pool.
Error NinjaParser::skipBlock() {
  readRaw(false);
  if (Error e = endLine())
    return e;
  auto bindings = readBindings();
  return bindings ? Error::success() : bindings.takeError();
}

Error NinjaParser::parseStatement() {
  if (size_t newline = newlineAt(at)) {
    at += newline;
    return Error::success();
  }
  if (peek() == '#') {
    at = std::min(text.size(), text.find('\n', at));
    return endLine();
  }
  if (peek() == ' ') {
    skipSpaces();
    return at == text.size() || newlineAt(at) || peek() == '#'
               ? Error::success()
               : error("unexpected indentation");
  }
  StringRef word = readWord();
  if (!word.empty() && take("="))
    return parseVariable(word);
  if (word == "build")
    return parseBuild();
  if (word == "rule" || word == "pool" || word == "default")
    return skipBlock();
  if (word == "include" || word == "subninja")
    return parseInclude(word == "subninja");
  return error("expected a statement");
}

Error NinjaParser::parse(StringRef file) {
  auto buffer = openRegular(file);
  if (!buffer)
    return buffer.takeError();
  text = (*buffer)->getBuffer();
  if (out.files.size() == mostFiles || text.size() > budget)
    return makeError(file + ": more than 1 GiB, or 65536 files, in all");
  budget -= text.size();
  path = StringSaver(out.allocator).save(file);
  out.files.push_back(std::move(*buffer));
  while (at < text.size())
    if (Error e = parseStatement())
      return e;
  return Error::success();
}

Expected<std::unique_ptr<NinjaManifest>> NinjaManifest::read(StringRef directory) {
  std::unique_ptr<NinjaManifest> out(new NinjaManifest(directory));
  Scope scope;
  uint64_t budget = mostBytes;
  NinjaParser parser(*out, scope, budget, 0);
  if (Error e = parser.parse(out->inFileSystem("build.ninja")))
    return e;
  out->builddir = scope.variables.lookup("builddir");
  return out;
}

} // namespace relink
