// SPDX-License-Identifier: GPL-2.0-or-later
/* config.json of an OCI bundle: what the runtime gets, and what is refused. */
#include "setup/bundle/bundle_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "tests/unit/capture.h"

#define TEXT_MAX 4096

/* JSON with ' for " */
static json_t *json(const char *text)
{
	char buf[TEXT_MAX];
	json_t *v;

	(void)snprintf(buf, sizeof(buf), "%s", text);
	for (char *p = buf; (p = strchr(p, '\''));)
		*p = '"';
	v = json_loads(buf, JSON_DECODE_ANY, NULL);
	if (!v)
		fail_msg("no JSON: %s", text);
	return v;
}

static const struct run_config plain;

/* The least there can be, and more of it. */
#define PROCESS	    "'process':{'args':['sh'],'cwd':'/'}"
#define LEAST(more) "{'ociVersion':'1.0.0','root':{'path':'rootfs'}," more "}"
#define WITH(more)  LEAST(PROCESS ",'linux':{}," more)
#define WITH_PROCESS(more)                                                     \
	LEAST("'linux':{},'process':{'args':['sh'],'cwd':'/'," more "}")
#define WITH_LINUX(more) LEAST(PROCESS ",'linux':{" more "}")

static int rewrite(json_t *config, const struct run_config *run, char *said)
{
	const struct bundle_want want = { "/b", "/home", run };
	struct capture c = capture_start(STDERR_FILENO);
	int rc = bundle_rewrite(config, &want);

	capture_stop(&c, said, TEXT_MAX);
	return rc;
}

/* What comes out of @text, without a word. */
static json_t *rewritten(const char *text, const struct run_config *run)
{
	char said[TEXT_MAX];
	json_t *config = json(text);

	if (rewrite(config, run, said) || said[0])
		fail_msg("%s: %s", text, said);
	return config;
}

/* @path: names and indices, dots between */
static json_t *at(json_t *v, const char *path)
{
	char buf[128], *p = buf, *word;

	(void)snprintf(buf, sizeof(buf), "%s", path);
	while ((word = strsep(&p, ".")))
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(word))
				     : json_object_get(v, word);
	return v;
}

/* @want: NULL: nothing is there */
static void is(json_t *config, const char *path, const char *want)
{
	json_t *v = at(config, path), *w = want ? json(want) : NULL;
	char *text = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;

	if (!json_equal(v, w) && (v || w))
		fail_msg("%s: %s instead of %s", path, text ? text : "none",
			 want ? want : "none");
	free(text);
	json_decref(w);
}

#define TEXTS                                                                  \
	"{'destination':'/etc/resolv.conf','type':'bind',"                     \
	"'source':'/home/resolv.conf','options':['rbind','rprivate','rw']},"   \
	"{'destination':'/etc/hosts','type':'bind','source':'/home/hosts',"    \
	"'options':['rbind','rprivate','rw']}"

