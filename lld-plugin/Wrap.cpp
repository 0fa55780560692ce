//===- Wrap.cpp - Where lld asks for files --------------------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Wrap.h"
#include "Inputs.h"
#include "MappedOutput.h"
#include "llvm/Object/Archive.h"
#include "llvm/Support/FileOutputBuffer.h"

using namespace llvm;

namespace {

using InputFile = ErrorOr<std::unique_ptr<MemoryBuffer>>;
using MemberFile = Expected<MemoryBufferRef>;
using OutputFile = Expected<std::unique_ptr<FileOutputBuffer>>;

/// The only global: wrappers have no other way to what they work on.
relink::Inputs *inputs = nullptr;

} // namespace

// Static members take no object, others take it first, so they are called as
// functions. The names are those of lld-plugin/CMakeLists.txt.
#define GET_FILE                                                               \
  "_ZN4llvm12MemoryBuffer7getFileERKNS_5TwineEbbbSt8optionalINS_5AlignEE"
#define MEMBER "_ZNK4llvm6object7Archive5Child18getMemoryBufferRefEv"
#define CREATE "_ZN4llvm16FileOutputBuffer6createENS_9StringRefEmj"

InputFile realGetFile(const Twine &path, bool isText, bool needsNul,
                      bool isVolatile, std::optional<Align> align)
    __asm__("__real_" GET_FILE);
OutputFile realCreate(StringRef path, size_t size, unsigned flags)
    __asm__("__real_" CREATE);

MemberFile realMember(const object::Archive::Child *child)
    __asm__("__real_" MEMBER);

InputFile wrapGetFile(const Twine &path, bool isText, bool needsNul,
                      bool isVolatile, std::optional<Align> align)
    __asm__("__wrap_" GET_FILE);
MemberFile wrapMember(const object::Archive::Child *child)
    __asm__("__wrap_" MEMBER);
OutputFile wrapCreate(StringRef path, size_t size, unsigned flags)
    __asm__("__wrap_" CREATE);

MemberFile wrapMember(const object::Archive::Child *child) {
  MemberFile member = realMember(child);
  if (inputs && member && child->getParent()->isThin())
    inputs->opened(child->getParent()->getFileName(), *member);
  return member;
}

InputFile wrapGetFile(const Twine &path, bool isText, bool needsNul,
                      bool isVolatile, std::optional<Align> align) {
  if (!inputs)
    return realGetFile(path, isText, needsNul, isVolatile, align);
  std::string name = path.str();
  if (auto reserve = inputs->reserveFor(name))
    return reserve;
  InputFile file = realGetFile(path, isText, needsNul, isVolatile, align);
  return file ? inputs->adapt(name, std::move(*file)) : std::move(file);
}

OutputFile wrapCreate(StringRef path, size_t size, unsigned flags) {
  if (!inputs)
    return realCreate(path, size, flags);
  if (Error e = inputs->finish())
    return e;
  std::shared_ptr<relink::PatchMapWriter> map = inputs->takeMap();
  auto finishMap = [map](ArrayRef<uint8_t> file) { return map->finish(file); };
  OutputFile out =
      map ? relink::createMappedOutput(path, size, flags, finishMap, realCreate)
          : realCreate(path, size, flags);
  if (out && (map || !inputs->grown().empty()))
    relink::watchCopiesTo({(*out)->getBufferStart(), (*out)->getBufferSize()},
                          inputs->grown(), bool(map));
  return out;
}

namespace relink {

void wrapFiles(Inputs &i) { inputs = &i; }

ErrorOr<std::unique_ptr<MemoryBuffer>> readRealFile(const Twine &path) {
  return realGetFile(path, false, false, false, std::nullopt);
}

} // namespace relink
