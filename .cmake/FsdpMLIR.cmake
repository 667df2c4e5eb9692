# Finds MLIR and LLVM 19 and defines the helpers that the compiler's folders use.
find_package(MLIR REQUIRED CONFIG PATHS /usr/lib/llvm-19/lib/cmake/mlir)
if(NOT MLIR_VERSION VERSION_GREATER_EQUAL 19 OR MLIR_VERSION VERSION_GREATER_EQUAL 20)
  message(FATAL_ERROR "found MLIR ${MLIR_VERSION}, expected 19: set MLIR_DIR")
endif()
find_package(LLVM REQUIRED CONFIG HINTS ${LLVM_DIR})
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${PROJECT_BINARY_DIR})
add_definitions(${LLVM_DEFINITIONS})

# fsdp_tablegen(<target> <file.td> <generator> <output> ...): headers from one
# .td file; paths include the source root, so a .td includes "dialects/...".
function(fsdp_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(LLVM_TARGET_DEPENDS "")
  file(GLOB_RECURSE LLVM_TARGET_DEPENDS ${PROJECT_SOURCE_DIR}/dialects/*.td)
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest output generator)
    string(REPLACE "," ";" generator "${generator}")
    mlir_tablegen(${output} ${generator} -I${PROJECT_SOURCE_DIR})
  endwhile()
  add_public_tablegen_target(${target})
endfunction()

# fsdp_library(<name> SOURCES ... DEPENDS ... LINK ...): static library of the
# compiler. All of MLIR and LLVM is one shared library each.
function(fsdp_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -fno-rtti -Wall -Wextra
                         -Wno-unused-parameter)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
endfunction()

# fsdp_tool(<name> SOURCES ... LINK ...)
function(fsdp_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -fno-rtti -Wall -Wextra
                         -Wno-unused-parameter)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
endfunction()
