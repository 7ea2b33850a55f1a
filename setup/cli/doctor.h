/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice doctor`: what works on this machine, and how to mend the rest. */

#include <stddef.h>

struct opt_table;

/* The target is private to doctor.c. */
extern const struct opt_table doctor_opts;

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* a pod runs, with less; the text says what less is */
	DOCTOR_FAILED,	/* no pod can run */
};

struct doctor_finding {
	const char *name;
	enum doctor_level level;
	char text[256];	  /* what there is, or what it costs that there isn't */
	char remedy[192]; /* a line to type, or "" */
};

#define DOCTOR_FINDINGS_MAX 32

struct doctor {
	struct doctor_finding found[DOCTOR_FINDINGS_MAX];
	size_t n;
};

/**
 * doctor_examine() - try everything, as the calling user
 * What it makes is in namespaces of its own, and goes away with them, but for
 * the runtime directory, as every verb makes it.
 */
void doctor_examine(struct doctor *d);

/* As in the registry of verbs (verbs.h). Return: 0, 1 when no pod can run, 125
 */
int verb_doctor(int argc, char **argv);
