/* Answers as people read them. What devices and operators wrote is shown harmless: a question mark
 * for each character that a terminal would obey. */
#ifndef FW_CTRL_RENDER_H
#define FW_CTRL_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "base/fw.h"

/* Items as a table: a row each, with these members (with a space between). NULL: those of the first
 * item. */
void fw_ctrl_show_items(FILE *out, const char *columns, const json_t *items);

/* One thing: a line each member that is there, and a table each array of objects. NULL: all. */
void fw_ctrl_show_record(FILE *out, const char *columns, const json_t *data);

/* A value of this member as a line of text, malloc'd: times in this machine's zone, yes and no, "-"
 * for none. NULL without memory. */
char *fw_ctrl_cell(const char *member, const json_t *value);

/* "WAITS FOR" of waitsFor, or "waits for". */
void fw_ctrl_heading(const char *member, size_t len, bool upper, char *text, size_t size);

/* How many columns of a terminal the text takes. */
size_t fw_ctrl_width(const char *text);

/* Cuts the text at so many columns. */
void fw_ctrl_cut(char *text, size_t columns);

#endif
