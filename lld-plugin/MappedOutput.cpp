//===- MappedOutput.cpp - The output, and the map behind it ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MappedOutput.h"
#include "AddedSection.h"
#include "PatchMapFormat.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Memory.h"
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

using OutputFile = Expected<std::unique_ptr<FileOutputBuffer>>;

Error writeAt(int fd, uint64_t offset, ArrayRef<uint8_t> bytes) {
  constexpr size_t most = 16 << 20;
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), std::min(bytes.size(), most), offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errorCodeToError(errnoAsErrorCode());
    offset += n;
    bytes = bytes.drop_front(n);
  }
  return Error::success();
}

Error writeParts(int fd, ArrayRef<AddedSection::Part> parts) {
  for (const AddedSection::Part &part : parts)
    if (Error e = writeAt(fd, part.offset, part.bytes))
      return e;
  return Error::success();
}

/// \p writeEarly is what is written while the map is made.
Error writeMapped(int fd, AddedSection &section, function_ref<Error()> writeEarly,
                  function_ref<SmallVector<uint8_t, 0>()> makeMap) {
  std::optional<Error> failed;
  std::thread writer([&] { failed.emplace(writeEarly()); });
  SmallVector<uint8_t, 0> map = makeMap();
  std::vector<uint8_t> headers = section.finish(map.size());
  // What lld wrote between the two, of headers that have moved, is written over.
  map.resize(section.headersAt() - section.contentsAt());
  writer.join();
  if (Error e = std::move(*failed))
    return e;
  return writeParts(fd, {{section.contentsAt(), map},
                         {section.headersAt(), headers},
                         {0, section.fileHeader()}});
}

/// The output is a mapped file, as by default.
class FileOutput final : public FileOutputBuffer {
public:
  FileOutput(StringRef path, sys::fs::TempFile temp,
             std::unique_ptr<sys::fs::mapped_file_region> region,
             MapMaker maker)
      : FileOutputBuffer(path), temp(std::move(temp)),
        region(std::move(region)), maker(std::move(maker)) {}
  ~FileOutput() override { consumeError(temp.discard()); }

  uint8_t *getBufferStart() const override {
    return reinterpret_cast<uint8_t *>(region->data());
  }
  uint8_t *getBufferEnd() const override {
    return getBufferStart() + region->size();
  }
  size_t getBufferSize() const override { return region->size(); }
  void discard() override { consumeError(temp.discard()); }
  Error commit() override;

private:
  sys::fs::TempFile temp;
  std::unique_ptr<sys::fs::mapped_file_region> region;
  MapMaker maker;
};

/// The map is made of what is loaded, which stays as it is.
Error FileOutput::commit() {
  ArrayRef<uint8_t> file(getBufferStart(), getBufferSize());
  if (auto section = AddedSection::plan(file, map::sectionName)) {
    auto writeEarly = [&]() -> Error {
      std::vector<AddedSection::Part> parts = section->firstParts();
      // What moves is written over what it is read from.
      std::vector<uint8_t> moved = parts.back().bytes.vec();
      parts.back().bytes = moved;
      return writeParts(temp.FD, ArrayRef(parts).drop_front()); // that is there
    };
    if (Error e = writeMapped(temp.FD, *section, writeEarly,
                              [&] { return maker(file); }))
      return e;
  }
  region.reset();
  return temp.keep(FinalPath);
}

/// Memory of zeros, in large pages if there are such: lld writes all of it.
class OutputMemory {
public:
  explicit OutputMemory(size_t size) : size(size) {
    constexpr size_t large = 8 << 20;
    std::error_code error;
    block = sys::OwningMemoryBlock(sys::Memory::allocateMappedMemory(
        size, nullptr, sys::Memory::MF_READ | sys::Memory::MF_WRITE, error));
    if (error)
      report_fatal_error(Twine("no memory for the output: ") + error.message());
    if (size >= large)
      ::madvise(block.base(), block.allocatedSize(), MADV_HUGEPAGE);
  }
  MutableArrayRef<uint8_t> bytes() const {
    return {static_cast<uint8_t *>(block.base()), size};
  }

private:
  sys::OwningMemoryBlock block;
  size_t size;
};

