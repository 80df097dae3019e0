/* Characters that nobody sees: texts that look alike and are not. Pure; any thread. Nothing here allocates.
 *
 * The list is that of trigger check_text_insert in schema/triggers.sql: blanks other than the plain one, what has no width, and what
 * turns the direction of writing (Unicode's White_Space, Default_Ignorable_Code_Point and Bidi_Control). */
#ifndef FW_VISIBLE_H
#define FW_VISIBLE_H

#include "fw.h"

/* UTF-8 without control characters (C0, DEL, C1) and without characters that nobody sees? A plain blank is fine. */
bool fw_visible(struct fw_slice text);

/* `text` without the blanks, control characters and unseen characters at its ends. Borrowed from it. Bytes that are no UTF-8 stay. */
struct fw_slice fw_visible_trim(struct fw_slice text);

#endif
