/* Reading any JSON object (RFC 8259) without building a tree: all of it is checked, and only the
 * members that somebody asks for are returned. Takes what protocol/json_scan.h leaves. Allocates
 * nothing; any thread.
 *
 * A tree costs some 100 ns a value: 8 KiB of values would take the broker's thread for as long as a
 * hundred messages on another topic. */
#ifndef FW_PROTOCOL_JSON_OBJECT_H
#define FW_PROTOCOL_JSON_OBJECT_H

#include "base/fw.h"
#include "protocol/json_scan.h"

/* Reads `text`, at most FW_PAYLOAD_MAX bytes without NUL. Refused are, beside what is no JSON: an
 * object that gives a member twice, at any depth; a name with a NUL in it; text that is not UTF-8;
 * more than FW_DEPTH_MAX brackets around a value. The object's own members whose name `is_wanted`
 * knows are written to `members`, at most FW_JSON_MEMBERS.
 * Slices are borrowed from `text`, or from `room` (text.len bytes) when there are escapes in it.
 * FW_OK with the number of members in *count, or FW_INVALID with *why set to a sentence for the
 * sender (static text). */
enum fw_status fw_json_object_read(struct fw_slice text, bool (*is_wanted)(struct fw_slice name),
	char *room, struct fw_json_scan members[FW_JSON_MEMBERS], size_t *count, const char **why);

/* The double that an FW_JSON_REAL of fw_json_object_read stands for; infinite when it is too large
 * for one. */
double fw_json_object_real(struct fw_slice number);

#endif
