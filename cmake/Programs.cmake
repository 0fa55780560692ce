# relink_add_program(NAME SOURCES file... [OPTIONS file.td])
#
# Adds the program NAME, linked with relinkcore, to build/bin and to the
# installation. The table FILE.td becomes FILE.inc, on the include path.
function(relink_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "OPTIONS" "SOURCES")
  if(arg_OPTIONS)
    cmake_path(GET arg_OPTIONS STEM table)
    set(LLVM_TARGET_DEFINITIONS ${arg_OPTIONS})
    tablegen(LLVM ${table}.inc -gen-opt-parser-defs)
    list(APPEND arg_SOURCES ${CMAKE_CURRENT_BINARY_DIR}/${table}.inc)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE relinkcore)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set_property(GLOBAL APPEND PROPERTY RELINK_PROGRAMS ${name})
endfunction()
