/* Shows answers to people. Of what devices and operators wrote, a question mark stands for each
 * character that a terminal would obey. */
#ifndef FW_CTRL_RENDER_H
#define FW_CTRL_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "base/fw.h"

/* Shows items as a table, a row each. `columns`: the members that are shown, with a space between;
 * NULL: those of the first item. */
void fw_ctrl_show_items(FILE *out, const char *columns, const json_t *items);

/* Shows an object: each member as a line, each array of objects as a table. `columns` as above;
 * NULL: all members. What is null or empty is left out. */
void fw_ctrl_show_record(FILE *out, const char *columns, const json_t *data);

/* A value of this member as a line of text, malloc'd: times in this machine's zone, yes and no, "-"
 * for none. NULL without memory. */
char *fw_ctrl_cell(const char *member, const json_t *value);

/* The heading of the member whose name has `len` bytes, in `text`: "WAITS FOR" of waitsFor, without
 * `upper` "waits for". */
void fw_ctrl_heading(const char *member, size_t len, bool upper, char *text, size_t size);

/* How many columns of a terminal the text takes. */
size_t fw_ctrl_width(const char *text);

/* Shortens the text to so many columns, and ends it with "...". */
void fw_ctrl_cut(char *text, size_t columns);

#endif
