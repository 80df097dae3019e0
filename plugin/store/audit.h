/* Logs the texts that an older catalog has and that the rules refuse now: once after the start, a
 * line for each kind, with the statement that mends it. For the store's own files; store thread
 * only. */
#ifndef FW_STORE_AUDIT_H
#define FW_STORE_AUDIT_H

#include "store/transaction.h"

/* Checks each text that is compared byte by byte, or sent to devices, by the triggers of check_text
 * and check_parameters. In an open transaction; changes nothing. FW_OK, or SQLite's error. */
enum fw_status fw_audit(struct fw_transaction *transaction);

#endif
