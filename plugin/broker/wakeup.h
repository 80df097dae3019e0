/* Ends a sleep of the broker's thread that keeps a message from leaving.
 *
 * An idle Mosquitto sleeps for up to 100 ms in epoll_wait, and nothing but traffic wakes it
 * (src/mux_epoll.c). 2.0 runs its ticks after that sleep and sends what they published at once. 2.1
 * runs them before it, so that what they published waits for one more sleep; built with websockets,
 * as Debian's is, it does not ask the tick how long that may be.
 *
 * A timer interrupts the sleep with SIGURG. Where another library handles that signal there is no
 * wakeup, and messages wait for the 100 ms. While there is nothing to send, no timer runs. */
#ifndef FW_BROKER_WAKEUP_H
#define FW_BROKER_WAKEUP_H

struct fw_wakeup;

/* Broker thread: the one that is to be woken. NULL when it cannot be done. */
struct fw_wakeup *fw_wakeup_new(void);
void fw_wakeup_free(struct fw_wakeup *wakeup); /* NULL is fine; nobody may call the others then */

/* Any thread. Interrupts the system call in which the broker's thread is, and again every few
 * milliseconds until fw_wakeup_over, since the thread may just have been on its way to sleep. Calls
 * that can be restarted are (SA_RESTART); epoll_wait never is (signal(7)). NULL is fine. */
void fw_wakeup_now(struct fw_wakeup *wakeup);

/* Broker thread, before it goes to sleep. The same, from a millisecond on. NULL is fine. */
void fw_wakeup_soon(struct fw_wakeup *wakeup);

/* Broker thread: it is awake, and looks for its work after this call. Costs one atomic load when
 * the timer is not armed. NULL is fine. */
void fw_wakeup_over(struct fw_wakeup *wakeup);

#endif
