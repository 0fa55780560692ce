//===- x86.cpp - The x86-64 target over real code and edges ------------------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SameInstruction.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Compiler.h"
#include <gtest/gtest.h>

using namespace llvm;
using namespace relink;

namespace {

struct Counts {
  uint64_t instructions = 0, quick = 0;
};

/// Compares them on functions of \p path, of which \p limit bytes, spread over all.
Counts compareOver(StringRef path, uint64_t limit) {
  Counts counts;
  std::unique_ptr<Target> target = cantFail(createX86_64Target());
  object::OwningBinary<object::ObjectFile> file =
      cantFail(object::ObjectFile::createObjectFile(path));
  auto &elf = cast<object::ELF64LEObjectFile>(*file.getBinary());
  std::vector<object::ELFSymbolRef> functions;
  uint64_t all = 0;
  auto take = [&](auto symbols) {
    for (const object::ELFSymbolRef &s : symbols)
      if (s.getELFType() == ELF::STT_FUNC && s.getSize()) {
        functions.push_back(s);
        all += s.getSize();
      }
  };
  take(elf.symbols());
  if (functions.empty())
    take(elf.getDynamicSymbolIterators());
  uint64_t step = std::max<uint64_t>(all / limit, 1);
  for (size_t f = 0; f < functions.size(); f += step) {
    const object::ELFSymbolRef &s = functions[f];
    auto section = cantFail(s.getSection());
    if (section == elf.section_end() || !section->isText())
      continue;
    ArrayRef<uint8_t> bytes = arrayRefFromStringRef(cantFail(section->getContents()));
    uint64_t start = cantFail(s.getAddress()), at = start - section->getAddress();
    if (at > bytes.size() || s.getSize() > bytes.size() - at)
      continue;
    bytes = bytes.slice(at, s.getSize());
    Instruction i;
    for (uint64_t o = 0; o < bytes.size(); o += i.size) {
      std::string difference =
          quickDifference(*target, bytes.drop_front(o), start + o);
      EXPECT_EQ(difference, "") << cantFail(s.getName()).str() << "+" << o;
      if (!difference.empty())
        return counts;
      ++counts.instructions;
      counts.quick += target->measureQuickly(bytes.drop_front(o), start + o, i);
      if (!target->measure(bytes.drop_front(o), start + o, i))
        break; // data among code
    }
  }
  return counts;
}

void expectSame(const char *path) {
#if LLVM_ADDRESS_SANITIZER_BUILD
  uint64_t limit = 1 << 18;
#else
  uint64_t limit = 1 << 21;
#endif
  Counts counts = compareOver(path, limit);
  EXPECT_GT(counts.instructions, 10000u) << path;
  // Else the quick decoder is of no use, and the comparison of nothing.
  EXPECT_GT(counts.quick * 10, counts.instructions * 7) << path;
}

} // namespace

TEST(Measure, CodeOfThisProgram) { expectSame("/proc/self/exe"); }

TEST(Measure, CodeOfTheCLibrary) {
  expectSame("/lib/x86_64-linux-gnu/libc.so.6");
}

TEST(Decode, FieldOfABranch) {
  std::unique_ptr<Target> target = cantFail(createX86_64Target());
  auto field = [&](ArrayRef<uint8_t> bytes) {
    Instruction i;
    EXPECT_TRUE(target->decode(bytes, 0x1000, i));
    return std::pair(i.fieldOffset, i.fieldSize);
  };
  EXPECT_EQ(field({0xeb, 0x10}), std::pair(1u, 1u));
  EXPECT_EQ(field({0x64, 0x65, 0xf2, 0x7d, 0x11}), std::pair(4u, 1u));
  EXPECT_EQ(field({0x0f, 0x84, 0x10, 0, 0, 0}), std::pair(2u, 4u));
  EXPECT_EQ(field({0xf2, 0xe9, 0x10, 0, 0, 0}), std::pair(2u, 4u));
  EXPECT_EQ(field({0xc7, 0xf8, 0x10, 0, 0, 0}), std::pair(2u, 4u)); // xbegin
}

// -1 is no key for a DenseMap.
TEST(StackArguments, AJumpToInFrontOfTheFunction) {
  std::unique_ptr<Target> target = cantFail(createX86_64Target());
  EXPECT_FALSE(target->readsStackArguments({0x74, 0xfd, 0xc3}, false)); // je -1; ret
  EXPECT_TRUE(target->readsStackArguments({0x8b, 0x44, 0x24, 0x08, 0xc3}, false));
  // push %rbx; pop %rbx; ret; mov 8(%rsp),%eax: in the frame, if unwinding leads there.
  std::vector<uint8_t> pad = {0x53, 0x5b, 0xc3, 0x8b, 0x44, 0x24, 0x08};
  EXPECT_TRUE(target->readsStackArguments(pad, false));
  EXPECT_FALSE(target->readsStackArguments(pad, true));
}

TEST(Measure, NoInstructionIsLongerThanTheBytes) {
  std::unique_ptr<Target> target = cantFail(createX86_64Target());
  const uint8_t call[] = {0xe8, 1, 2, 3, 4};
  Instruction i;
  EXPECT_TRUE(target->measureQuickly(call, 0x1000, i));
  EXPECT_EQ(*i.branchTarget, 0x1000u + 5 + 0x04030201);
  for (size_t size = 0; size < sizeof call; ++size)
    EXPECT_FALSE(target->measureQuickly(ArrayRef(call, size), 0x1000, i));
}
