/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * rtnetlink as an alarm: that something changed is told, and what it was is
 * asked the kernel afterwards. So no message is parsed, and a lost one
 * (ENOBUFS) is no loss.
 */

#include "netstack/loop.h"

struct rtnl_alarm;

/* @fd: the alarm's socket, which ioctl()s of netdevice(7) can be asked on */
typedef void (*rtnl_alarm_fn)(void *arg, int fd);

/**
 * rtnl_alarm_socket() - for the current network namespace
 * @groups: RTMGRP_…
 * Return: descriptor or -errno, logged
 */
int rtnl_alarm_socket(unsigned int groups);

/**
 * rtnl_alarm_new() - call @fn a moment after something changed
 * @fd: of rtnl_alarm_socket(), also of another namespace; owned, also on
 *	failure
 *
 * However much changes, it is called ten times a second at most.
 *
 * Return: 0 or -errno, logged
 */
int rtnl_alarm_new(struct rtnl_alarm **out, struct loop *loop, int fd,
		   rtnl_alarm_fn fn, void *arg);

/** rtnl_alarm_free() - NULL is fine. Return: NULL */
struct rtnl_alarm *rtnl_alarm_free(struct rtnl_alarm *a);
