# relink_patch_ready(TARGET [RESERVE LIST] [PADDING N|N%]
#                    [HOTPATCH allow|require|off])
#
# Part of relink, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Compiles TARGET, as far as it is C and C++, with the flags that relink-config
# prints, and links it with ld.relink if it is an executable, a shared library or
# a module. The options are those of ld.relink: --patch-reserve,
# --function-padding, --hotpatch.

include_guard()

# relink-config's name for the compiler of LANGUAGE.
function(_relink_compiler language out)
  set(id "${CMAKE_${language}_COMPILER_ID}")
  if(id STREQUAL GNU)
    set(${out} gcc PARENT_SCOPE)
  elseif(id STREQUAL Clang AND NOT CMAKE_${language}_SIMULATE_ID STREQUAL MSVC)
    set(${out} clang PARENT_SCOPE)
  else()
    message(FATAL_ERROR "relink_patch_ready: the ${language} compiler is ${id}, "
      "which is neither GNU nor Clang\n"
      ">>> ${CMAKE_${language}_COMPILER}\n"
      ">>> remedy: configure a new build directory with "
      "-DCMAKE_${language}_COMPILER=gcc or clang, or leave relink_patch_ready out: "
      "relink patches any x86-64 ELF program")
  endif()
endfunction()

function(_relink_architecture out)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|x86-64|amd64|AMD64)$")
    set(arch x86-64)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(arch aarch64)
  endif()
  if(NOT arch OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    math(EXPR bits "8 * 0${CMAKE_SIZEOF_VOID_P}")
    message(FATAL_ERROR "relink_patch_ready: CMAKE_SYSTEM_PROCESSOR is "
      "'${CMAKE_SYSTEM_PROCESSOR}' with pointers of ${bits} bits; expected x86_64 or "
      "aarch64 with 64\n"
      ">>> remedy: leave relink_patch_ready out for this system")
  endif()
  set(${out} ${arch} PARENT_SCOPE)
endfunction()

# What relink-config --cflags says for LANGUAGE; asked for once.
function(_relink_cflags language out)
  _relink_compiler(${language} compiler)
  _relink_architecture(arch)
  get_property(flags GLOBAL PROPERTY _relink_cflags_${compiler}_${arch})
  if(NOT flags)
    get_property(bin GLOBAL PROPERTY RELINK_BIN_DIR)
    execute_process(
      COMMAND "${bin}/relink-config" --cc ${compiler} --arch ${arch} --cflags
      OUTPUT_VARIABLE flags ERROR_VARIABLE error RESULT_VARIABLE result
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "relink_patch_ready: ${bin}/relink-config: "
        "${result} ${error}")
    endif()
    separate_arguments(flags UNIX_COMMAND "${flags}")
    set_property(GLOBAL PROPERTY _relink_cflags_${compiler}_${arch} "${flags}")
  endif()
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()

# ld.relink's options, after a check: the linker's own messages come late.
function(_relink_linker_options out)
  set(options "")
  if(DEFINED arg_RESERVE)
    # A list, or text:64K,rodata:16K; compilers split -Wl, at commas.
    string(REGEX REPLACE "[;,]" "+" reserve "${arg_RESERVE}")
    set(item "[a-z]+:[0-9]+[KMG%]?|default|none")
    if(NOT reserve MATCHES "^(${item})([+](${item}))*$")
      message(FATAL_ERROR "relink_patch_ready: RESERVE ${arg_RESERVE}: expected "
        "none or items like text:64K, rodata:1%, phdrs:3")
    endif()
    list(APPEND options "LINKER:--patch-reserve=${reserve}")
  endif()
  if(DEFINED arg_PADDING)
    if(NOT arg_PADDING MATCHES "^[0-9]+[K%]?$")
      message(FATAL_ERROR "relink_patch_ready: PADDING ${arg_PADDING}: expected "
        "bytes, as in 16, or a percentage, as in 5%")
    endif()
    list(APPEND options "LINKER:--function-padding=${arg_PADDING}")
  endif()
  if(DEFINED arg_HOTPATCH)
    if(NOT arg_HOTPATCH MATCHES "^(allow|require|off)$")
      message(FATAL_ERROR "relink_patch_ready: HOTPATCH ${arg_HOTPATCH}: expected "
        "allow, require or off")
    endif()
    list(APPEND options "LINKER:--hotpatch=${arg_HOTPATCH}")
  endif()
  set(${out} "${options}" PARENT_SCOPE)
endfunction()

# Links TARGET with ld.relink, whichever language's compiler links it.
function(_relink_link target languages)
  _relink_linker_options(options)
  get_property(bin GLOBAL PROPERTY RELINK_BIN_DIR)
  get_property(directory GLOBAL PROPERTY RELINK_LINKER_DIR)
  get_target_property(ipo ${target} INTERPROCEDURAL_OPTIMIZATION)
  foreach(language IN LISTS languages)
    _relink_compiler(${language} compiler)
    if(compiler STREQUAL gcc AND ipo)
      message(FATAL_ERROR "relink_patch_ready: ${target} has "
        "INTERPROCEDURAL_OPTIMIZATION, and ld.relink, as ld.lld, can't link gcc's "
        "-flto objects\n"
        ">>> remedy: compile it with clang, or turn the property off")
    endif()
    if(compiler STREQUAL gcc)
      set(linker "-B${directory}" -fuse-ld=lld)
    else()
      set(linker "--ld-path=${bin}/ld.relink")
    endif()
    foreach(flag IN LISTS linker)
      target_link_options(${target} PRIVATE "$<$<LINK_LANGUAGE:${language}>:${flag}>")
    endforeach()
  endforeach()
  target_link_options(${target} PRIVATE ${options})
endfunction()

function(relink_patch_ready target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PADDING;HOTPATCH" "RESERVE")
  if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "relink_patch_ready: not understood: "
      "${arg_UNPARSED_ARGUMENTS}${arg_KEYWORDS_MISSING_VALUES}; expected "
      "relink_patch_ready(TARGET [RESERVE LIST] [PADDING N|N%] "
      "[HOTPATCH allow|require|off])")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "relink_patch_ready: there is no target '${target}'")
  endif()
  get_target_property(alias ${target} ALIASED_TARGET)
  if(alias)
    set(target ${alias})
  endif()
  get_target_property(type ${target} TYPE)
  get_target_property(imported ${target} IMPORTED)
  if(imported OR NOT type MATCHES "^(EXECUTABLE|(SHARED|MODULE|STATIC|OBJECT)_LIBRARY)$")
    message(FATAL_ERROR "relink_patch_ready: nothing is compiled for ${target}\n"
      ">>> remedy: name the targets that have the sources")
  endif()
  set(languages "")
  get_property(enabled GLOBAL PROPERTY ENABLED_LANGUAGES)
  foreach(language IN LISTS enabled)
    if(language MATCHES "^(C|CXX)$")
      list(APPEND languages ${language})
    endif()
  endforeach()
  foreach(language IN LISTS languages)
    _relink_cflags(${language} flags)
    foreach(flag IN LISTS flags)
      target_compile_options(${target} PRIVATE
        "$<$<COMPILE_LANGUAGE:${language}>:${flag}>")
    endforeach()
  endforeach()
  if(type MATCHES "^(EXECUTABLE|(SHARED|MODULE)_LIBRARY)$")
    _relink_link(${target} "${languages}")
  elseif(DEFINED arg_RESERVE OR DEFINED arg_PADDING OR DEFINED arg_HOTPATCH)
    message(FATAL_ERROR "relink_patch_ready: ${target} is not linked: RESERVE, PADDING "
      "and HOTPATCH belong to what it is linked into")
  endif()
endfunction()
