# What `cpack -G DEB` makes of what is installed: one package for the plugin and what belongs to it. Included at the end of
# CMakeLists.txt, when all is known that is installed; a target that is installed later only has to stand above that line.
set(packaging ${CMAKE_CURRENT_LIST_DIR})
set(staging ${CMAKE_CURRENT_BINARY_DIR}/packaging)
set(FW_PACKAGE_VERSION ${PROJECT_VERSION} CACHE STRING "version of the package, if not the project's")

# Times in packages are those of the source: plugin/release says which.
string(TIMESTAMP FW_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
string(TIMESTAMP FW_PACKAGE_DAY "%Y-%m-%d" UTC)
set(FW_PLUGIN_PATH ${CMAKE_INSTALL_PREFIX}/${FW_PLUGIN_DIR}/mosquitto_firmware.so)

configure_file(${packaging}/firmware.conf.in ${staging}/firmware.conf @ONLY)
configure_file(${packaging}/mosquitto-firmware.7.in ${staging}/mosquitto-firmware.7 @ONLY)
configure_file(${packaging}/changelog.in ${staging}/changelog @ONLY)
find_program(GZIP gzip REQUIRED)
foreach(text changelog mosquitto-firmware.7)
  execute_process(COMMAND ${GZIP} -9nkf ${staging}/${text} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "cannot compress ${staging}/${text}")
  endif()
endforeach()
install(FILES ${staging}/mosquitto-firmware.7.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES ${staging}/changelog.gz ${packaging}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Off until it is linked into conf.d: firmware.conf tells how. One that is there was edited: a package leaves it to dpkg, and
# `cmake --install` leaves it alone.
set(conf ${CMAKE_INSTALL_FULL_SYSCONFDIR}/mosquitto)
install(CODE "
  if(NOT EXISTS \"\$ENV{DESTDIR}${conf}/firmware.conf\")
    file(INSTALL DESTINATION \"${conf}\" TYPE FILE FILES \"${staging}/firmware.conf\")
  endif()")
install(FILES ${packaging}/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME mosquitto-firmware)

set(CPACK_PACKAGE_NAME mosquitto-firmware)
set(CPACK_PACKAGE_VERSION ${FW_PACKAGE_VERSION})
set(CPACK_PACKAGE_CONTACT "mosquitto-firmware maintainers <maintainers@mosquitto-firmware.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "firmware upgrades (OTA) by the Mosquitto broker")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "A plugin that turns a stock Mosquitto broker into a firmware upgrade server:\ndevices ask for firmware, are sent firmware, and tell their progress over\nMQTT. It is administered by SQL in one SQLite file, the catalog.\n.\nThe plugin is off until its configuration is linked into conf.d, see\nmosquitto-firmware(7).")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "mosquitto (>= 2.0.11), debconf (>= 0.5) | debconf-2.0")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "sqlite3 (>= 3.37)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "mosquitto-clients")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/conffiles ${packaging}/config ${packaging}/postinst ${packaging}/prerm ${packaging}/postrm
  ${packaging}/templates)
include(CPack)
