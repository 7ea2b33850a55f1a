// SPDX-License-Identifier: GPL-2.0-or-later
/* A pod of a file, in the words of pod create and run. */
#include "setup/kube/kube_words.h"

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
#include "setup/kube/kube_parse.h"

#define HEAD "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {"

static struct kube_file parse(const char *text)
{
	struct kube_file f;

	if (kube_parse(&f, text, strlen(text), "f", false))
		fail_msg("%s", text);
	return f;
}

/* The words are those of @want, with a '|' between them. */
static void is(struct kube_texts *words, const char *want)
{
	char text[4096] = "";
	size_t at = 0;

	for (size_t i = 0; i < words->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
				       i ? "|" : "", words->all[i]);
	assert_string_equal(text, want);
	assert_null(words->all[words->n]);
	kube_texts_drop(words);
}

static void pod_is(const char *spec, const char *want)
{
	struct kube_texts words = { 0 };
	struct kube_file f;
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       HEAD "%s containers: [{name: a, command: [x]}]}}", spec);
	f = parse(text);
	assert_int_equal(kube_words_pod(&words, f.pods), 0);
	is(&words, want);
	kube_file_drop(&f);
}

static void pod_is_made_by_its_fields(void **state)
{
	(void)state;
	pod_is("", "--name|web");
	pod_is("hostname: front,", "--name|web|--hostname|front");
	pod_is("shareProcessNamespace: true,",
	       "--name|web|--share|net,ipc,uts,pid");
	pod_is("dnsConfig: {nameservers: [192.0.2.1, '2001:db8::1'], searches: "
	       "[a.example]},",
	       "--name|web|--dns|192.0.2.1|--dns|2001:db8::1|--dns-search|"
	       "a.example");
}

/* @pod: more fields of spec; @container: of the container a */
static void run_is(const char *pod, const char *container,
		   const struct kube_place *place, const char *want)
{
	struct kube_texts words = { 0 };
	struct kube_file f;
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       HEAD "%s containers: [{name: a, %s}]}}", pod, container);
	f = parse(text);
	assert_int_equal(
		kube_words_run(&words, f.pods, f.pods->containers, place), 0);
	is(&words, want);
	kube_file_drop(&f);
}

static const struct kube_place nowhere = { .scratch = "/scratch/" };

static void container_is_started_again_as_the_pod_says(void **state)
{
	(void)state;
	run_is("", "command: [x]", &nowhere,
	       "--pod|web|--name|web-a|--detach|--restart|always|--|x");
	run_is("restartPolicy: OnFailure,", "command: [x]", &nowhere,
	       "--pod|web|--name|web-a|--detach|--restart|on-failure|--|x");
	run_is("restartPolicy: Never,", "command: [x]", &nowhere,
	       "--pod|web|--name|web-a|--detach|--restart|no|--|x");
}

static void container_that_is_waited_for_is_in_the_foreground(void **state)
{
	const struct kube_place init = { .scratch = "/", .init = true };

	(void)state;
	run_is("", "command: [x]", &init, "--pod|web|--name|web-a|--|x");
}

#define START "--pod|web|--name|web-a|--detach|--restart|always|"

static void container_has_the_root_of_its_image(void **state)
{
	const struct kube_place place = { .rootfs = "/srv/box:O",
					  .scratch = "/" };

	(void)state;
	run_is("", "image: box:1, command: [x]", &place,
	       START "--rootfs|/srv/box:O|--image|box:1|--|x");
	run_is("", "image: /srv/box, command: [x]", &place,
	       START "--rootfs|/srv/box:O|--|x");
}

static void container_has_volumes_ports_and_the_rest(void **state)
{
	(void)state;
	run_is("volumes: [{name: v, hostPath: {path: /srv}}, {name: e}],",
	       "command: [x], volumeMounts: [{name: v, mountPath: /a, readOnly: "
	       "true}, {name: e, mountPath: /b}]",
	       &nowhere,
	       START "--volume|/srv:/a:ro|--volume|/scratch/e:/b|--|x");
	run_is("",
	       "command: [x], ports: [{containerPort: 80, hostPort: 8080}, "
	       "{containerPort: 53, hostPort: 53, protocol: UDP, hostIP: "
	       "'::1'}, {containerPort: 443}]",
	       &nowhere,
	       START "--publish|8080:80/tcp|--publish|[::1]:53:53/udp|--|x");
	run_is("",
	       "command: [x], args: [-p, --, y], workingDir: /w, stdin: true, "
	       "tty: true",
	       &nowhere, START "--workdir|/w|--interactive|--tty|--|x|-p|--|y");
}

static void words_have_the_variables_of_env(void **state)
{
	static const struct {
		const char *arg, *want;
	} cases[] = {
		{ "$(A)", "1" },     { "x$(A)$(B)y", "x12-1y" },
		{ "$$(A)", "$(A)" }, { "$$$(A)", "$1" },
		{ "$(C)", "$(C)" }, /* perhaps the shell's */
		{ "$(A", "$(A" },    { "$", "$" },
		{ "$$", "$" },	     { "$A", "$A" },
		{ "$()", "$()" },    { "$(date $(A))", "$(date $(A))" },
	};
	char container[256], want[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)snprintf(container, sizeof(container),
			       "args: ['%s'], env: [{name: A, value: 1}, "
			       "{name: B, value: 2-$(A)$(X)}, {name: B, value: "
			       "2-$(A)}]",
			       cases[i].arg);
		(void)snprintf(want, sizeof(want),
			       START "--env|A=1|--env|B=2-1$(X)|--env|B=2-1|--|"
				     "%s",
			       cases[i].want);
		run_is("", container, &nowhere, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pod_is_made_by_its_fields),
		cmocka_unit_test(container_is_started_again_as_the_pod_says),
		cmocka_unit_test(
			container_that_is_waited_for_is_in_the_foreground),
		cmocka_unit_test(container_has_the_root_of_its_image),
		cmocka_unit_test(container_has_volumes_ports_and_the_rest),
		cmocka_unit_test(words_have_the_variables_of_env),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
