/* Short words for the rows of tables of members. Included last, by sources alone. */
#ifndef FW_CONTROL_MEMBER_ROWS_H
#define FW_CONTROL_MEMBER_ROWS_H

#define TEXT FW_MEMBER_TEXT
#define INTEGER FW_MEMBER_INTEGER
#define BOOLEAN FW_MEMBER_BOOLEAN

/* It is answered, and nobody gives it. */
#define SHOWN(name, column, type, help)                                                            \
	{                                                                                          \
		name, column, type, FW_USE_ANSWER, 0, 0, 0, NULL, help                             \
	}

#endif
