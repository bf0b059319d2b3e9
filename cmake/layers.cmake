# Who may see whom. A folder's library or program names the folders that it sees; those have to be declared before
# it, so an arrow back up, or a circle, is an error here. tools/check_layers holds the same list against the includes
# and the READMEs.
set_property(GLOBAL PROPERTY FERRY_LAYERS "")
get_filename_component(FERRY_TOP ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

# The folder that is described, from the top: the current one, or one below it.
function(ferry_folder out below)
  file(RELATIVE_PATH folder ${FERRY_TOP} ${CMAKE_CURRENT_SOURCE_DIR})
  if(below)
    string(APPEND folder "/${below}")
  endif()
  set(${out} ${folder} PARENT_SCOPE)
endfunction()

# The targets of these folders, and a line of the list: "FOLDER: SEEN SEEN …".
function(ferry_targets_seen out folder)
  set(targets ferry_options)
  foreach(seen ${ARGN})
    get_property(target GLOBAL PROPERTY "FERRY_TARGET_${seen}")
    if(NOT target)
      message(FATAL_ERROR "${folder} sees ${seen}, which stands above it or is not there")
    endif()
    list(APPEND targets ${target})
  endforeach()
  string(JOIN " " line ${ARGN})
  set_property(GLOBAL APPEND PROPERTY FERRY_LAYERS "${folder}: ${line}")
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

# ferry_library(NAME [INTERFACE | OBJECT] [BELOW FOLDER] [APART] SOURCES … SEES FOLDER… [LIBS …] [PRIVATE_LIBS …]):
# the library ferry_NAME of this folder, or of one below it. LIBS are from elsewhere. APART: a second library of a
# folder, for what not everybody who sees the folder should link.
function(ferry_library name)
  cmake_parse_arguments(L "INTERFACE;OBJECT;APART" "BELOW" "SOURCES;SEES;LIBS;PRIVATE_LIBS" ${ARGN})
  ferry_folder(folder "${L_BELOW}")
  ferry_targets_seen(seen ${folder} ${L_SEES})
  # Symbols that stand in front of a shared library's must come from the program itself, not from an archive.
  list(REMOVE_ITEM seen ferry_sim_seam)
  if(L_INTERFACE)
    add_library(ferry_${name} INTERFACE)
    target_link_libraries(ferry_${name} INTERFACE ${seen} ${L_LIBS})
  else()
    set(kind STATIC)
    if(L_OBJECT)
      set(kind OBJECT)
    endif()
    add_library(ferry_${name} ${kind} ${L_SOURCES})
    target_link_libraries(ferry_${name} PUBLIC ${seen} ${L_LIBS} PRIVATE ${L_PRIVATE_LIBS})
    # The simulated machine is a shared object too, with what it sees.
    set_target_properties(ferry_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  endif()
  if(NOT L_APART)
    set_property(GLOBAL PROPERTY "FERRY_TARGET_${folder}" ferry_${name})
  endif()
endfunction()

# ferry_program(NAME SOURCES … SEES FOLDER… [LIBS …])
function(ferry_program name)
  cmake_parse_arguments(P "" "" "SOURCES;SEES;LIBS" ${ARGN})
  ferry_folder(folder "")
  ferry_targets_seen(seen ${folder} ${P_SEES})
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE ${seen} ${P_LIBS})
endfunction()

# For tools/check_layers.
function(ferry_write_layers)
  get_property(lines GLOBAL PROPERTY FERRY_LAYERS)
  string(JOIN "\n" text ${lines})
  file(WRITE ${CMAKE_BINARY_DIR}/layers "${text}\n")
endfunction()

# ferry_compile_alone(FILE…): files whose own names, unseen from outside, some neighbour has too. The others of a target
# are compiled several at once in the sanitizers' builds, which so take a third of the time.
function(ferry_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
