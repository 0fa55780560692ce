# Compiler and linker flags for our own code.

include(CheckLinkerFlag)

if(RELINK_ASSERTIONS)
  set(ndebug "")
else()
  set(ndebug " -DNDEBUG")
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1${ndebug}")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g")

# LLVM has RTTI (classes derived from its own need theirs) and no exceptions.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>
                    -ffunction-sections -fdata-sections
                    -fvisibility-inlines-hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options(-Wall -Wextra -Wcast-qual -Wextra-semi -Wformat=2
                    -Wimplicit-fallthrough -Wmissing-declarations
                    -Wnon-virtual-dtor -Woverloaded-virtual -Wundef -Wvla
                    -Wdate-time -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # False positives of g++ 12 on LLVM's and the standard library's templates.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict
                      -Wno-stringop-overflow -Wno-array-bounds)
else()
  # clang sees into libstdc++ 12's std::stable_sort.
  add_compile_options(-Wno-deprecated-declarations)
endif()
if(RELINK_WERROR)
  add_compile_options(-Werror)
endif()

if(RELINK_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
  add_compile_options(${sanitizers} -fno-omit-frame-pointer)
  # Each check has data with addresses in it, 24 MB of them in relink. At a fixed
  # address none is relocated, and a run starts in half the time.
  add_link_options(${sanitizers} -no-pie)
endif()

# Coverage for libFuzzer; test/fuzz links it.
if(RELINK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# lld links several times faster than GNU ld; g++ looks for it beside -B.
set(use_lld -B${LLVM_TOOLS_BINARY_DIR} -fuse-ld=lld)
check_linker_flag(CXX "${use_lld}" RELINK_HAVE_LLD)
if(RELINK_HAVE_LLD)
  add_link_options(${use_lld})
endif()
add_link_options(-Wl,--gc-sections -Wl,-z,relro -Wl,-z,now)
# A start-up cost again: 0.7 MB of relative relocations become 10 KB.
check_linker_flag(CXX -Wl,-z,pack-relative-relocs RELINK_HAVE_RELR)
if(RELINK_HAVE_RELR)
  add_link_options(-Wl,-z,pack-relative-relocs)
endif()
