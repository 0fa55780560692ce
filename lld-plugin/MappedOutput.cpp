//===- MappedOutput.cpp - The output, and the map behind it ---------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MappedOutput.h"
#include "AddedSection.h"
#include "CopyLog.h"
#include "PatchMapFormat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <unistd.h>

using namespace llvm;

namespace relink {
namespace {

using OutputFile = Expected<std::unique_ptr<FileOutputBuffer>>;

std::optional<NewTail> makeTail(uint8_t *start, size_t size,
                                const MapMaker &maker) {
  MutableArrayRef<uint8_t> file(start, size);
  if (!canAddSection(file))
    return std::nullopt;
  return addSection(file, map::sectionName, maker(file));
}

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

Error writeAt(int fd, uint64_t offset, ArrayRef<uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errorCodeToError(errnoAsErrorCode());
    offset += n;
    bytes = bytes.drop_front(n);
  }
  return Error::success();
}

Error FileOutput::commit() {
  auto tail = makeTail(getBufferStart(), getBufferSize(), maker);
  region.reset();
  if (tail)
    if (Error e = writeAt(temp.FD, tail->keep, tail->bytes))
      return e;
  return temp.keep(FinalPath);
}

/// For pipes, devices, and file systems that can't be mapped.
class MemoryOutput final : public FileOutputBuffer {
public:
  MemoryOutput(StringRef path, size_t size, unsigned flags, MapMaker maker,
               CreateOutput create)
      : FileOutputBuffer(path),
        buffer(WritableMemoryBuffer::getNewMemBuffer(size)), flags(flags),
        maker(std::move(maker)), create(create) {}

  uint8_t *getBufferStart() const override {
    return reinterpret_cast<uint8_t *>(buffer->getBufferStart());
  }
  uint8_t *getBufferEnd() const override {
    return getBufferStart() + buffer->getBufferSize();
  }
  size_t getBufferSize() const override { return buffer->getBufferSize(); }
  Error commit() override {
    auto tail = makeTail(getBufferStart(), getBufferSize(), maker);
    if (!tail)
      tail = NewTail{getBufferSize(), {}};
    OutputFile out = create(FinalPath, tail->keep + tail->bytes.size(), flags);
    if (!out)
      return out.takeError();
    memcpy((*out)->getBufferStart(), getBufferStart(), tail->keep);
    llvm::copy(tail->bytes, (*out)->getBufferStart() + tail->keep);
    return (*out)->commit();
  }

private:
  std::unique_ptr<WritableMemoryBuffer> buffer;
  unsigned flags;
  MapMaker maker;
  CreateOutput create;
};

/// None where another kind of output will do.
std::unique_ptr<FileOutputBuffer> createFile(StringRef path, size_t size,
                                             unsigned flags, MapMaker &maker) {
  sys::fs::file_status status;
  sys::fs::status(path, status);
  if (!(flags & FileOutputBuffer::F_mmap) || !size ||
      (status.type() != sys::fs::file_type::regular_file &&
       status.type() != sys::fs::file_type::file_not_found))
    return nullptr;
  unsigned mode = sys::fs::all_read | sys::fs::all_write;
  if (flags & FileOutputBuffer::F_executable)
    mode |= sys::fs::all_exe;
  auto temp = sys::fs::TempFile::create(path + ".tmp%%%%%%%", mode);
  if (!temp) {
    consumeError(temp.takeError());
    return nullptr;
  }
  std::error_code error = sys::fs::resize_file(temp->FD, size);
  std::unique_ptr<sys::fs::mapped_file_region> region;
  if (!error)
    region = std::make_unique<sys::fs::mapped_file_region>(
        sys::fs::convertFDToNativeFile(temp->FD),
        sys::fs::mapped_file_region::readwrite, size, 0, error);
  if (error) {
    consumeError(temp->discard());
    return nullptr;
  }
  return std::make_unique<FileOutput>(path, std::move(*temp), std::move(region),
                                      std::move(maker));
}

} // namespace

OutputFile createMappedOutput(StringRef path, size_t size, unsigned flags,
                              MapMaker maker, CreateOutput fallback) {
  std::unique_ptr<FileOutputBuffer> out = createFile(path, size, flags, maker);
  if (!out)
    out = std::make_unique<MemoryOutput>(path, size, flags, std::move(maker),
                                         fallback);
  logCopiesTo({out->getBufferStart(), out->getBufferSize()});
  return out;
}

} // namespace relink
