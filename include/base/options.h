/* The plugin's options (plugin/doc/operate.md, "Options"). Parsed on the broker's thread before the
 * others start; read-only afterwards, so any thread may ask. */
#ifndef FW_BASE_OPTIONS_H
#define FW_BASE_OPTIONS_H

#include "base/fw.h"

/* Who may speak for a device. */
enum fw_identity {
	FW_IDENTITY_CLIENTID, /* the client whose id is the device id */
	FW_IDENTITY_USERNAME, /* the client whose user name is the device id */
	FW_IDENTITY_NONE,     /* anyone */
};

/* For which products a device is served. */
enum fw_registration_mode {
	/* the one that its id was first heard for, and those that operators added it to */
	FW_REGISTRATION_ONCE,
	FW_REGISTRATION_CLOSED, /* those that operators added it to */
	FW_REGISTRATION_OPEN,   /* any */
};

struct fw_options {
	char *db_file;
	char *files_dir;
	enum fw_identity identity;
	/* NULL-terminated lists of user names; NULL for none */
	char **operators, **admins, **admin_viewers;
	char *http_listen;       /* NULL: off */
	char *metrics_listen;    /* NULL: off */
	char *url_base;          /* NULL: none can be made */
	int64_t url_ttl_seconds; /* 0: plain URLs */
	char *url_secret_file;
	int64_t chunk_max_bytes;
	int64_t connection_rate;  /* a second: pushes to one connection, task events; 0: no limit */
	int64_t chunk_rate_total; /* bytes a second of all devices together */
	bool read_from_device;
	bool sync_full;
	int64_t sync_interval_ms;
	int64_t log_retention_days; /* 0: keep all */
	enum fw_registration_mode registration;
	int64_t device_rate_per_minute; /* 0: no limit */
	/* address:port or unix:path; NULL: off */
	char *admin_listen;
	char *admin_password_file, *admin_certfile, *admin_keyfile; /* NULL: none */
	char **admin_hosts; /* NULL-terminated; NULL: none */
	bool admin_behind_proxy;
	int64_t admin_upload_max_bytes;
};

/* One line of the configuration: the key is without "plugin_opt_". Borrowed. What nobody sees at
 * the ends of a value (blanks, carriage returns: base/text.h) is cut off. */
struct fw_option_line {
	const char *key;
	const char *value;
};

/* Fills *out from `count` lines and the defaults. FW_OK; FW_INVALID with one line in `error` that
 * says what to change; FW_NOMEM. fw_options_clear is due in every case. */
enum fw_status fw_options_parse(const struct fw_option_line *lines, size_t count,
	struct fw_options *out, struct fw_error *error);

void fw_options_clear(struct fw_options *out);

/* Can this process write the catalog, and make files beside it? FW_OK; FW_INVALID with one line in
 * `error` that says what to change; FW_NOMEM. */
enum fw_status fw_options_check_db_file(const struct fw_options *opts, struct fw_error *error);

/* What a user may do; the name NULL (anonymous) may nothing. An operator publishes every firmware
 * topic, an admin reads and changes the catalog by the control plane, a viewer reads by it. */
bool fw_options_is_operator(const struct fw_options *options, const char *username);
bool fw_options_is_admin(const struct fw_options *options, const char *username);
bool fw_options_is_viewer(const struct fw_options *options, const char *username);
/* May anybody use the control plane? */
bool fw_options_have_admins(const struct fw_options *options);

#endif
