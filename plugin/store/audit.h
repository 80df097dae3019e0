/* What the catalog's rules refuse now, and an older catalog has: told once at the start, a line a
 * kind, with what mends it. For the store's own files; store thread only. */
#ifndef FW_STORE_AUDIT_H
#define FW_STORE_AUDIT_H

#include "store/transaction.h"

/* Tries each text that is matched letter by letter, or told to devices, on the triggers of
 * check_text and check_parameters. In an open transaction; changes nothing. FW_OK, or what SQLite
 * answers else. */
enum fw_status fw_audit(struct fw_transaction *transaction);

#endif
