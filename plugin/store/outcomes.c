/* Collects how rows were sent and ended until the transaction is committed. */
#include "store/outcomes.h"

_Static_assert(FW_COUNT_FAILURES == (unsigned)FW_FAILURES, "a counter for each kind of failure");

void fw_outcomes_note_push(struct fw_outcomes *outcomes)
{
	outcomes->pushes++;
	outcomes->any = true;
}

void fw_outcomes_note(
	struct fw_outcomes *outcomes, enum fw_upgrade_state state, enum fw_failure failure)
{
	if (state == FW_UPGRADE_SUCCESS)
		outcomes->success++;
	else if (state == FW_UPGRADE_CANCELED)
		outcomes->canceled++;
	else if (state == FW_UPGRADE_FAILED)
		outcomes->failed[failure]++;
	else
		return;
	outcomes->any = true;
}

void fw_outcomes_note_duration(struct fw_outcomes *outcomes, int64_t ms)
{
	size_t i = 0;

	if (ms < 0)
		return;
	while (fw_counter_took(i) && ms > INT64_C(1000) * fw_counter_took(i))
		i++;
	outcomes->took[i]++;
	outcomes->took_ms += ms;
	outcomes->any = true;
}

void fw_outcomes_count(struct fw_outcomes *outcomes, struct fw_counters *counters)
{
	if (!outcomes->any)
		return;
	fw_count_add(counters, FW_COUNT_PUSHES, outcomes->pushes);
	fw_count_add(counters, FW_COUNT_ENDED_SUCCESS, outcomes->success);
	fw_count_add(counters, FW_COUNT_ENDED_CANCELED, outcomes->canceled);
	for (unsigned i = 0; i < FW_FAILURES; i++)
		fw_count_add(counters, (enum fw_counter)(FW_COUNT_ENDED_FAILED + i),
			outcomes->failed[i]);
	for (unsigned i = 0; i < FW_COUNT_DURATIONS; i++)
		fw_count_add(counters, (enum fw_counter)(FW_COUNT_TOOK + i), outcomes->took[i]);
	fw_count_add(counters, FW_COUNT_TOOK_MS, (uint64_t)outcomes->took_ms);
	*outcomes = (struct fw_outcomes){.any = false};
}
