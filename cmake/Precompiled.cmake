# relink_precompile(TARGET): compiles the headers that most files include once for
# the target, which saves a quarter of its time. Each file includes what it uses all
# the same; a build with CMAKE_DISABLE_PRECOMPILE_HEADERS shows where one does not.
# ccache needs sloppiness=pch_defines,time_macros with it.
function(relink_precompile target)
  target_precompile_headers(${target} PRIVATE
    <llvm/ADT/DenseMap.h> <llvm/ADT/STLExtras.h> <llvm/ADT/StringExtras.h>
    <llvm/ADT/StringMap.h> <llvm/Object/ELF.h> <llvm/Support/Endian.h>
    <llvm/Support/FileSystem.h> <llvm/Support/JSON.h> <llvm/Support/MathExtras.h>
    <llvm/Support/MemoryBuffer.h> <llvm/Support/Path.h> <map> <optional> <vector>)
endfunction()
