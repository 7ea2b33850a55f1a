// SPDX-License-Identifier: GPL-2.0-or-later
/* The JSON that podman gives rootlessport: fields, defaults, error texts. */
#include "setup/personality/rootlessport_config.h"

#include <errno.h>
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

#define FDS "\"NetNSPath\":\"/n\",\"ExitFD\":3,\"ReadyFD\":4"
#define ONE                                                                    \
	"{\"host_ip\":\"\",\"container_port\":80,\"host_port\":8080,"          \
	"\"range\":1,\"protocol\":\"tcp\"}"

static int parse(struct rootlessport_config *cfg, const char *text, char *err)
{
	err[0] = '\0';
	return rootlessport_config_parse(cfg, text, strlen(text), err);
}

static struct rootlessport_config must_parse(const char *text)
{
	struct rootlessport_config cfg;
	char err[ROOTLESSPORT_ERR_MAX];

	if (parse(&cfg, text, err))
		fail_msg("%s: %s", text, err);
	return cfg;
}

/* @why: what the message begins with */
static void must_fail(const char *text, const char *why)
{
	struct rootlessport_config cfg;
	char err[ROOTLESSPORT_ERR_MAX];

	if (!parse(&cfg, text, err))
		fail_msg("%s: taken", text);
	if (strncmp(err, why, strlen(why)) != 0)
		fail_msg("%s: '%s' instead of '%s'", text, err, why);
	assert_null(cfg.ports);
	assert_null(cfg.netns);
}

static const char *spec_text(const struct rootlessport_port *p)
{
	static char text[SPEC_TEXT_MAX];

	return spec_format(&p->spec, text, sizeof(text));
}

/* as podman 4.3 sends it */
static void rootlessport_takes_what_podman_sends(void **state)
{
	char text[ADDR_TEXT_MAX];
	struct rootlessport_config cfg = must_parse(
		"{\"Mappings\":[{\"host_ip\":\"127.0.0.1\","
		"\"container_port\":80,\"host_port\":18120,\"range\":1,"
		"\"protocol\":\"tcp\"}],\"NetNSPath\":\"/run/netns/x\","
		"\"ExitFD\":3,\"ReadyFD\":4,\"TmpDir\":\"/run/libpod/tmp\","
		"\"ChildIP\":\"10.0.2.100\",\"ContainerID\":\"abc\","
		"\"RootlessCNI\":true}\n");

	(void)state;
	assert_string_equal(cfg.netns, "/run/netns/x");
	assert_string_equal(cfg.tmp_dir, "/run/libpod/tmp");
	assert_string_equal(cfg.container, "abc");
	assert_int_equal(cfg.exit_fd, 3);
	assert_int_equal(cfg.ready_fd, 4);
	assert_true(cfg.reload);
	assert_string_equal(ip_format(&cfg.child, text), "10.0.2.100");
	assert_int_equal(cfg.n_ports, 1);
	assert_string_equal(spec_text(&cfg.ports[0]), "127.0.0.1:18120:80/tcp");
	assert_string_equal(cfg.ports[0].proto, "tcp");
	rootlessport_config_free(&cfg);
	rootlessport_config_free(&cfg);
}

static void rootlessport_fields_may_be_missing_null_or_unknown(void **state)
{
	static const char *const texts[] = {
		"{" FDS "}",
		"{" FDS ",\"Mappings\":null,\"ChildIP\":null,\"TmpDir\":null,"
		"\"RootlessCNI\":null,\"ContainerID\":null}",
		"{" FDS ",\"Mappings\":[],\"Color\":{\"deep\":[1]}}",
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct rootlessport_config cfg = must_parse(texts[i]);

		assert_string_equal(cfg.tmp_dir, "");
		assert_string_equal(cfg.container, "");
		assert_false(cfg.reload);
		assert_int_equal(cfg.n_ports, 0);
		assert_string_equal(ip_format(&cfg.child, text), "127.0.0.1");
		rootlessport_config_free(&cfg);
	}
}

