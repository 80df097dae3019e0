/* The SQL of schema/, embedded at build time (plugin/embed.cmake), sorted by file name. */
#ifndef FW_CATALOG_SCHEMA_DATA_H
#define FW_CATALOG_SCHEMA_DATA_H

struct fw_schema_file {
	const char *name; /* such as "0001_catalog.sql"; the last entry has NULL */
	const char *sql;
};

extern const struct fw_schema_file fw_schema_files[];

#endif
