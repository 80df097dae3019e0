/* Which kinds of failure are retried, and after how long. */
#include "upgrade/retry.h"

/* A quarter of the delay for the highest turn. */
#define TURN_PARTS (4 * (int64_t)FW_RETRY_TURN_MAX)

bool fw_retry_covers(const struct fw_retry *retry, enum fw_failure failure, bool said_retry)
{
	switch (failure) {
	case FW_FAILURE_RESPONSE:
	case FW_FAILURE_TIMEOUT:
	case FW_FAILURE_LOST:
	case FW_FAILURE_INTERRUPTED:
		return true;
	case FW_FAILURE_DEVICE:
		return retry->any || said_retry;
	case FW_FAILURE_VERSION:
		return retry->any;
	case FW_FAILURE_NONE:
	case FW_FAILURE_REVERTED:
	case FW_FAILURE_REFUSED:
	case FW_FAILURES:
		break;
	}
	return false;
}

bool fw_retry_is_due(
	const struct fw_retry *retry, enum fw_failure failure, bool said_retry, int64_t retries)
{
	return retries < retry->limit && fw_retry_covers(retry, failure, said_retry);
}

static int64_t between(int64_t value, int64_t low, int64_t high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

int64_t fw_retry_delay_ms(const struct fw_retry *retry, int64_t number, int64_t turn)
{
	int64_t delay = retry->delay_ms;

	for (; number > 1 && delay < FW_RETRY_DELAY_MAX_MS; number--)
		delay = between(delay * 2, 1, FW_RETRY_DELAY_MAX_MS);
	return delay + delay * between(turn, 0, FW_RETRY_TURN_MAX) / TURN_PARTS;
}

bool fw_retry_may_defer(int64_t defer_ms, int64_t told, int64_t now, int64_t *until)
{
	*until = defer_ms < 0 ? -1 : told + defer_ms;
	return defer_ms < 0 || now < *until;
}