static void rootlessport_mappings_become_specs(void **state)
{
	static const struct {
		const char *host_ip, *rest, *specs[2];
	} cases[] = {
		{ "", "80,8080,1,\"tcp\"", { "8080:80/tcp" } },
		{ "0.0.0.0", "80,8080,1,\"tcp\"", { "8080:80/tcp" } },
		{ "::", "80,8080,1,\"tcp\"", { "8080:80/tcp" } },
		{ "", "80,8080,1,\"tcp4\"", { "0.0.0.0:8080:80/tcp" } },
		{ "", "80,8080,1,\"udp6\"", { "[::]:8080:80/udp" } },
		{ "::1", "80,8080,1,\"udp\"", { "[::1]:8080:80/udp" } },
		{ "::ffff:192.0.2.1",
		  "80,8080,1,\"udp4\"",
		  { "192.0.2.1:8080:80/udp" } },
		{ "",
		  "80,8080,3,\"tcp,udp\"",
		  { "8080-8082:80-82/tcp", "8080-8082:80-82/udp" } },
		{ "", "1,1,65535,\"tcp\"", { "1-65535:1-65535/tcp" } },
		{ "", "80,8080,0,\"sctp\"", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rootlessport_config cfg;
		int pod, host, range;
		char text[512], proto[32];
		size_t n = 0;

		assert_int_equal(sscanf(cases[i].rest, "%d,%d,%d,%31s", &pod,
					&host, &range, proto),
				 4);
		(void)snprintf(text, sizeof(text),
			       "{" FDS ",\"Mappings\":[{\"host_ip\":\"%s\","
			       "\"container_port\":%d,\"host_port\":%d,"
			       "\"range\":%d,\"protocol\":%s}]}",
			       cases[i].host_ip, pod, host, range, proto);
		cfg = must_parse(text);
		while (n < 2 && cases[i].specs[n])
			n++;
		assert_int_equal(cfg.n_ports, n);
		for (size_t k = 0; k < n; k++)
			assert_string_equal(spec_text(&cfg.ports[k]),
					    cases[i].specs[k]);
		rootlessport_config_free(&cfg);
	}
}

static void rootlessport_refuses_with_the_originals_words(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "configuration: " },
		{ "{", "configuration: " },
		{ "[]", "configuration: not a JSON object" },
		{ "{}x", "configuration: " },
		{ "{}", "missing NetNSPath" },
		{ "{\"NetNSPath\":\"\"}", "missing NetNSPath" },
		{ "{\"NetNSPath\":1}", "NetNSPath: not a string" },
		{ "{\"NetNSPath\":\"/n\"}", "missing ExitFD" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":0}", "missing ExitFD" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":-3}", "missing ExitFD" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":\"3\"}",
		  "ExitFD: not a number" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":4294967299}",
		  "ExitFD: not a number" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":3.5}",
		  "ExitFD: not a number" },
		{ "{\"NetNSPath\":\"/n\",\"ExitFD\":3}", "missing ReadyFD" },
		{ "{" FDS ",\"RootlessCNI\":1}", "RootlessCNI: not a boolean" },
		{ "{" FDS ",\"TmpDir\":[]}", "TmpDir: not a string" },
		{ "{" FDS ",\"ChildIP\":\"x\"}", "invalid ChildIP: \"x\"" },
		{ "{" FDS ",\"ChildIP\":\"[::1]\"}",
		  "invalid ChildIP: \"[::1]\"" },
		{ "{" FDS ",\"Mappings\":{}}", "Mappings: not a list" },
		{ "{" FDS ",\"Mappings\":[1]}", "Mappings: not objects" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].why);
}

static void rootlessport_refuses_bad_mappings(void **state)
{
	static const struct {
		const char *mapping, *why;
	} cases[] = {
		{ "\"protocol\":\"sctp\"", "unknown proto: \"sctp\"" },
		{ "\"protocol\":\"\"", "unknown proto: \"\"" },
		{ "\"protocol\":\"tcp,\"", "unknown proto: \"\"" },
		{ "\"protocol\":\"TCP\"", "unknown proto: \"TCP\"" },
		{ "\"protocol\":6", "protocol: not a string" },
		{ "\"host_ip\":\"here\"", "invalid ParentIP: \"here\"" },
		{ "\"host_ip\":\"fe80::1%eth0\"",
		  "invalid ParentIP: \"fe80::1%eth0\"" },
		{ "\"host_ip\":\"::1\",\"protocol\":\"tcp4\"",
		  "invalid ParentIP: \"::1\" for tcp4" },
		{ "\"host_port\":0", "invalid ParentPort: 0" },
		{ "\"host_port\":65535,\"range\":2",
		  "invalid ParentPort: 65535" },
		{ "\"host_port\":65536", "host_port: not a number" },
		{ "\"host_port\":-1", "host_port: not a number" },
		{ "\"container_port\":0", "invalid ChildPort: 0" },
		{ "\"range\":70000", "range: not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512];

		/* of two of a name the last one counts */
		(void)snprintf(text, sizeof(text),
			       "{" FDS ",\"Mappings\":[" ONE ",%.*s,%s}]}",
			       (int)strlen(ONE) - 1, ONE, cases[i].mapping);
		must_fail(text, cases[i].why);
	}
}

static void rootlessport_takes_as_many_mappings_as_ports(void **state)
{
	const size_t n = 65535, each = sizeof(ONE ",") - 1;
	struct rootlessport_config cfg;
	char *text = malloc(256 + n * each);
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "{" FDS ",\"Mappings\":[");
	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(text + len, "%s" ONE, i ? "," : "");
	(void)sprintf(text + len, "]}");
	cfg = must_parse(text);
	assert_int_equal(cfg.n_ports, n);
	rootlessport_config_free(&cfg);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rootlessport_takes_what_podman_sends),
		cmocka_unit_test(
			rootlessport_fields_may_be_missing_null_or_unknown),
		cmocka_unit_test(rootlessport_mappings_become_specs),
		cmocka_unit_test(rootlessport_refuses_with_the_originals_words),
		cmocka_unit_test(rootlessport_refuses_bad_mappings),
		cmocka_unit_test(rootlessport_takes_as_many_mappings_as_ports),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
