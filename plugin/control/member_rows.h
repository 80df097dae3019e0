/* Short words for the rows of tables of members. Included last, by sources alone. */
#ifndef FW_CONTROL_MEMBER_ROWS_H
#define FW_CONTROL_MEMBER_ROWS_H

#define TEXT FW_MEMBER_TEXT
#define INTEGER FW_MEMBER_INTEGER
#define BOOLEAN FW_MEMBER_BOOLEAN

/* A member of answers. */
#define SHOWN(name, column, type, help)                                                            \
	{                                                                                          \
		name, column, type, FW_USE_ANSWER, 0, 0, 0, NULL, help                             \
	}

/* A member of answers, by which a list is filtered. */
#define FILTERED(name, column, type, help)                                                         \
	{                                                                                          \
		name, column, type, FW_USE_FILTER | FW_USE_ANSWER, 0, 0, 0, NULL, help             \
	}

#endif
