# LLVM and lld, as Debian's llvm-22-dev and liblld-22-dev install them, and
# liblzma for compressed debug data (.gnu_debugdata), libzstd for records and
# portable patches, and of OpenSSL the SHA-256, which uses the processor's own.

# "22" alone would be refused: LLVM's version file compares major and minor.
find_package(LLVM 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
find_package(LibLZMA REQUIRED)
find_package(Threads REQUIRED)
find_library(RELINK_ZSTD zstd REQUIRED)
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
message(STATUS "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_INSTALL_PREFIX}")

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${LLD_INCLUDE_DIRS})
separate_arguments(definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${definitions})

list(APPEND CMAKE_MODULE_PATH ${LLVM_CMAKE_DIR})
include(TableGen)
set(LLVM_TABLEGEN_EXE ${LLVM_TOOLS_BINARY_DIR}/llvm-tblgen)

# What programs link with: everything in one file where the archives are, which
# starts three times faster (StaticLLVM.cmake says why), or LLVM's shared
# library.
option(RELINK_STATIC_LLVM "Link LLVM's archives, with the x86-64 back end only" ON)
if(RELINK_STATIC_LLVM AND EXISTS ${LLVM_LIBRARY_DIR}/libLLVMX86CodeGen.a)
  include(StaticLLVM)
  relink_static_llvm(relink-llvm)
else()
  add_library(relink-llvm INTERFACE)
  target_link_libraries(relink-llvm INTERFACE lldELF lldCommon LLVM)
endif()
