// SPDX-License-Identifier: GPL-2.0-or-later
/* See netconf.h. */
#include "setup/net/netconf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"

/*
 * Packets waiting in a TAP: 1,000, the default, loses most of a burst of SYNs.
 * They are charged to nobody, so what they may hold in all is limited, too.
 */
#define TAP_QUEUE_MAX	32768
#define TAP_QUEUE_MIN	1000
#define TAP_QUEUE_BYTES (128U << 20)

int netconf_sysctl(const char *key, const char *value, bool must)
{
	char path[128], now[64];
	size_t len = strlen(value);
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
	rc = fd_write_text(path, value);
	if (!rc)
		return 0;
	/* /proc/sys may be read-only in a container, and right already */
	if (fd_read_text(path, now, sizeof(now)) >= (ssize_t)len &&
	    strncmp(now, value, len) == 0 && now[len] == '\n')
		return 0;
	if (must)
		return log_errno(-rc, "write %s", path);
	log_debug("write %s: %s", path, strerror(-rc));
	return 0;
}

int netconf_dev_sysctl(const char *family, const char *dev, const char *key,
		       const char *value, bool must)
{
	char name[96];

	(void)snprintf(name, sizeof(name), "%s/conf/%s/%s", family, dev, key);
	return netconf_sysctl(name, value, must);
}

uint32_t netconf_tap_queue(uint32_t mtu_bytes)
{
	uint32_t n = TAP_QUEUE_BYTES / (mtu_bytes + 1024);

	return n < TAP_QUEUE_MIN   ? TAP_QUEUE_MIN
	       : n > TAP_QUEUE_MAX ? TAP_QUEUE_MAX
				   : n;
}

static int open_tun(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return log_errno(
			errno,
			"/dev/net/tun: can't be opened by this user (sudo chmod 666 /dev/net/tun)");
	if (errno == ENOENT || errno == ENODEV)
		return log_errno(
			errno,
			"/dev/net/tun: this kernel or container has no TAP device (sudo modprobe tun)");
	return log_errno(errno, "open /dev/net/tun");
}

/* Return: 0 or -errno, not logged */
static int attach(int fd, const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags =
				     (short)(IFF_TAP | IFF_NO_PI | flags) };

	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	return ioctl(fd, TUNSETIFF, &ifr) ? -errno : 0;
}

/* Whoever had it before us may have promised it big packets. */
static int no_offload(int fd, const char *name)
{
	if (ioctl(fd, TUNSETOFFLOAD, 0))
		return log_errno(errno, "TAP device %s: TUNSETOFFLOAD", name);
	return 0;
}

static int attach_alone(const char *name)
{
	scoped_fd fd = open_tun();
	int rc;

	if (fd < 0)
		return fd;
	rc = attach(fd, name, 0);
	if (rc == -EINVAL) /* it may have been made with several queues */
		rc = attach(fd, name, IFF_MULTI_QUEUE);
	if (rc == -EBUSY)
		return log_errno(
			EBUSY,
			"TAP device %s: another program drives it (end that one, or take another name)",
			name);
	/* or another podsplice has put a veth there, and serves it */
	if (rc == -EINVAL)
		return log_errno(
			EBUSY,
			"%s: a device that is no TAP has that name, perhaps of another podsplice (end that one, or take another name)",
			name);
	if (rc)
		return log_errno(-rc, "TAP device %s: TUNSETIFF", name);
	rc = no_offload(fd, name);
	return rc ? rc : fd_take(&fd);
}

static int take_over(int passed, const char *name)
{
	scoped_fd fd = fcntl(passed, F_DUPFD_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return log_errno(errno, "TAP device %s: its descriptor", name);
	rc = fd_nonblock(fd);
	if (!rc)
		rc = no_offload(fd, name);
	return rc ? rc : fd_take(&fd);
}

int netconf_tap(const char *name, int passed)
{
	return passed < 0 ? attach_alone(name) : take_over(passed, name);
}

int netconf_in(int ns, int (*fn)(void *arg), void *arg)
{
	scoped_fd here = sys_open_ns(0, "net");
	int rc, back;

	if (here < 0)
		return here;
	rc = sys_setns(ns, CLONE_NEWNET);
	if (rc)
		return log_errno(-rc, "enter the pod's network namespace");
	rc = fn(arg);
	back = sys_setns(here, CLONE_NEWNET);
	if (back)
		return log_errno(-back, "return to the hop");
	return rc;
}
