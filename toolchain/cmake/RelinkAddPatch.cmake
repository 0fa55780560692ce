# relink_add_patch(NAME BASE FILE TARGET TARGET [OUTPUT FILE]
#                  [LIBRARIES TARGET...] [OPTIONS OPTION...])
#
# Part of relink, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Adds a target NAME, which is not part of `all`: it compiles what of TARGET's
# objects is out of date, and patches BASE, a copy of TARGET as it was shipped,
# with those that differ from what BASE was linked from. TARGET itself is not
# linked. The patched program is OUTPUT, or BASE's name with .fixed in the current
# binary directory; where nothing differs it equals BASE, and relink says so.
#
# OPTIONS are relink's. Which objects TARGET is linked from is read from
# build.ninja, and which of them differ is told by the map that ld.relink left in
# BASE, or by Ninja's log (relink --from-ninja).

include_guard()

# The targets of this project that ITEMS, what is given to target_link_libraries,
# and in turn what those link, name. What other generator expressions mean is
# known too late; LIBRARIES is for that.
function(_relink_libraries out items)
  set(found "")
  while(items)
    list(POP_FRONT items item)
    # $<LINK_ONLY:x>, which CMake itself writes, and $<BUILD_INTERFACE:x>
    while(item MATCHES "^[$]<(LINK_ONLY|BUILD_INTERFACE|BUILD_LOCAL_INTERFACE):(.*)>$")
      set(item "${CMAKE_MATCH_2}")
    endwhile()
    if(NOT TARGET "${item}")
      continue()
    endif()
    get_target_property(alias "${item}" ALIASED_TARGET)
    if(alias)
      set(item ${alias})
    endif()
    if(item IN_LIST found)
      continue()
    endif()
    list(APPEND found ${item})
    get_target_property(type ${item} TYPE)
    set(properties INTERFACE_LINK_LIBRARIES)
    if(type STREQUAL STATIC_LIBRARY)
      list(APPEND properties LINK_LIBRARIES)
    endif()
    foreach(property IN LISTS properties)
      get_target_property(more ${item} ${property})
      if(more)
        list(APPEND items ${more})
      endif()
    endforeach()
  endwhile()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# What has to be made before BASE is patched: TARGET's objects, and the static
# and object libraries that it is linked with.
function(_relink_inputs out target libraries)
  set(inputs "$<TARGET_OBJECTS:${target}>")
  get_target_property(items ${target} LINK_LIBRARIES)
  if(NOT items)
    set(items "")
  endif()
  list(APPEND items ${libraries})
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    if(source MATCHES "^[$]<TARGET_OBJECTS:([^>$]+)>$")
      list(APPEND items ${CMAKE_MATCH_1})
    endif()
  endforeach()
  _relink_libraries(found "${items}")
  foreach(library IN LISTS found)
    get_target_property(type ${library} TYPE)
    get_target_property(imported ${library} IMPORTED)
    if(imported)
      continue()
    elseif(type STREQUAL STATIC_LIBRARY)
      list(APPEND inputs "$<TARGET_FILE:${library}>")
    elseif(type STREQUAL OBJECT_LIBRARY)
      list(APPEND inputs "$<TARGET_OBJECTS:${library}>")
    endif()
  endforeach()
  set(${out} "${inputs}" PARENT_SCOPE)
endfunction()

# At the end of the directory, when what TARGET links is known.
function(_relink_define_patch name base target output libraries options)
  _relink_inputs(inputs ${target} "${libraries}")
  cmake_path(GET output FILENAME file)
  get_property(bin GLOBAL PROPERTY RELINK_BIN_DIR)
  add_custom_command(OUTPUT "${output}"
    # A patch of an earlier state must not stay if this one is refused.
    COMMAND "${CMAKE_COMMAND}" -E rm -f "${output}"
    COMMAND "${bin}/relink" --from-ninja "${CMAKE_BINARY_DIR}"
            # By the name that CMake gives it in build.ninja: an expression for its file
            # would link it first, under policy CMP0112 as of old.
            "--ninja-target=${target}"
            "${base}" -o "${output}" ${options}
    DEPENDS "${base}" ${inputs}
    COMMENT "Patching ${file}" VERBATIM)
  add_custom_target(${name} DEPENDS "${output}")
endfunction()

function(relink_add_patch name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BASE;TARGET;OUTPUT" "LIBRARIES;OPTIONS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_BASE OR NOT arg_TARGET)
    message(FATAL_ERROR "relink_add_patch: expected relink_add_patch(NAME BASE FILE "
      "TARGET TARGET [OUTPUT FILE] [LIBRARIES TARGET...] [OPTIONS OPTION...])")
  endif()
  if(NOT CMAKE_GENERATOR STREQUAL Ninja)
    message(FATAL_ERROR "relink_add_patch: the generator is ${CMAKE_GENERATOR}; only "
      "Ninja's files say which objects a program is linked from\n"
      ">>> remedy: configure a new build directory with -G Ninja")
  endif()
  if(NOT TARGET ${arg_TARGET})
    message(FATAL_ERROR "relink_add_patch: there is no target '${arg_TARGET}'")
  endif()
  get_target_property(alias ${arg_TARGET} ALIASED_TARGET)
  if(alias)
    set(arg_TARGET ${alias})
  endif()
  get_target_property(type ${arg_TARGET} TYPE)
  if(NOT type MATCHES "^(EXECUTABLE|(SHARED|MODULE)_LIBRARY)$")
    message(FATAL_ERROR "relink_add_patch: ${arg_TARGET} is of type ${type}; expected "
      "an executable or a shared library")
  endif()
  cmake_path(ABSOLUTE_PATH arg_BASE BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  if(NOT arg_OUTPUT)
    cmake_path(GET arg_BASE FILENAME file)
    set(arg_OUTPUT "${file}.fixed")
  endif()
  cmake_path(ABSOLUTE_PATH arg_OUTPUT BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}" NORMALIZE)
  if(arg_OUTPUT STREQUAL "${CMAKE_CURRENT_BINARY_DIR}/${name}")
    message(FATAL_ERROR "relink_add_patch: the file and the target are both called "
      "${name}\n>>> remedy: another OUTPUT")
  endif()
  # Arguments of a deferred call are evaluated when it is made.
  cmake_language(EVAL CODE "cmake_language(DEFER CALL _relink_define_patch
    [==[${name}]==] [==[${arg_BASE}]==] [==[${arg_TARGET}]==] [==[${arg_OUTPUT}]==]
    [==[${arg_LIBRARIES}]==] [==[${arg_OPTIONS}]==])")
endfunction()
