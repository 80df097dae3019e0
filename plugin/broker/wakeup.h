/* Ends a sleep of the broker's thread that is of no use to anybody.
 *
 * Mosquitto 2.1 runs its ticks before it sleeps in epoll_wait, and sends what they published after
 * it; built with websockets, as Debian's is, it then sleeps for 100 ms whatever the tick asks for
 * (src/mux_epoll.c). A timer of this thread interrupts that sleep with SIGURG, which nobody else is
 * to have: where the signal is taken, nothing is done, and the message waits for the 100 ms. */
#ifndef FW_BROKER_WAKEUP_H
#define FW_BROKER_WAKEUP_H

struct fw_wakeup;

/* Main thread: the one that is to be woken. NULL when it cannot be done. */
struct fw_wakeup *fw_wakeup_new(void);
void fw_wakeup_free(struct fw_wakeup *wakeup); /* NULL is fine */

/* The same thread. Interrupts the system call in which it is in a millisecond, and again every ten
 * until it is over; one that can be restarted is restarted (SA_RESTART), which epoll_wait never is
 * (signal(7)). NULL is fine. */
void fw_wakeup_soon(struct fw_wakeup *wakeup);

/* The same thread: it woke up. Costs nothing when nothing is on its way. NULL is fine. */
void fw_wakeup_over(struct fw_wakeup *wakeup);

#endif