static void bundle_rewrites_what_is_the_pods(void **state)
{
	static const struct {
		const char *in, *path, *out;
	} cases[] = {
		{ WITH("'a':1"), "root.path", "'/b/rootfs'" },
		{ WITH("'a':1"), "a", "1" },
		{ WITH("'a':1"), "mounts", "[" TEXTS "]" },
		{ WITH("'a':1"), "process.terminal", "false" },
		{ WITH_PROCESS("'terminal':true"), "process.terminal",
		  "false" },
		{ WITH_PROCESS("'env':['A=1','B=2']"), "process.env",
		  "['A=1','B=2']" },
		{ WITH_PROCESS("'user':{'uid':1,'gid':2}"), "process.user",
		  "{'uid':1,'gid':2}" },
		{ WITH("'hostname':'h','domainname':'d'"), "hostname", NULL },
		{ WITH("'hostname':'h','domainname':'d'"), "domainname", NULL },
		{ WITH("'hooks':{'prestart':[{'path':'/x'}]}"), "hooks",
		  "{'prestart':[{'path':'/x'}]}" },
		{ WITH("'mounts':[{'destination':'/proc','type':'proc'},"
		       "{'destination':'/c','type':'cgroup'},"
		       "{'destination':'/c','type':'cgroup2'}]"),
		  "mounts",
		  "[{'destination':'/proc','type':'proc'}," TEXTS "]" },
		{ WITH("'mounts':[{'destination':'/d','type':'bind',"
		       "'source':'data'}]"),
		  "mounts.0.source", "'/b/data'" },
		{ WITH("'mounts':[{'destination':'/d','source':'data',"
		       "'options':['ro','rbind']}]"),
		  "mounts.0.source", "'/b/data'" },
		{ WITH("'mounts':[{'destination':'/d','type':'bind',"
		       "'source':'/data'}]"),
		  "mounts.0.source", "'/data'" },
		{ WITH("'mounts':[{'destination':'/d','type':'tmpfs',"
		       "'source':'tmpfs'}]"),
		  "mounts.0.source", "'tmpfs'" },
		/* the bundle has the last word */
		{ WITH("'mounts':[{'destination':'/etc/hosts','type':'bind',"
		       "'source':'/h'},{'destination':'/etc/resolv.conf',"
		       "'type':'bind','source':'/r'}]"),
		  "mounts.2", NULL },
		{ WITH_LINUX("'namespaces':[{'type':'pid'},{'type':'network'},"
			     "{'type':'ipc'},{'type':'mount'},{'type':'uts'},"
			     "{'type':'user'},{'type':'cgroup'}]"),
		  "linux.namespaces", "[{'type':'pid'},{'type':'mount'}]" },
		{ WITH_LINUX("'uidMappings':[1],'gidMappings':[2]"), "linux",
		  "{'namespaces':[]}" },
		{ WITH_LINUX("'resources':{'devices':[{'allow':false}]},"
			     "'cgroupsPath':'x','sysctl':{},'maskedPaths':[]"),
		  "linux", "{'namespaces':[],'maskedPaths':[],'sysctl':{}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *config = rewritten(cases[i].in, &plain);

		is(config, cases[i].path, cases[i].out);
		json_decref(config);
	}
}

static void bundle_merges_the_command_line(void **state)
{
	static char ls[] = "/bin/ls", l[] = "-l";
	static char src[] = "/src", dst[] = "/dst", src2[] = "/src2",
		    dst2[] = "/dst2";
	char *argv[] = { ls, l, NULL };
	const char *env[] = { "A=new", "C=3", "AB=4" };
	struct volume volumes[] = { { src, dst, false }, { src2, dst2, true } };
	const struct run_config run = {
		.argv = argv,
		.env = env,
		.n_env = ARRAY_SIZE(env),
		.workdir = "/tmp",
		.user = "5:6",
		.tty = true,
		.volumes = volumes,
		.n_volumes = ARRAY_SIZE(volumes),
	};
	json_t *config = rewritten(
		LEAST("'linux':{},'process':{'cwd':3,'env':['A=1','B=2'],"
		      "'user':{'uid':1,'gid':1,'additionalGids':[3]}}"),
		&run);

	(void)state;
	is(config, "process",
	   "{'args':['/bin/ls','-l'],'cwd':'/tmp','terminal':true,"
	   "'env':['A=new','B=2','C=3','AB=4'],'user':{'uid':5,'gid':6}}");
	is(config, "mounts.2",
	   "{'destination':'/dst','type':'bind','source':'/src',"
	   "'options':['rbind','rprivate','rw']}");
	is(config, "mounts.3",
	   "{'destination':'/dst2','type':'bind','source':'/src2',"
	   "'options':['rbind','rprivate','ro']}");
	json_decref(config);
}

static void bundle_refuses_what_it_cannot_be(void **state)
{
	static const struct {
		const char *in, *why;
	} cases[] = {
		{ "[]", "not an object" },
		{ "3", "not an object" },
		{ "{}", "ociVersion: is missing" },
		{ "{'ociVersion':1}", "ociVersion: not a string" },
		{ LEAST("'linux':{}"), "process: is missing" },
		{ LEAST("'process':[]"), "process: not an object" },
		{ LEAST("'process':{}"), "process.args: is missing" },
		{ LEAST("'process':{'args':'sh'}"),
		  "process.args: not a list" },
		{ LEAST("'process':{'args':[]}"),
		  "process.args: names no command (give one behind --bundle "
		  "DIR)" },
		{ LEAST("'process':{'args':['']}"),
		  "process.args: names no command" },
		{ LEAST("'process':{'args':['sh',1]}"),
		  "process.args: holds what is not a string" },
		{ LEAST("'process':{'args':['sh']}"),
		  "process.cwd: is missing" },
		{ LEAST("'process':{'args':['sh'],'cwd':'tmp'}"),
		  "process.cwd: not an absolute path" },
		{ WITH_PROCESS("'env':{}"), "process.env: not a list" },
		{ WITH_PROCESS("'env':[null]"),
		  "process.env: holds what is not a string" },
		{ WITH_PROCESS("'user':'root'"),
		  "process.user: not an object" },
		{ "{'ociVersion':'1'," PROCESS "}", "root: is missing" },
		{ "{'ociVersion':'1','root':{}," PROCESS "}",
		  "root.path: is missing" },
		{ "{'ociVersion':'1','root':{'path':''}," PROCESS "}",
		  "root.path: is empty" },
		{ "{'ociVersion':'1','root':{'path':1}," PROCESS "}",
		  "root.path: not a string" },
		{ WITH("'hostname':1"), "hostname: not a string" },
		{ WITH("'mounts':{}"), "mounts: not a list" },
		{ WITH("'mounts':['/proc']"),
		  "mounts: holds what is not an object" },
		{ WITH("'mounts':[{}]"), "mounts.destination: is missing" },
		{ WITH("'mounts':[{'destination':'/d','type':1}]"),
		  "mounts.type: not a string" },
		{ WITH("'mounts':[{'destination':'/d','options':['ro',2]}]"),
		  "mounts.options: holds what is not a string" },
		{ WITH("'mounts':[{'destination':'/d','type':'bind'}]"),
		  "mounts.source: is missing" },
		{ LEAST(PROCESS), "linux: is missing" },
		{ WITH_LINUX("'namespaces':'pid'"),
		  "linux.namespaces: not a list" },
		{ WITH_LINUX("'namespaces':['pid']"),
		  "linux.namespaces: holds what is not an object" },
		{ WITH_LINUX("'namespaces':[{}]"),
		  "linux.namespaces.type: is missing" },
		{ WITH_LINUX("'namespaces':[{'type':'network','path':'/x'}]"),
		  "linux.namespaces: network: has a path" },
		{ WITH_LINUX("'sysctl':{'net.ipv4.ip_forward':'1'}"),
		  "linux.sysctl: net.ipv4.ip_forward: a container can't" },
		{ WITH_LINUX("'sysctl':[]"), "linux.sysctl: not an object" },
		{ WITH_LINUX("'resources':[]"),
		  "linux.resources: not an object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *config = json(cases[i].in);
		char said[TEXT_MAX];

		if (!rewrite(config, &plain, said))
			fail_msg("%s: taken", cases[i].in);
		if (!is_one_message(said) || !strstr(said, cases[i].why) ||
		    !strstr(said, "/b/config.json: "))
			fail_msg("%s: %s", cases[i].in, said);
		json_decref(config);
	}
}

static void bundle_refuses_words_it_cannot_take(void **state)
{
	static char word[] = "\xff";
	char *argv[] = { word, NULL };
	const char *env[] = { "A=\xff" };
	const struct {
		struct run_config run;
		const char *why;
	} cases[] = {
		{ { .argv = argv }, "not UTF-8" },
		{ { .env = env, .n_env = 1 }, "not UTF-8" },
		{ { .workdir = "/\xff" }, "not UTF-8" },
		{ { .user = "nobody" }, "only numbers" },
		{ { .user = "1:nogroup" }, "only numbers" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *config = json(WITH("'a':1"));
		char said[TEXT_MAX];

		assert_int_not_equal(rewrite(config, &cases[i].run, said), 0);
		if (!is_one_message(said) || !strstr(said, cases[i].why))
			fail_msg("%zu: %s", i, said);
		json_decref(config);
	}
}

static void bundle_warns_of_limits(void **state)
{
	json_t *config = json(WITH_LINUX("'resources':{'memory':{'limit':1},"
					 "'devices':[],'pids':{'limit':9}}"));
	char said[TEXT_MAX];

	(void)state;
	assert_int_equal(rewrite(config, &plain, said), 0);
	assert_string_equal(said, "podsplice: /b/config.json: linux.resources: "
				  "memory, pids: not limited (a pod has no "
				  "cgroup)\n");
	is(config, "linux", "{'namespaces':[]}");
	json_decref(config);
}

static void bundle_adapts_to_the_pod(void **state)
{
	static const char text[] =
		WITH("'mounts':[{'destination':'/dev/pts','type':'devpts',"
		     "'options':['mode=620','gid=5','ro']},"
		     "{'destination':'/dev/shm','type':'tmpfs',"
		     "'source':'shm','options':['size=1m']}],"
		     "'linux':{'namespaces':[{'type':'pid'},"
		     "{'type':'mount'}]}");
	static const struct bundle_facts alone, shared = {
		.shared_pids = true,
		.one_id = true,
		.shm = "/home/shm",
	};
	json_t *config = rewritten(text, &plain);

	(void)state;
	assert_int_equal(bundle_adapt(config, &alone), 0);
	is(config, "mounts.0.options", "['mode=620','gid=5','ro']");
	is(config, "linux.namespaces", "[{'type':'pid'},{'type':'mount'}]");
	is(config, "mounts.1.type", "'tmpfs'");
	assert_int_equal(bundle_adapt(config, &shared), 0);
	is(config, "mounts.1",
	   "{'destination':'/dev/shm','type':'bind','source':'/home/shm',"
	   "'options':['rbind','nosuid','nodev','noexec']}");
	is(config, "mounts.0.options", "['mode=620','ro']");
	is(config, "linux.namespaces", "[{'type':'mount'}]");
	json_decref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundle_rewrites_what_is_the_pods),
		cmocka_unit_test(bundle_merges_the_command_line),
		cmocka_unit_test(bundle_refuses_what_it_cannot_be),
		cmocka_unit_test(bundle_refuses_words_it_cannot_take),
		cmocka_unit_test(bundle_warns_of_limits),
		cmocka_unit_test(bundle_adapts_to_the_pod),
	};

	log_init(LOG_WARN, STDERR_FILENO);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
