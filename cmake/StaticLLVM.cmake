# relink_static_llvm(TARGET)
#
# Defines the interface library TARGET: lld's ELF linker and LLVM from their
# archives, with X86 as the only code generator.
#
# libLLVM.so is 150 MB, of which the loader relocates 10 MB before main() is
# reached: 11 of the 16 ms that `relink --version` takes with it. The archives
# cost 50 MB of disk in each program that is linked with them.
#
# lld's driver initialises every target LLVM was built with and so pulls all of
# them in. A program that only ever links x86-64 bitcode can do without, so the
# initialisers of the others are defined here, empty; the archives that have
# them are then not looked at. Polly, which LLVM's pass builder registers, goes
# the same way: the pipelines of LTO don't run it unless asked to.
function(relink_static_llvm target)
  set(source ${CMAKE_BINARY_DIR}/OtherTargets.cpp)
  set(text "// Made by cmake/StaticLLVM.cmake.\n")
  string(APPEND text "#include \"llvm/Plugins/PassPlugin.h\"\n\nextern \"C\" {\n")
  foreach(arch IN LISTS LLVM_TARGETS_TO_BUILD)
    if(arch STREQUAL X86)
      continue()
    endif()
    foreach(part TargetInfo Target TargetMC AsmPrinter AsmParser Disassembler TargetMCA)
      string(APPEND text "void LLVMInitialize${arch}${part}();\n")
      string(APPEND text "void LLVMInitialize${arch}${part}() {}\n")
    endforeach()
  endforeach()
  string(APPEND text "}\n\n"
    "llvm::PassPluginLibraryInfo getPollyPluginInfo();\n"
    "llvm::PassPluginLibraryInfo getPollyPluginInfo() {\n"
    "  return {LLVM_PLUGIN_API_VERSION, \"\", \"\",\n"
    "          [](llvm::PassBuilder &) {}, nullptr};\n}\n")
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY)

  # An object, not an archive's member: it has to win over LLVM's.
  add_library(${target}-others OBJECT ${source})

  set(archives "")
  foreach(name IN LISTS LLVM_AVAILABLE_LIBS)
    set(file ${LLVM_LIBRARY_DIR}/lib${name}.a)
    if(name MATCHES "^LLVM." AND EXISTS ${file})
      list(APPEND archives ${file})
    endif()
  endforeach()

  add_library(${target} INTERFACE)
  target_sources(${target} INTERFACE $<TARGET_OBJECTS:${target}-others>)
  target_link_libraries(${target} INTERFACE
    ${LLVM_LIBRARY_DIR}/liblldELF.a ${LLVM_LIBRARY_DIR}/liblldCommon.a
    -Wl,--start-group ${archives} -Wl,--end-group
    z zstd m ${CMAKE_DL_LIBS} Threads::Threads)
endfunction()
