//===- SpliceConstructors.cpp - New constructors after the app's ----------===//
//
// Part of relink, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Splice.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace llvm::ELF;

namespace relink {

/// Who runs an executable's DT_INIT_ARRAY: glibc 2.34 and later read it in
/// __libc_start_main (csu/libc-start.c); before, the program's own
/// __libc_csu_init ran the array between two linker symbols. musl's loader
/// reads it for every object (ldso/dynlink.c).
static bool runsDynamicArrays(const Image &image) {
  if (image.kind == ImageKind::Shared || image.interpreter.contains("musl"))
    return true;
  ArrayRef<Sym> symbols = image.dynamicSymbols();
  for (unsigned i = 1; i < symbols.size(); ++i)
    if (image.dynamicName(symbols[i]) == "__libc_start_main")
      return image.dynamicVersion(i) == "GLIBC_2.34";
  return false;
}

Error mergeConstructors(const SpliceContext &c, Output &out) {
  const Image &image = c.image;
  auto join = [&](bool any, StringRef section, int64_t tag, int64_t sizeTag,
                  const char *what) -> Error {
    if (!any)
      return Error::success();
    if (image.isStatic())
      return makeError(image.path + ": the patch adds a " + what +
                       ", and a " + toString(image.kind) +
                       " runs only those between bounds fixed in its code"
                       "\n>>> remedy: call it from a replaced function");
    if (tag == DT_INIT_ARRAY && !runsDynamicArrays(image))
      return makeError(image.path + ": the patch adds a " + what +
                       ", and this program's start-up code (glibc before 2.34) "
                       "runs only those between bounds fixed in it\n>>> remedy: "
                       "call it from a replaced function");
    const PatchSection *s = c.patch.section(section);
    if (!s)
      return makeError(image.path + ": the link lost a " + Twine(what));
    out.setDynamic(tag, s->address);
    out.setDynamic(sizeTag, s->size);
    return Error::success();
  };
  if (Error e = join(c.inputs.hasConstructors, ".relink.init_array",
                     DT_INIT_ARRAY, DT_INIT_ARRAYSZ, "constructor"))
    return e;
  return join(c.inputs.hasDestructors, ".relink.fini_array", DT_FINI_ARRAY,
              DT_FINI_ARRAYSZ, "destructor");
}

} // namespace relink
