# LLVM and lld as libraries. LLVMConfigVersion compares major.minor, so "22"
# alone is not found.
find_package(LLVM 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
find_package(LibLZMA REQUIRED)
find_package(Threads REQUIRED)

list(APPEND CMAKE_MODULE_PATH ${LLVM_CMAKE_DIR})
include(TableGen)

separate_arguments(llvm_definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")

# lld of the same release links our own programs fast, where it is installed.
find_program(RELINK_LLD ld.lld PATHS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
if(RELINK_LLD)
  add_link_options(-fuse-ld=lld -B${LLVM_TOOLS_BINARY_DIR})
endif()
