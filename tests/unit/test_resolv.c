// SPDX-License-Identifier: GPL-2.0-or-later
/* resolv.conf: what is read from the host's, what is written for the pod. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "setup/net/resolv.h"

/* All servers, blank-separated */
static const char *servers(const struct resolv *r, char *buf)
{
	char text[ADDR_TEXT_MAX];

	buf[0] = '\0';
	for (size_t i = 0; i < r->n_servers; i++) {
		struct ip ip = endpoint_ip(&r->servers[i]);

		assert_int_equal(endpoint_port(&r->servers[i]), 53);
		if (i > 0)
			strcat(buf, " ");
		strcat(buf, ip_format(&ip, text));
	}
	return buf;
}

static void file_is_read_as_libc_reads_it(void **state)
{
	static const struct {
		const char *text, *servers, *search, *options;
	} cases[] = {
		{ "", "", "", "" },
		{ "nameserver 192.0.2.1\n", "192.0.2.1", "", "" },
		{ "nameserver 192.0.2.1", "192.0.2.1", "", "" },
		{ "nameserver\t 192.0.2.1 \t\r\n", "192.0.2.1", "", "" },
		{ "nameserver 192.0.2.1\r\nsearch a b\r\n", "192.0.2.1", "a b",
		  "" },
		{ "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n", "", "",
		  "" },
		{ " nameserver 192.0.2.1\n\tnameserver 192.0.2.2\n", "", "",
		  "" },
		{ "nameserver192.0.2.1\nnameservers 192.0.2.2\n", "", "", "" },
		{ "nameserver\nnameserver \nnameserver\n192.0.2.1\n", "", "",
		  "" },
		{ "nameserver 192.0.2.1 # mine\nnameserver 192.0.2.2#x\n",
		  "192.0.2.1 192.0.2.2", "", "" },
		{ "nameserver 2001:db8::1\nnameserver ::1\n", "2001:db8::1 ::1",
		  "", "" },
		{ "nameserver ::ffff:192.0.2.1\n", "192.0.2.1", "", "" },
		{ "nameserver 127.1\n", "127.0.0.1", "", "" },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "192.0.2.1",
		  "", "" },
		{ "nameserver dns.example\nnameserver 256.1.1.1\n"
		  "nameserver [::1]\nnameserver fe80::1%nosuchif\n"
		  "nameserver 192.0.2.1%lo\nnameserver :::\n",
		  "", "", "" },
		{ "search a.example\nsearch b.example  c.example\n", "",
		  "b.example c.example", "" },
		{ "domain a.example\n", "", "a.example", "" },
		{ "search a b\ndomain c d\n", "", "c", "" },
		{ "domain c\nsearch a b\n", "", "a b", "" },
		{ "search a\nsearch\n", "", "", "" },
		{ "options ndots:2\noptions  edns0\ttrust-ad\n", "", "",
		  "ndots:2 edns0 trust-ad" },
		{ "search ok b\x01"
		  "ad \x1b[2J fine\n",
		  "", "ok fine", "" },
		{ "\xff\xfe\x80 garbage \n\n\n=\nsortlist 192.0.2.0\n", "", "",
		  "" },
	};
	struct resolv r;
	char text[8 * ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		resolv_parse(cases[i].text, &r);
		assert_string_equal(servers(&r, text), cases[i].servers);
		assert_string_equal(r.search, cases[i].search);
		assert_string_equal(r.options, cases[i].options);
	}
}

static void scope_is_an_interface_or_a_number(void **state)
{
	struct resolv r;

	(void)state;
	resolv_parse("nameserver fe80::1%lo\nnameserver fe80::2%7\n"
		     "nameserver fe80::3\nnameserver fe80::4%\n",
		     &r);
	assert_int_equal(r.n_servers, 3);
	assert_int_equal(r.servers[0].v6.sin6_scope_id, if_nametoindex("lo"));
	assert_int_equal(r.servers[1].v6.sin6_scope_id, 7);
	assert_int_equal(r.servers[2].v6.sin6_scope_id, 0);
}

static void too_many_servers_are_left_out(void **state)
{
	char text[2048] = "";
	struct resolv r;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		(void)sprintf(text + strlen(text), "nameserver 192.0.2.%zu\n",
			      i);
	resolv_parse(text, &r);
	assert_int_equal(r.n_servers, RESOLV_SERVERS_MAX);
}

static void long_lists_are_cut_at_a_whole_word(void **state)
{
	char *text = malloc(100000);
	struct resolv r;
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "search");
	for (int i = 0; i < 1000; i++)
		len += (size_t)sprintf(text + len, " d%04d.example", i);
	resolv_parse(text, &r);
	assert_string_equal(r.search + strlen(r.search) - 8, ".example");
	assert_in_range(strlen(r.search), 1000, sizeof(r.search) - 1);
	memset(text, 'x', 99999);
	memcpy(text, "search ", 7);
	text[99999] = '\0';
	resolv_parse(text, &r);
	assert_string_equal(r.search, "");
	free(text);
}

