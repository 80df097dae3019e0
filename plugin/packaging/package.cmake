# What `cpack -G DEB` makes of what is installed: a package for the plugin and what belongs to it,
# and one for the module of mosquitto_ctrl, which operators have on machines of their own, too.
# Included at the end of CMakeLists.txt, when all is known that is installed; a target that is
# installed later only has to stand above that line.
set(packaging ${CMAKE_CURRENT_LIST_DIR})
set(staging ${CMAKE_CURRENT_BINARY_DIR}/packaging)
set(FW_PACKAGE_VERSION ${PROJECT_VERSION}
  CACHE STRING "version of the package, if not the project's")

# Times in packages are those of the source: plugin/release says which.
string(TIMESTAMP FW_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
string(TIMESTAMP FW_PACKAGE_DAY "%Y-%m-%d" UTC)
set(FW_PLUGIN_PATH ${CMAKE_INSTALL_PREFIX}/${FW_PLUGIN_DIR}/mosquitto_firmware.so)

configure_file(${packaging}/firmware.conf.in ${staging}/firmware.conf @ONLY)
configure_file(${packaging}/mosquitto-firmware.7.in ${staging}/mosquitto-firmware.7 @ONLY)
set(FW_PACKAGE_NAME mosquitto-firmware)
configure_file(${packaging}/changelog.in ${staging}/changelog @ONLY)
set(FW_PACKAGE_NAME mosquitto-ctrl-firmware)
configure_file(${packaging}/changelog.in ${staging}/ctrl/changelog @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/plugin/doc/mosquitto_ctrl_firmware.1
  ${staging}/mosquitto_ctrl_firmware.1 COPYONLY)
find_program(GZIP gzip REQUIRED)
foreach(text changelog ctrl/changelog mosquitto-firmware.7 mosquitto_ctrl_firmware.1)
  execute_process(COMMAND ${GZIP} -9nkf ${staging}/${text} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "cannot compress ${staging}/${text}")
  endif()
endforeach()
install(FILES ${staging}/mosquitto-firmware.7.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES ${staging}/changelog.gz ${packaging}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${staging}/mosquitto_ctrl_firmware.1.gz COMPONENT ctrl
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${staging}/ctrl/changelog.gz ${packaging}/copyright COMPONENT ctrl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/mosquitto-ctrl-firmware)
# Off until it is linked into conf.d: firmware.conf tells how. One that is there was edited: a
# package leaves it to dpkg, and `cmake --install` leaves it alone.
set(conf ${CMAKE_INSTALL_FULL_SYSCONFDIR}/mosquitto)
install(CODE "
  if(NOT EXISTS \"\$ENV{DESTDIR}${conf}/firmware.conf\")
    file(INSTALL DESTINATION \"${conf}\" TYPE FILE FILES \"${staging}/firmware.conf\")
  endif()")
install(FILES ${packaging}/lintian-overrides RENAME mosquitto-firmware
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides)
install(FILES ${packaging}/lintian-overrides-ctrl COMPONENT ctrl RENAME mosquitto-ctrl-firmware
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides)

set(CPACK_PACKAGE_NAME mosquitto-firmware)
set(CPACK_PACKAGE_VERSION ${FW_PACKAGE_VERSION})
set(CPACK_PACKAGE_CONTACT "mosquitto-firmware maintainers <maintainers@mosquitto-firmware.example>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL plugin ctrl)
set(CPACK_COMPONENTS_GROUPING IGNORE)

set(CPACK_DEBIAN_PLUGIN_PACKAGE_NAME mosquitto-firmware)
set(CPACK_DEBIAN_PLUGIN_DESCRIPTION
  "firmware upgrades (OTA) by the Mosquitto broker\nA plugin that turns a stock Mosquitto broker into a firmware upgrade server:\ndevices ask for firmware, are sent firmware, and tell their progress over\nMQTT. It is administered by SQL in one SQLite file, the catalog.\n.\nThe plugin is off until its configuration is linked into conf.d, see\nmosquitto-firmware(7).")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_DEPENDS "mosquitto (>= 2.0.11), debconf (>= 0.5) | debconf-2.0")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_RECOMMENDS "sqlite3 (>= 3.37)")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_SUGGESTS "mosquitto-clients, mosquitto-ctrl-firmware")
set(CPACK_DEBIAN_PLUGIN_PACKAGE_CONTROL_EXTRA ${packaging}/conffiles ${packaging}/config ${packaging}/postinst
  ${packaging}/prerm ${packaging}/postrm ${packaging}/templates)

set(CPACK_DEBIAN_CTRL_PACKAGE_NAME mosquitto-ctrl-firmware)
set(CPACK_DEBIAN_CTRL_DESCRIPTION
  "administer firmware upgrades of a Mosquitto broker\nA module of mosquitto_ctrl, for a broker that has the firmware plugin (package\nmosquitto-firmware), on this machine or another one: products, firmware,\ndevices, tasks and rollouts, by commands for people.")
set(CPACK_DEBIAN_CTRL_PACKAGE_DEPENDS "mosquitto (>= 2.0.11)")
include(CPack)
