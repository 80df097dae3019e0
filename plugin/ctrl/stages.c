/* Reads the stages of a task as people write them: UNTIL[/SUCCESS][+HOLD][:pause], with commas
 * between.
 *
 *   1/95+2h,10:pause,100   1 % of the devices; goes on when 95 % of them are proved and that held
 *                          for two hours; then until 10 %; then it waits for a person; then all
 *   5dev,100               5 devices, then all
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctrl/values.h"

#define STAGE_MAX 64u /* bytes of a stage as it is written */

/* Sets `name` to a number; the value is stolen. */
static bool set(json_t *stage, const char *name, json_t *value)
{
	return json_object_set_new(stage, name, value) == 0;
}

/* "10", "0.1", "10%", "5dev" */
static bool read_until(json_t *stage, const char *text)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || strspn(text, "0123456789.") != (size_t)(end - text))
		return false;
	if (strcmp(end, "dev") == 0)
		return number >= 1 && number <= INT32_MAX && !memchr(text, '.', strlen(text)) &&
			set(stage, "untilCount", json_integer((json_int_t)number));
	if ((*end && strcmp(end, "%") != 0) || number > INT32_MAX)
		return false;
	if (number == (double)(json_int_t)number)
		return set(stage, "untilPercent", json_integer((json_int_t)number));
	return set(stage, "untilPercent", json_real(number));
}

static bool read_success(json_t *stage, const char *text)
{
	int64_t number;

	/* a number without a unit */
	return strspn(text, "0123456789") == strlen(text) && fw_ctrl_duration(text, 1, &number) &&
		set(stage, "successPercent", json_integer(number));
}

static bool read_hold(json_t *stage, const char *text)
{
	int64_t seconds;

	return fw_ctrl_duration(text, 1, &seconds) &&
		set(stage, "holdSeconds", json_integer(seconds));
}

/* Cuts the text off at the last `mark`. Returns what was behind it, or NULL. */
static char *cut(char *text, char mark)
{
	char *at = strrchr(text, mark);

	if (at)
		*at++ = '\0';
	return at;
}

static bool read_stage(json_t *stage, char *text)
{
	const char *behind = cut(text, ':');

	if (behind &&
		(strcmp(behind, "pause") != 0 || !set(stage, "onSuccess", json_string("pause"))))
		return false;
	behind = cut(text, '+');
	if (behind && !read_hold(stage, behind))
		return false;
	behind = cut(text, '/');
	return (!behind || read_success(stage, behind)) && read_until(stage, text);
}

json_t *fw_ctrl_stages(const char *text, struct fw_error *error)
{
	json_t *stages = json_array();

	for (bool more = true; more;) {
		size_t len = strcspn(text, ",");
		char one[STAGE_MAX];
		json_t *stage = json_object();

		snprintf(one, sizeof(one), "%.*s", (int)(len < STAGE_MAX ? len : STAGE_MAX), text);
		if (len >= STAGE_MAX || !stage || !read_stage(stage, one) ||
			json_array_append(stages, stage) != 0) {
			fw_error_set(error,
				"a stage is UNTIL[/SUCCESS][+HOLD][:pause], such as 1, 0.1/95+2h, "
				"5dev or 10:pause");
			json_decref(stage);
			json_decref(stages);
			return NULL;
		}
		json_decref(stage);
		more = text[len] == ',';
		text += len + more;
	}
	return stages;
}
