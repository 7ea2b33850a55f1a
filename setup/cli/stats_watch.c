// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A reply can take its time, and ^C must not wait for it: the signal handlers
 * put the terminal back themselves, with what signal-safety(7) allows.
 */
#include "setup/cli/stats_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/mono.h"
#include "setup/cli/control_client.h"

#define INTERVAL_MS 1000
/* of a terminal that doesn't tell its size */
#define COLUMNS 80
#define LINES	24

/* alternate screen, cursor hidden; and back */
static const char enter[] = "\033[?1049h\033[?25l";
static const char leave[] = "\033[?25h\033[?1049l";

/* One screen in a process: signal handlers have no argument. */
static struct termios saved;
static volatile sig_atomic_t has_saved, redraw;

static void screen_on(void)
{
	struct termios t = saved;

	/* a terminal that can't is one we write to all the same */
	if (has_saved) {
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t);
	}
	if (write(STDOUT_FILENO, enter, sizeof(enter) - 1) < 0)
		redraw = 1; /* so will be what follows, and that is checked */
}

static void screen_off(void)
{
	if (has_saved)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (write(STDOUT_FILENO, leave, sizeof(leave) - 1) < 0)
		return; /* the terminal is gone */
}

static void on_end(int sig)
{
	screen_off();
	_exit(sig == SIGINT ? 0 : 128 + sig);
}

static void on_stop(int sig)
{
	int err = errno;

	(void)sig;
	screen_off();
	(void)raise(SIGSTOP);
	screen_on();
	redraw = 1;
	errno = err;
}

static void on_winch(int sig)
{
	(void)sig;
	redraw = 1;
}

static void catch_signals(void)
{
	static const struct {
		int sig;
		void (*fn)(int sig);
	} all[] = { { SIGINT, on_end },	  { SIGTERM, on_end },
		    { SIGHUP, on_end },	  { SIGQUIT, on_end },
		    { SIGTSTP, on_stop }, { SIGWINCH, on_winch } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		/* no SA_RESTART: poll() is to return */
		struct sigaction sa = { .sa_handler = all[i].fn };

		(void)sigfillset(&sa.sa_mask);
		(void)sigaction(all[i].sig, &sa, NULL); /* can't fail */
	}
}

/* @text, cut to the terminal's size, on a screen that is cleared by it. */
static void draw(const char *text)
{
	struct winsize ws = { 0 };
	size_t cols, lines;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws))
		ws.ws_col = ws.ws_row = 0;
	cols = ws.ws_col ? ws.ws_col : COLUMNS;
	lines = ws.ws_row ? ws.ws_row : LINES;
	(void)printf("\033[H");
	for (size_t i = 0; i < lines && *text; i++) {
		size_t len = strcspn(text, "\n");

		(void)printf("%s%.*s\033[K", i ? "\r\n" : "",
			     (int)(len < cols ? len : cols), text);
		text += len + (text[len] == '\n');
	}
	(void)printf("\033[J");
	(void)fflush(stdout);
}

/* Return: the reply as text, owned, or NULL when there is no memory */
static char *as_text(stats_watch_fn print, const json_t *now,
		     const json_t *before, double seconds)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	print(f, now, before, seconds);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Wait for the next turn. Return: false when the user has had enough */
static bool wait_turn(bool screen, const char *text, struct mono until)
{
	struct pollfd in = { screen ? STDIN_FILENO : -1, POLLIN, 0 };

	for (;;) {
		int64_t left = mono_to_ms(mono_sub(until, mono_now()));
		char c;

		if (redraw && screen && text) {
			redraw = 0;
			draw(text);
		}
		if (left <= 0)
			return true;
		if (poll(&in, 1, (int)left) <= 0)
			continue; /* the time is over, or a signal came */
		if (read(STDIN_FILENO, &c, 1) != 1)
			in.fd = -1; /* no keyboard */
		else if (c == 'q')
			return false;
	}
}

static int watch(bool screen, const struct control_peer *peer, const char *verb,
		 stats_watch_fn print)
{
	struct mono at = MONO_ZERO;
	json_t *before = NULL;
	bool more = true;

	while (more) {
		struct mono start = mono_now();
		json_t *now = control_ask(peer, verb);
		double s = (double)mono_sub(start, at).ns / 1e9;
		char *text;

		if (!now) {
			json_decref(before);
			return -EIO;
		}
		at = start;
		text = as_text(print, now, before, s);
		if (screen && text)
			draw(text);
		else if (text)
			(void)fputs(text, stdout);
		json_decref(before);
		before = now;
		/* a reader that has gone: the errors show here */
		if (fflush(stdout) || ferror(stdout))
			more = false;
		else
			more = wait_turn(screen, text,
					 mono_add(start, mono_ms(INTERVAL_MS)));
		free(text);
	}
	json_decref(before);
	return 0;
}

int stats_watch(const struct control_peer *peer, const char *verb,
		stats_watch_fn print, bool screen)
{
	char why[512] = "";
	int rc;

	if (!screen || !isatty(STDOUT_FILENO))
		return watch(false, peer, verb, print);
	has_saved = tcgetattr(STDIN_FILENO, &saved) == 0;
	catch_signals();
	screen_on();
	log_hold(why, sizeof(why));
	rc = watch(true, peer, verb, print);
	log_hold(NULL, 0);
	screen_off();
	if (rc)
		log_error("%s", why);
	return rc;
}
