/* Asks for a password. The terminal does not show it, and has its old settings when this ends, also
 * by a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctrl/login.h"

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

/* Reads a line of standard input, without its end. Not by stdio: a signal must end it. */
static bool read_line(char *text, size_t size)
{
	size_t len = 0;
	ssize_t got;
	char letter;

	while ((got = read(STDIN_FILENO, &letter, 1)) == 1 && letter != '\n') {
		if (len + 1 < size)
			text[len++] = letter;
	}
	if (len && text[len - 1] == '\r')
		len--;
	text[len] = '\0';
	return got == 1 || (got == 0 && len);
}

/* A signal that ends the process is raised again when the terminal has its old settings. */
static bool read_unseen(char *text, size_t size)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction before[5], action = {.sa_handler = catch};
	struct termios shown, hidden;
	bool done;

	if (tcgetattr(STDIN_FILENO, &shown) != 0)
		return read_line(text, size);
	caught = 0;
	for (size_t i = 0; i < 5; i++)
		sigaction(signals[i], &action, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ECHONL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	done = read_line(text, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	for (size_t i = 0; i < 5; i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught)
		raise(caught);
	return done && !caught;
}

bool fw_ctrl_ask_password(const char *user, char *text, size_t size, struct fw_error *error)
{
	if (isatty(STDIN_FILENO)) {
		char name[128];

		snprintf(name, sizeof(name), "%s", user);
		fw_make_line(name);
		fprintf(stderr, "Password for %s: ", name);
		fflush(stderr);
	}
	if (read_unseen(text, size))
		return true;
	fw_error_set(error, "no password: type it, give it with -P, or as a line of the input");
	return false;
}
