/* The places that starts of upgrades take before the catalog shows them. The broker's thread
 * answers pulls, the store's thread sends pushes. Both count against the stage, the cap and the
 * rate of one task, so each must see what the other has started.
 *
 * A pull holds its place from its answer until the store has committed its uplink; after a kill the
 * spool still has the uplink, and the place is noted again. A device that pulls again meanwhile
 * holds one place until all its uplinks are committed. A push holds its place until its transaction
 * ends. So the places and the counts of the catalog together are never too low. For a moment they
 * can be too high; a device that is refused then is tried again.
 *
 * Locked inside; any thread unless said otherwise. */
#ifndef FW_UPGRADE_PLACES_H
#define FW_UPGRADE_PLACES_H

#include "base/fw.h"
#include "upgrade/start_rate.h"

struct fw_places;

/* `steady_ms`: now, on the clock of the scheduler. NULL when out of memory. */
struct fw_places *fw_places_new(int64_t steady_ms);
void fw_places_free(struct fw_places *places); /* NULL is fine */

/* What is held beside the catalog's counts while a start is judged. */
struct fw_places_held {
	int64_t pulls;              /* of the task: answered, and not in the catalog yet */
	int64_t pushes;             /* of the task: in a transaction that is not committed */
	bool wall_behind;           /* as fw_places_note_wall has set it */
	struct fw_start_rate *rate; /* the task's bucket; a start takes its token here */
};

/* Decides whether a start may take its place. Called with the lock held, so it must be short. FW_OK
 * takes the place; FW_NOT_FOUND does not; any other status is an error. */
typedef enum fw_status fw_places_judge(void *context, const struct fw_places_held *held);

/* Broker thread. The device's pull wants to start its row of the task. FW_OK: it holds a place now,
 * or held one before by an earlier pull, which the judge is not asked about. For each FW_OK either
 * an uplink follows, or fw_places_give_back. FW_NOT_FOUND: not now. FW_BUSY: the store holds the
 * lock; ask again in a moment. FW_NOMEM, or the judge's error. */
enum fw_status fw_places_take_for_pull(struct fw_places *places, struct fw_slice task_id,
	struct fw_slice device, fw_places_judge *judge, void *context);

/* Broker thread. The pull was not answered with the task's firmware after all, so it leaves no
 * uplink. The place stays the device's while an uplink of an earlier pull waits. At most once for
 * each FW_OK of the take, and before the next take. Waits for no lock. */
void fw_places_give_back(struct fw_places *places, struct fw_slice task_id, struct fw_slice device);

/* At start, before the store's thread: an uplink that waits in the spool holds a place. FW_OK or
 * FW_NOMEM. */
enum fw_status fw_places_note(
	struct fw_places *places, struct fw_slice task_id, struct fw_slice device);

/* Store thread. A push wants to start a row of the task, in the open transaction. As above, but
 * never FW_BUSY. */
enum fw_status fw_places_take_for_push(
	struct fw_places *places, struct fw_slice task_id, fw_places_judge *judge, void *context);

/* Store thread. The open transaction applied an uplink that holds this place: if it is the last
 * one, the place ends when the transaction is committed. FW_OK or FW_NOMEM. */
enum fw_status fw_places_applied(
	struct fw_places *places, struct fw_slice task_id, struct fw_slice device);

/* Store thread. The transaction has ended, `committed` or rolled back: its pushes hold no place any
 * more. NULL is fine. */
void fw_places_transaction_ended(struct fw_places *places, bool committed);

/* A copy of the task's bucket. */
struct fw_start_rate fw_places_rate(struct fw_places *places, struct fw_slice task_id);

/* Store thread. `behind`: the wall clock is behind what the catalog has seen
 * (fw_rollout_wall_is_behind). */
void fw_places_note_wall(struct fw_places *places, bool behind);

/* Store thread. Was a place given back since the last call? */
bool fw_places_freed(struct fw_places *places);

#endif
