/* A filter of system calls, as a unit with SystemCallFilter=~@resources has it, for hardened.bats:
 *
 *   filter kill COMMAND [ARGUMENT...]    who calls one of them is ended
 *   filter EPERM COMMAND [ARGUMENT...]   is told EPERM (SystemCallErrorNumber=EPERM)
 *
 * The calls are those that `systemd-analyze syscall-filter @resources` lists. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned calls[] = {
#ifdef SYS_nice
	SYS_nice,
#endif
#ifdef SYS_setrlimit
	SYS_setrlimit,
#endif
#ifdef SYS_set_mempolicy_home_node
	SYS_set_mempolicy_home_node,
#endif
	SYS_ioprio_set, SYS_mbind, SYS_migrate_pages, SYS_move_pages, SYS_sched_setaffinity,
	SYS_sched_setattr, SYS_sched_setparam, SYS_sched_setscheduler, SYS_set_mempolicy,
	SYS_setpriority};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static int forbid(unsigned action)
{
	struct sock_filter code[2 * CALLS + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {.len = 2 * CALLS + 2};

	for (size_t i = 0; i < CALLS; i++) {
		code[2 * i + 1] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
		code[2 * i + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	code[2 * CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.filter = code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (forbid(strcmp(argv[1], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS
						: SECCOMP_RET_ERRNO | EPERM) != 0) {
		perror("the filter");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 2;
}
