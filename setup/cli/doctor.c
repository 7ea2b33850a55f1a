// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/cli/doctor.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"
#include "setup/cli/table.h"
#include "setup/helper/control_json.h"

struct doctor_config {
	bool json;
};

static const struct opt opts[] = {
	{ "json", 0, NULL, "print JSON (a table)",
	  OPT_FLAG(struct doctor_config, json) },
};

const struct opt_table doctor_opts = { "Doctor", opts, ARRAY_SIZE(opts) };

static const char *level_text(enum doctor_level level)
{
	static const char *const texts[] = { "ok", "limited", "failed" };

	return texts[level];
}

static bool can_run(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->found[i].level == DOCTOR_FAILED)
			return false;
	return true;
}

static void print_json(const struct doctor *d, const char *kernel)
{
	json_t *checks = json_array(), *all;

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->found[i];

		(void)json_array_append_new(
			checks,
			json_pack("{s:s, s:s, s:s, s:s?}", "name", f->name,
				  "status", level_text(f->level), "text",
				  f->text, "remedy",
				  f->remedy[0] ? f->remedy : NULL));
	}
	all = json_pack("{s:i, s:b, s:s, s:o}", "schema", CONTROL_SCHEMA, "ok",
			can_run(d), "kernel", kernel, "checks", checks);
	table_json(stdout, all, JSON_COMPACT);
	json_decref(all);
}

static void print_table(const struct doctor *d, const char *kernel)
{
	(void)printf("Linux %s\n\n", kernel);
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->found[i];

		(void)printf("%-8s %-20s ", level_text(f->level), f->name);
		opt_wrap(stdout, f->text, 30, 30);
		if (f->remedy[0])
			(void)printf("%30s> %s\n", "", f->remedy);
	}
	(void)printf("\n%s\n", can_run(d) ? "Pods can run."
					  : "No pod can run: see what failed.");
}

int verb_doctor(int argc, char **argv)
{
	struct doctor_config cfg = { 0 };
	const struct opt_group groups[] = { { &doctor_opts, &cfg },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[--json]",
		.about = "Try what a pod needs on this machine, say what what "
			 "is missing costs, and the line that mends it. Exits "
			 "with 1 when no pod can run.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	struct doctor d = { 0 };
	struct utsname kernel;
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (*rest) {
		log_error("doctor %.64s: takes no arguments", *rest);
		return EXIT_OURS;
	}
	(void)uname(&kernel); /* can't fail */
	doctor_examine(&d);
	if (cfg.json)
		print_json(&d, kernel.release);
	else
		print_table(&d, kernel.release);
	if (opt_flush(stdout))
		return EXIT_OURS;
	return can_run(&d) ? 0 : 1;
}
