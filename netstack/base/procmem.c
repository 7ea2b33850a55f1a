// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /proc/self/smaps_rollup asks for no more than to be opened by the process
 * itself (__ptrace_may_access() lets a process look at itself, dumpable or
 * not), and stays readable when / is gone. It remembers whose memory it shows:
 * a descriptor from before a fork shows the parent's. Each reading from offset
 * 0 is a new one. A kernel without CONFIG_PROC_PAGE_MONITOR has only statm,
 * which doesn't tell what is private.
 */
#include "netstack/base/procmem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int procmem_open(void)
{
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

/* The number behind @key, in kB there, in bytes here. */
static uint64_t value_of(const char *text, const char *key)
{
	const char *p = strstr(text, key);
	uint64_t kb;

	if (!p || sscanf(p + strlen(key), "%" SCNu64, &kb) != 1)
		return PROCMEM_UNKNOWN;
	return kb * 1024;
}

struct procmem procmem_read(int fd)
{
	struct procmem m = { PROCMEM_UNKNOWN, PROCMEM_UNKNOWN };
	uint64_t clean, dirty, pages;
	char text[2048];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return m;
	text[n] = '\0';
	if (sscanf(text, "%*u %" SCNu64 " %*u", &pages) == 1 &&
	    !strstr(text, "Rss:")) {
		m.rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
		return m;
	}
	m.rss_bytes = value_of(text, "\nRss:");
	clean = value_of(text, "\nPrivate_Clean:");
	dirty = value_of(text, "\nPrivate_Dirty:");
	if (clean != PROCMEM_UNKNOWN && dirty != PROCMEM_UNKNOWN)
		m.private_bytes = clean + dirty;
	return m;
}
