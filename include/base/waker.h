/* How another thread calls the broker's thread, which may be asleep. */
#ifndef FW_BASE_WAKER_H
#define FW_BASE_WAKER_H

/* Zeroed: the broker's thread cannot be called, and looks by itself now and then. */
struct fw_waker {
	void (*wake)(void *context);
	void *context; /* borrowed for as long as anybody calls */
};

/* Any thread, after it has left what the broker's thread is to find. */
static inline void fw_wake(struct fw_waker waker)
{
	if (waker.wake)
		waker.wake(waker.context);
}

#endif
