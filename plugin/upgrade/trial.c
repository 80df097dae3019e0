/* Shares are compared by products of integers, so that nothing is rounded. */
#include "upgrade/trial.h"

int64_t fw_trial_patience_ms(int64_t lost_ms, int64_t absence_ms)
{
	return lost_ms > 0 && absence_ms > lost_ms / 2 ? absence_ms * 2 : lost_ms;
}

int64_t fw_trial_lookback_ms(int64_t lost_ms, int64_t trial_ms)
{
	return lost_ms + trial_ms;
}

bool fw_trial_is_remarkable(int64_t lost, int64_t started, int64_t away, int64_t idle)
{
	/* lost / started >= FW_TRIAL_REMARKABLE * away / idle */
	return idle < FW_TRIAL_CONTROL_MIN || lost * idle >= FW_TRIAL_REMARKABLE * away * started;
}
