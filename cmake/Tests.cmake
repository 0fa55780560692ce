# The target `check`, and unit tests where test/unit has sources.

get_property(programs GLOBAL PROPERTY RELINK_PROGRAMS)
set(check_commands "")

file(GLOB unit_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/unit/*.cpp)
if(unit_sources)
  find_package(GTest)
  if(GTest_FOUND)
    add_executable(relink-unit ${unit_sources})
    target_link_libraries(relink-unit PRIVATE relinkcore GTest::gtest GTest::gtest_main)
    list(APPEND programs relink-unit)
    list(APPEND check_commands COMMAND relink-unit)
  else()
    message(STATUS "GoogleTest is absent: no unit tests")
  endif()
endif()

find_program(RELINK_LIT NAMES lit lit-22 HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
find_program(RELINK_LIT NAMES lit-22 lit)
if(RELINK_LIT)
  add_custom_target(check
    ${check_commands}
    COMMAND ${RELINK_LIT} -sv -Dbuild=${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/test
    DEPENDS ${programs}
    USES_TERMINAL VERBATIM)
endif()
