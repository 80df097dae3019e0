# Writes the files of the list FILES as C into OUT, each compressed by GZIP: see
# plugin/web/page_data.h. Without names and times in the compressed files (-n), so that the same
# files make the same bytes.
list(SORT FILES)
set(types ".html=text/html" ".css=text/css" ".js=text/javascript" ".json=application/json"
  ".svg=image/svg+xml")
set(body "#include \"web/page_data.h\"\n\n")
set(table "")
set(digests "")
set(count 0)
foreach(file IN LISTS FILES)
  file(SHA256 "${file}" digest)
  string(APPEND digests "${digest} ")
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING "${digest}" 0 32 digest)
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  get_filename_component(extension "${file}" LAST_EXT)
  string(REGEX MATCH "\\${extension}=([^;]+)" type "${types}")
  set(type "${CMAKE_MATCH_1}; charset=utf-8")
  execute_process(COMMAND "${GZIP}" -n -9 -c "${file}" OUTPUT_FILE "${OUT}.gz"
    RESULT_VARIABLE failed)
  if(failed OR NOT CMAKE_MATCH_1)
    message(FATAL_ERROR "${file} cannot be embedded")
  endif()
  file(READ "${OUT}.gz" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REPEAT "." 80 line)
  string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
  string(APPEND body "static const unsigned char file_${count}[] = {\n${bytes}};\n\n")
  string(APPEND table "\t{\"/${name}\",\n"
    "\t\t{file_${count}, sizeof(file_${count}), \"${type}\", \"gzip\",\n"
    "\t\t\t\"\\\"${digest}\\\"\"}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(REMOVE "${OUT}.gz")
string(APPEND body "const struct fw_page_file fw_page_data[] = {\n${table}};\n\n"
  "const size_t fw_page_data_count = ${count};\n")
file(WRITE "${OUT}" "${body}")