/// The output is memory until it is complete: --mmap-output-file, pipes.
class MemoryOutput final : public FileOutputBuffer {
public:
  /// \p temp is what becomes the file, none if that is a pipe or a device.
  MemoryOutput(StringRef path, size_t size, unsigned flags, MapMaker maker,
               CreateOutput create, std::optional<sys::fs::TempFile> temp)
      : FileOutputBuffer(path), memory(size), flags(flags),
        maker(std::move(maker)), create(create), temp(std::move(temp)) {}
  ~MemoryOutput() override { discard(); }

  uint8_t *getBufferStart() const override { return memory.bytes().begin(); }
  uint8_t *getBufferEnd() const override { return memory.bytes().end(); }
  size_t getBufferSize() const override { return memory.bytes().size(); }
  void discard() override {
    if (temp)
      consumeError(temp->discard());
  }
  Error commit() override;

private:
  Error commitCopy(std::optional<AddedSection> section);

  OutputMemory memory;
  unsigned flags;
  MapMaker maker;
  CreateOutput create;
  std::optional<sys::fs::TempFile> temp;
};

Error MemoryOutput::commit() {
  ArrayRef<uint8_t> file = memory.bytes();
  auto section = AddedSection::plan(file, map::sectionName);
  if (!temp)
    return commitCopy(std::move(section));
  auto writeEarly = [&] { return writeParts(temp->FD, section->firstParts()); };
  Error e = section ? writeMapped(temp->FD, *section, writeEarly,
                                  [&] { return maker(file); })
                    : writeAt(temp->FD, 0, file);
  if (e)
    return e;
  e = temp->keep(FinalPath);
  temp.reset();
  return e;
}

Error MemoryOutput::commitCopy(std::optional<AddedSection> section) {
  std::vector<AddedSection::Part> parts = {{0, memory.bytes()}};
  SmallVector<uint8_t, 0> map;
  std::vector<uint8_t> headers;
  size_t size = memory.bytes().size();
  if (section) {
    map = maker(memory.bytes());
    headers = section->finish(map.size());
    parts = section->firstParts();
    parts.push_back({section->contentsAt(), map});
    parts.push_back({section->headersAt(), headers});
    parts.push_back({0, section->fileHeader()});
    size = section->fileSize();
  }
  OutputFile out = create(FinalPath, size, flags);
  if (!out)
    return out.takeError();
  for (const AddedSection::Part &part : parts)
    llvm::copy(part.bytes, (*out)->getBufferStart() + part.offset);
  return (*out)->commit();
}

/// What becomes the file at \p path; none where that is no regular file.
std::optional<sys::fs::TempFile> createTemporary(StringRef path,
                                                 unsigned flags) {
  sys::fs::file_status status;
  sys::fs::status(path, status);
  if (path == "-" || (status.type() != sys::fs::file_type::regular_file &&
                      status.type() != sys::fs::file_type::file_not_found))
    return std::nullopt;
  unsigned mode = sys::fs::all_read | sys::fs::all_write;
  if (flags & FileOutputBuffer::F_executable)
    mode |= sys::fs::all_exe;
  auto temp = sys::fs::TempFile::create(path + ".tmp%%%%%%%", mode);
  if (temp)
    return std::move(*temp);
  consumeError(temp.takeError());
  return std::nullopt;
}

/// None where the file can't be mapped; \p temp is kept then.
std::unique_ptr<FileOutputBuffer>
createFile(StringRef path, size_t size, std::optional<sys::fs::TempFile> &temp,
           MapMaker &maker) {
  if (!temp || !size)
    return nullptr;
  std::error_code error = sys::fs::resize_file(temp->FD, size);
  std::unique_ptr<sys::fs::mapped_file_region> region;
  if (!error)
    region = std::make_unique<sys::fs::mapped_file_region>(
        sys::fs::convertFDToNativeFile(temp->FD),
        sys::fs::mapped_file_region::readwrite, size, 0, error);
  if (error)
    return nullptr;
  auto out = std::make_unique<FileOutput>(path, std::move(*temp),
                                          std::move(region), std::move(maker));
  temp.reset();
  return out;
}

} // namespace

OutputFile createMappedOutput(StringRef path, size_t size, unsigned flags,
                              MapMaker maker, CreateOutput fallback) {
  auto temp = createTemporary(path, flags);
  std::unique_ptr<FileOutputBuffer> out;
  // The flag means memory that is mapped, which is written at last.
  if (!(flags & FileOutputBuffer::F_mmap))
    out = createFile(path, size, temp, maker);
  if (!out)
    out = std::make_unique<MemoryOutput>(path, size, flags, std::move(maker),
                                         fallback, std::move(temp));
  return out;
}

} // namespace relink