static void mutations_do_no_harm(void **state)
{
	static const char base[] = "nameserver fe80::1%lo\nsearch a.b c\n"
				   "options ndots:1 rotate\n; x\n";
	unsigned int seed = 3;
	struct podnet plan = { .has_ipv6 = true };
	struct resolv r;
	char pod[RESOLV_TEXT_MAX];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		char *text = strdup(base);

		assert_non_null(text);
		for (int n = rand_r(&seed) % 6; n >= 0; n--)
			text[(unsigned int)rand_r(&seed) % (sizeof(base) - 1)] =
				(char)rand_r(&seed);
		resolv_parse(text, &r);
		assert_true(r.n_servers <= 1);
		resolv_pod_text(&r, &plan, NULL, pod);
		free(text);
	}
}

static void put(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int make_dir(void **state)
{
	char *dir = strdup("/tmp/test_resolv.XXXXXX");

	if (!dir || !mkdtemp(dir) || chdir(dir))
		return -1;
	*state = dir;
	return 0;
}

static int remove_dir(void **state)
{
	(void)unlink("f");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static void missing_file_means_no_servers(void **state)
{
	struct resolv r;

	(void)state;
	assert_int_equal(resolv_read("f", &r), -ENOENT);
	assert_int_equal(r.n_servers, 0);
	assert_int_equal(resolv_read(".", &r), -EISDIR);
	assert_int_equal(mkfifo("f", 0600), 0);
	assert_int_equal(resolv_read("f", &r), 0); /* doesn't block */
}

static void file_without_nameserver_means_this_machine(void **state)
{
	struct resolv r;
	char text[8 * ADDR_TEXT_MAX];

	(void)state;
	put("f", "search x\n", 9);
	assert_int_equal(resolv_read("f", &r), 0);
	assert_string_equal(servers(&r, text), "127.0.0.1");
	assert_string_equal(r.search, "x");
}

static void huge_file_is_read_up_to_a_whole_line(void **state)
{
	size_t size = 1 << 20;
	char *text = malloc(size);
	struct resolv r;
	char buf[8 * ADDR_TEXT_MAX];

	(void)state;
	assert_non_null(text);
	memset(text, '#', size);
	memcpy(text, "nameserver 192.0.2.1\n", 21);
	/* this one is cut in two by the limit: 192.0.2.1 isn't what it says */
	memcpy(text + 65536 - 21, "\nnameserver 192.0.2.123\n", 24);
	put("f", text, size);
	assert_int_equal(resolv_read("f", &r), 0);
	assert_string_equal(servers(&r, buf), "192.0.2.1");
	memset(text, '\0', size);
	put("f", text, size);
	assert_int_equal(resolv_read("f", &r), 0);
	memset(text, 'x', size);
	put("f", text, size);
	assert_int_equal(resolv_read("f", &r), 0);
	assert_string_equal(servers(&r, buf), "127.0.0.1");
	free(text);
}

static void pod_text_names_our_addresses(void **state)
{
	struct podnet plan = { .has_ipv6 = true };
	struct resolv host;
	char buf[RESOLV_TEXT_MAX];

	(void)state;
	assert_int_equal(ip_parse("10.0.2.3", &plan.dns4), 0);
	assert_int_equal(ip_parse("fd00::3", &plan.dns6), 0);
	resolv_parse("nameserver 192.0.2.1\nsearch a b\n"
		     "options ndots:2 rotate timeout:1 debug edns0 trust-ad\n",
		     &host);
	resolv_pod_text(&host, &plan, NULL, buf);
	assert_string_equal(buf, "nameserver 10.0.2.3\nnameserver fd00::3\n"
				 "search a b\n"
				 "options ndots:2 timeout:1 edns0 trust-ad\n");
	plan.has_ipv6 = false;
	resolv_pod_text(&host, &plan, "c  d", buf);
	assert_string_equal(buf, "nameserver 10.0.2.3\nsearch c d\n"
				 "options ndots:2 timeout:1 edns0 trust-ad\n");
	resolv_parse("options rotate\n", &host);
	resolv_pod_text(&host, NULL, "", buf);
	assert_string_equal(buf, "");
	resolv_pod_text(&host, &plan, "a\nnameserver evil", buf);
	assert_string_equal(buf, "nameserver 10.0.2.3\nsearch evil\n");
}

static void pod_text_that_is_too_long_is_cut(void **state)
{
	struct podnet plan = { 0 };
	struct resolv host;
	char buf[RESOLV_TEXT_MAX], *search = malloc(20000);

	(void)state;
	assert_non_null(search);
	assert_int_equal(ip_parse("10.0.2.3", &plan.dns4), 0);
	resolv_parse("options edns0\n", &host);
	for (size_t i = 0; i < 19999; i++)
		search[i] = i % 10 == 9 ? ' ' : 'x';
	search[19999] = '\0';
	resolv_pod_text(&host, &plan, search, buf);
	assert_true(strlen(buf) < RESOLV_TEXT_MAX);
	assert_int_equal(buf[strlen(buf) - 1], '\n');
	free(search);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_read_as_libc_reads_it),
		cmocka_unit_test(scope_is_an_interface_or_a_number),
		cmocka_unit_test(too_many_servers_are_left_out),
		cmocka_unit_test(long_lists_are_cut_at_a_whole_word),
		cmocka_unit_test(mutations_do_no_harm),
		IN_DIR(missing_file_means_no_servers),
		IN_DIR(file_without_nameserver_means_this_machine),
		IN_DIR(huge_file_is_read_up_to_a_whole_line),
		cmocka_unit_test(pod_text_names_our_addresses),
		cmocka_unit_test(pod_text_that_is_too_long_is_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
