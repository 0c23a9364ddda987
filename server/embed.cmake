# Turns the project's SQL and its OpenAPI file into C, so that the binary needs no files beside it.
#   MODE=statements: every line "-- name: foo" in ROOT/**/*.sql begins STATEMENT_FOO, a row of statement_table.
#   MODE=files:      migrations/*.sql and api/openapi.yaml become embedded_files.
# Texts are only ever searched and cut here, never treated as CMake lists: ';' and brackets are SQL's to use.
cmake_minimum_required(VERSION 3.25)
set(marker "\n-- name: ")

# The text as a C string literal, one line of it a line. "??" would start a trigraph in older C.
function(c_string text out)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\t" "\\t" text "${text}")
  string(REPLACE "??" "?\\?" text "${text}")
  string(REPLACE "\n" "\\n\"\n   \"" text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()

# Cuts the text before the first marker off rest: what comes before goes to head. Sets found to whether there was one.
macro(cut_at_marker)
  string(FIND "${rest}" "${marker}" at)
  set(head "${rest}")
  set(found FALSE)
  if(at GREATER_EQUAL 0)
    string(LENGTH "${marker}" skip)
    math(EXPR skip "${at} + ${skip}")
    string(SUBSTRING "${rest}" 0 ${at} head)
    string(SUBSTRING "${rest}" ${skip} -1 rest)
    set(found TRUE)
  endif()
endmacro()

# Adds head, a "name\nSQL", to the enum and the table, all in the caller's scope. No argument: a macro's are expanded again.
macro(add_statement)
  string(FIND "${head}" "\n" end)
  string(SUBSTRING "${head}" 0 ${end} name)
  string(STRIP "${name}" name)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$" OR end EQUAL -1)
    message(FATAL_ERROR "${path}: \"-- name: ${name}\" is no name with a statement behind it")
  endif()
  if(DEFINED seen_${name})
    message(FATAL_ERROR "${path}: the statement ${name} is there twice")
  endif()
  set(seen_${name} TRUE)
  string(SUBSTRING "${head}" ${end} -1 sql)
  string(STRIP "${sql}" sql)
  c_string("${sql}" sql)
  string(TOUPPER "${name}" upper)
  string(APPEND enum "  STATEMENT_${upper},\n")
  string(APPEND table "  [STATEMENT_${upper}] = {\"${name}\",\n   ${sql}},\n")
endmacro()

function(write_if_different path text)
  file(WRITE "${path}.new" "${text}")
  file(COPY_FILE "${path}.new" "${path}" ONLY_IF_DIFFERENT)
  file(REMOVE "${path}.new")
endfunction()

function(embed_statements)
  set(enum "")
  set(table "")
  file(GLOB_RECURSE files "${ROOT}/*.sql")
  list(SORT files)
  foreach(path IN LISTS files)
    file(READ "${path}" rest)
    string(REPLACE "\r" "" rest "${rest}")
    set(rest "\n${rest}")
    cut_at_marker() # the file's own opening words
    while(found)
      cut_at_marker()
      add_statement()
    endwhile()
  endforeach()
  write_if_different("${OUT}/statements.h"
"// Generated from server/**/*.sql.
#pragma once
enum statement_id {
${enum}  STATEMENT_COUNT
};
")
  write_if_different("${OUT}/statements.c"
"#include \"db/statement.h\"
#pragma GCC diagnostic ignored \"-Woverlength-strings\"
const struct statement statement_table[STATEMENT_COUNT] = {
${table}};
")
endfunction()

function(embed_files)
  set(data "")
  set(table "")
  file(GLOB files RELATIVE "${ROOT}" "${ROOT}/migrations/*.sql")
  list(SORT files)
  list(APPEND files api/openapi.yaml)
  foreach(path IN LISTS files)
    file(READ "${ROOT}/${path}" hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(MAKE_C_IDENTIFIER "${path}" id)
    string(APPEND data "static const unsigned char ${id}[] = {${bytes}0};\n")
    string(APPEND table "    {\"${path}\", (const char *)${id}, ${size}},\n")
  endforeach()
  write_if_different("${OUT}/embedded.c"
"#include \"db/embedded.h\"
${data}const struct embedded_file embedded_files[] = {
${table}    {0, 0, 0},
};
")
endfunction()

file(MAKE_DIRECTORY "${OUT}")
if(MODE STREQUAL "statements")
  embed_statements()
elseif(MODE STREQUAL "files")
  embed_files()
else()
  message(FATAL_ERROR "MODE is statements or files")
endif()
