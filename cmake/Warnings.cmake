add_compile_options(-Wall -Wextra -Wcast-qual -Wnon-virtual-dtor
                    -Wno-missing-field-initializers)
if(RELINK_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)
if(RELINK_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer
                      -fno-sanitize=vptr)
  add_link_options(-fsanitize=address,undefined)
endif()
