// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as the config.json of a bundle. It is refused with one reason, or
 * what is made of it keeps bundle_config.h's promises, and nothing of the host
 * that is the pod's to give is in it. The first byte says what the command line
 * has.
 */
#include <stdio.h>

#include "netstack/base/log.h"
#include "setup/bundle/bundle_config.h"
#include "tests/fuzz/fuzz.h"

static const char *text_of(const json_t *in, const char *key)
{
	return json_string_value(json_object_get(in, key));
}

static void check_process(const json_t *config)
{
	const json_t *process = json_object_get(config, "process");
	const json_t *args = json_object_get(process, "args");
	size_t i;
	json_t *v;

	check(json_array_size(args) > 0);
	json_array_foreach (args, i, v) {
		check(json_is_string(v));
	}
	check(text_of(process, "cwd")[0] == '/');
	check(json_is_boolean(json_object_get(process, "terminal")));
}

static void check_lists(const json_t *config, bool shared_pids)
{
	const json_t *linux_ = json_object_get(config, "linux");
	size_t i;
	json_t *v;

	json_array_foreach (json_object_get(linux_, "namespaces"), i, v) {
		check(strcmp(text_of(v, "type"), "network") != 0);
		check(strcmp(text_of(v, "type"), "user") != 0);
		check(!shared_pids || strcmp(text_of(v, "type"), "pid") != 0);
		check(!json_object_get(v, "path"));
	}
	check(!json_object_get(linux_, "resources"));
	check(json_array_size(json_object_get(config, "mounts")) >= 2);
	json_array_foreach (json_object_get(config, "mounts"), i, v) {
		check(text_of(v, "destination") != NULL);
	}
}

static void check_out(json_t *config, bool shared_pids)
{
	char *text = json_dumps(config, JSON_COMPACT);

	check(text != NULL);
	check_process(config);
	check(text_of(json_object_get(config, "root"), "path")[0] == '/');
	check_lists(config, shared_pids);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char ls[] = "ls", l[] = "-l", src[] = "/src", dst[] = "/dst";
	char *argv[] = { ls, l, NULL };
	const char *env[] = { "A=1" };
	struct volume volume = { src, dst, true };
	struct tape t = { data, size };
	uint8_t given = tape_u8(&t);
	const struct run_config run = {
		.argv = given & 1 ? argv : NULL,
		.env = env,
		.n_env = given >> 1 & 1,
		.user = given & 4 ? "1:2" : NULL,
		.workdir = given & 8 ? "/tmp" : NULL,
		.volumes = &volume,
		.n_volumes = given >> 4 & 1,
		.tty = given & 32,
	};
	const struct bundle_want want = { "/b", "/home", &run };
	json_t *config =
		json_loadb((const char *)t.data, t.left, JSON_DECODE_ANY, NULL);
	char why[256];

	if (!config)
		return 0;
	log_init(LOG_ERROR, 2);
	log_hold(why, sizeof(why));
	if (bundle_rewrite(config, &want)) {
		check(why[0]);
	} else {
		check(!why[0]);
		const struct bundle_facts facts = {
			.shared_pids = given & 64,
			.one_id = given & 128,
			.shm = given & 128 ? "/home/shm" : NULL,
		};

		check(bundle_adapt(config, &facts) == 0);
		check_out(config, given & 64);
	}
	log_hold(NULL, 0);
	json_decref(config);
	return 0;
}
