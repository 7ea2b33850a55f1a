// SPDX-License-Identifier: GPL-2.0-or-later
/* Kubernetes' files: which fields are understood, and what is refused. */
#include "setup/kube/kube_parse.h"

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
#include "tests/unit/capture.h"

#define HEAD "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n"
/* 7 lines up to the command */
#define ONE HEAD "  containers:\n  - {name: a, command: [x]}\n"
/* a container on line 7 that goes on behind it */
#define MORE HEAD "  containers:\n  - name: a\n    command: [x]\n"

struct said {
	char text[2048];
};

static int parse(struct kube_file *f, const char *text, bool lax,
		 struct said *said)
{
	struct capture c = capture_start(STDERR_FILENO);
	int rc = kube_parse(f, text, strlen(text), "f", lax);

	capture_stop(&c, said->text, sizeof(said->text));
	return rc;
}

static struct kube_file must_parse(const char *text)
{
	struct kube_file f;
	struct said said;

	if (parse(&f, text, false, &said) || said.text[0])
		fail_msg("%s: %s", text, said.text);
	return f;
}

/* The one line is "podsplice: f:" and @why, perhaps with more behind it. */
static void must_fail(const char *text, const char *why)
{
	struct kube_file f;
	struct said said;
	char want[256];

	(void)snprintf(want, sizeof(want), "podsplice: f:%s", why);
	if (!parse(&f, text, false, &said))
		fail_msg("%s: taken", text);
	if (!is_one_message(said.text) ||
	    strncmp(said.text, want, strlen(want)) != 0)
		fail_msg("%s: '%s' instead of '%s'", text, said.text, want);
	kube_file_drop(&f);
}

/* The words of @t, with spaces between. */
static const char *words(const struct kube_texts *t, char buf[256])
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < t->n; i++)
		at += (size_t)snprintf(buf + at, 256 - at, "%s%s", i ? " " : "",
				       t->all[i]);
	return buf;
}

static const char whole[] =
	"# as from a cluster\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata:\n"
	"  name: shop\n"
	"  creationTimestamp: null\n"
	"  labels: {app: shop, tier: [1, 2]}\n"
	"  annotations:\n"
	"    a/b: c\n"
	"spec:\n"
	"  containers:\n"
	"  - name: front\n"
	"    image: docker.io/library/nginx:1.25\n"
	"    command: [nginx, -g]\n"
	"    args:\n"
	"    - daemon off;\n"
	"    workingDir: /srv\n"
	"    env:\n"
	"    - name: A\n"
	"      value: \"1\"\n"
	"    - name: EMPTY\n"
	"    - {name: N, value: 2}\n"
	"    ports:\n"
	"    - containerPort: 80\n"
	"      hostPort: 8080\n"
	"      name: http\n"
	"    - {containerPort: 53, hostPort: 5353, protocol: UDP, hostIP: 127.0.0.1}\n"
	"    - containerPort: 443\n"
	"    volumeMounts:\n"
	"    - {name: data, mountPath: /data}\n"
	"    - {name: conf, mountPath: /etc/conf, readOnly: true}\n"
	"    resources: {}\n"
	"  - name: back\n"
	"    args: [serve]\n"
	"    stdin: true\n"
	"    tty: true\n"
	"  initContainers:\n"
	"  - {name: prepare, image: box, command: [sh, -c, \"true\"]}\n"
	"  volumes:\n"
	"  - name: data\n"
	"    emptyDir: {medium: Memory}\n"
	"  - name: conf\n"
	"    hostPath: {path: /srv/conf, type: DirectoryOrCreate}\n"
	"  - name: plain\n"
	"  restartPolicy: OnFailure\n"
	"  hostname: front\n"
	"  shareProcessNamespace: true\n"
	"  dnsPolicy: None\n"
	"  dnsConfig:\n"
	"    nameservers: [192.0.2.1, '2001:db8::1']\n"
	"    searches: [example.org]\n"
	"status: {}\n";

static void kube_reads_a_pod(void **state)
{
	struct kube_file f = must_parse(whole);
	const struct kube_pod *p = f.pods;
	char buf[256];

	(void)state;
	assert_int_equal(f.n_pods, 1);
	assert_string_equal(p->name, "shop");
	assert_string_equal(p->hostname, "front");
	assert_int_equal(p->restart, KUBE_RESTART_ON_FAILURE);
	assert_true(p->share_pids);
	assert_string_equal(words(&p->nameservers, buf),
			    "192.0.2.1 2001:db8::1");
	assert_string_equal(words(&p->searches, buf), "example.org");
	assert_int_equal(p->n_volumes, 3);
	assert_string_equal(p->volumes[0].name, "data");
	assert_null(p->volumes[0].path);
	assert_string_equal(p->volumes[1].path, "/srv/conf");
	assert_int_equal(p->volumes[1].type, KUBE_PATH_DIR_OR_MAKE);
	assert_null(p->volumes[2].path);
	assert_int_equal(p->n_init, 1);
	assert_string_equal(words(&p->init[0].command, buf), "sh -c true");
	assert_int_equal(p->n_containers, 2);
	kube_file_drop(&f);
}

static void kube_reads_containers(void **state)
{
	struct kube_file f = must_parse(whole);
	const struct kube_container *c = f.pods[0].containers;
	char buf[256];

	(void)state;
	assert_string_equal(c->name, "front");
	assert_string_equal(c->image, "docker.io/library/nginx:1.25");
	assert_string_equal(words(&c->command, buf), "nginx -g");
	assert_int_equal(c->args.n, 1);
	assert_string_equal(c->args.all[0], "daemon off;");
	assert_string_equal(c->workdir, "/srv");
	assert_int_equal(c->n_env, 3);
	assert_string_equal(c->env[0].value, "1");
	assert_string_equal(c->env[1].name, "EMPTY");
	assert_string_equal(c->env[1].value, "");
	assert_string_equal(c->env[2].value, "2");
	assert_int_equal(c->n_ports, 3);
	assert_int_equal(c->ports[0].container, 80);
	assert_int_equal(c->ports[0].host, 8080);
	assert_int_equal(c->ports[0].host_ip.family, 0);
	assert_false(c->ports[0].udp);
	assert_true(c->ports[1].udp);
	assert_int_equal(c->ports[1].host_ip.family, AF_INET);
	assert_int_equal(c->ports[2].host, 0);
	assert_int_equal(c->n_mounts, 2);
	assert_int_equal(c->mounts[0].volume, 0);
	assert_false(c->mounts[0].read_only);
	assert_int_equal(c->mounts[1].volume, 1);
	assert_string_equal(c->mounts[1].path, "/etc/conf");
	assert_true(c->mounts[1].read_only);
	assert_false(c->in || c->tty);
	assert_null(c[1].image);
	assert_true(c[1].in && c[1].tty);
	kube_file_drop(&f);
}

static void kube_has_the_defaults_of_kubernetes(void **state)
{
	struct kube_file f = must_parse(ONE);
	const struct kube_pod *p = f.pods;

	(void)state;
	assert_int_equal(p->restart, KUBE_RESTART_ALWAYS);
	assert_null(p->hostname);
	assert_false(p->share_pids);
	assert_int_equal(p->nameservers.n + p->searches.n + p->n_volumes, 0);
	assert_null(p->containers[0].image);
	kube_file_drop(&f);
}

static void kube_takes_null_for_not_given(void **state)
{
	struct kube_file f = must_parse(MORE "    image: null\n"
					     "    env: ~\n"
					     "    ports:\n"
					     "  hostname:\n");

	(void)state;
	assert_null(f.pods[0].containers[0].image);
	assert_null(f.pods[0].hostname);
	kube_file_drop(&f);
	must_fail(HEAD "  containers: null\n", "6: spec.containers: missing");
}

static void kube_reads_several_documents(void **state)
{
	struct kube_file f = must_parse(
		"---\n" ONE "---\n# nothing\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: "
		"{containers: [{name: a, args: [y]}]}}\n...\n");

	(void)state;
	assert_int_equal(f.n_pods, 2);
	assert_string_equal(f.pods[0].name, "web");
	assert_string_equal(f.pods[1].name, "b");
	kube_file_drop(&f);
	must_fail(ONE "---\n" ONE, "9: web is there twice");
	must_fail("", " no pod in it");
	must_fail("---\n---\n", " no pod in it");
}

static void kube_refuses_unknown_fields_by_name(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ ONE "  hostNetwork: true\n", "8: spec.hostNetwork: not sup" },
		{ ONE "  tolerations: []\n", "8: spec.tolerations: not sup" },
		{ ONE "data: {}\n", "8: data: not supported (--lax " },
		{ MORE "    livenessProbe: {}\n",
		  "9: spec.containers[0].livenessProbe: not supported" },
		{ MORE "    env: [{name: A, valueFrom: {}}]\n",
		  "9: spec.containers[0].env[0].valueFrom: not supported" },
		{ MORE "    resources: {limits: {cpu: 1}}\n",
		  "9: spec.containers[0].resources: not supported unless" },
		{ HEAD "  volumes: [{name: v, configMap: {name: x}}]\n",
		  "6: spec.volumes[0].configMap: not supported" },
		{ HEAD "  volumes: [{name: v, emptyDir: {sizeLimit: 1}}]\n",
		  "6: spec.volumes[0].emptyDir.sizeLimit: not supported" },
		{ ONE "  dnsConfig: {options: []}\n",
		  "8: spec.dnsConfig.options: not supported" },
		{ "apiVersion: apps/v1\nkind: Deployment\n",
		  "2: kind: Deployment is not supported" },
		{ ONE "---\nkind: ConfigMap\n",
		  "9: kind: ConfigMap is not supported" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].why);
}

static void kube_leaves_unknown_fields_out_when_lax(void **state)
{
	struct kube_file f;
	struct said said;

	(void)state;
	if (parse(&f,
		  "kind: Service\nspec: {a: b}\n---\n" MORE
		  "    livenessProbe: {a: b}\n"
		  "    resources: {limits: {}}\n"
		  "  nodeName: x\n",
		  true, &said))
		fail_msg("%s", said.text);
	assert_int_equal(f.n_pods, 1);
	assert_int_equal(f.pods[0].n_containers, 1);
	assert_string_equal(
		said.text,
		"podsplice: f:1: kind: Service is not supported, left out\n"
		"podsplice: f:14: spec.nodeName: unknown, left out\n"
		"podsplice: f:12: spec.containers[0].livenessProbe: unknown, "
		"left out\n"
		"podsplice: f:13: spec.containers[0].resources: not "
		"supported, left out\n");
	kube_file_drop(&f);
	/* what is wrong stays wrong */
	assert_int_not_equal(parse(&f, MORE "    ports: [{containerPort: 0}]\n",
				   true, &said),
			     0);
	kube_file_drop(&f);
}

static void kube_refuses_what_is_missing(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "kind: Pod\n", "1: apiVersion: missing" },
		{ "apiVersion: v1\n", "1: kind: missing" },
		{ "apiVersion: v1\nkind: Pod\n", "1: metadata: missing" },
		{ "apiVersion: v1\nkind: Pod\nmetadata: {}\n",
		  "3: metadata.name: missing" },
		{ "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
		  "1: spec: missing" },
		{ HEAD "  hostname: a\n", "6: spec.containers: missing" },
		{ HEAD "  containers: []\n", "6: spec: no containers" },
		{ HEAD "  containers: [{command: [x]}]\n",
		  "6: spec.containers[0].name: missing" },
		{ HEAD "  containers: [{name: a}]\n",
		  "6: spec.containers[0]: no command" },
		{ MORE "    ports: [{hostPort: 1}]\n",
		  "9: spec.containers[0].ports[0].containerPort: missing" },
		{ MORE "    volumeMounts: [{name: v, mountPath: /v}]\n",
		  "9: spec.containers[0].volumeMounts[0].name: 'v' is no "
		  "volume" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].why);
}

static void kube_refuses_values_of_the_wrong_sort(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "a\n", "1: not fields with values" },
		{ "[a]\n", "1: not fields with values" },
		{ "apiVersion: v2\nkind: Pod\n",
		  "1: apiVersion: 'v2' is none" },
		{ "apiVersion: v1\nkind: [Pod]\n",
		  "2: kind: '' is none of Pod" },
		{ ONE "  restartPolicy: always\n",
		  "8: spec.restartPolicy: 'always' is none of Always, OnFailure, "
		  "Never" },
		{ ONE "  hostname: a.b\n", "8: spec.hostname: not a name" },
		{ ONE "  hostname: a\n  hostname: b\n",
		  "9: spec: hostname is there twice" },
		{ ONE "  ? [a]\n  : b\n", "8: spec: a key that is no word" },
		{ ONE "  shareProcessNamespace: yes\n",
		  "8: spec.shareProcessNamespace: 'yes' is none of false, true" },
		{ ONE "  dnsConfig: {nameservers: [dns.example]}\n",
		  "8: spec.dnsConfig.nameservers[0]: not an address" },
		{ ONE "  dnsPolicy: None\n",
		  "8: spec.dnsPolicy: None, without dnsConfig.nameservers" },
		{ HEAD "  containers: {}\n", "6: spec.containers: not a list" },
		{ HEAD "  containers: [a]\n",
		  "6: spec.containers[0]: not fields with values" },
		{ MORE "    args: x\n",
		  "9: spec.containers[0].args: not a li" },
		{ MORE "    args: [[]]\n",
		  "9: spec.containers[0].args[0]: not a text" },
		{ MORE "    args: [\"a\\0b\"]\n",
		  "9: spec.containers[0].args[0]: not a text" },
		{ MORE "    workingDir: srv\n",
		  "9: spec.containers[0].workingDir: not an absolute path" },
		{ MORE "    env: [{name: A=B}]\n",
		  "9: spec.containers[0].env[0].name: not a variable's name" },
		{ MORE "    ports: [{containerPort: 65536}]\n",
		  "9: spec.containers[0].ports[0].containerPort: not a number "
		  "from 1 to 65535" },
		{ MORE "    ports: [{containerPort: 1, protocol: SCTP}]\n",
		  "9: spec.containers[0].ports[0].protocol: 'SCTP' is none of "
		  "TCP, UDP" },
		{ MORE "    ports: [{containerPort: 1, hostIP: eth0}]\n",
		  "9: spec.containers[0].ports[0].hostIP: not an address" },
		{ MORE "  - {name: a, command: [y]}\n",
		  "9: spec.containers[1]: a is there twice" },
		{ ONE "  initContainers: [{name: a, command: [y]}]\n",
		  "7: spec.containers[0]: a is there twice" },
		{ HEAD "  volumes: [{name: v}, {name: v}]\n",
		  "6: spec.volumes[1]: v is there twice" },
		{ HEAD "  volumes: [{name: ../v}]\n",
		  "6: spec.volumes[0].name: not a name" },
		{ HEAD "  volumes: [{name: v, hostPath: {path: v}}]\n",
		  "6: spec.volumes[0].hostPath.path: not an absolute path" },
		{ HEAD "  volumes: [{name: v, hostPath: {path: \"/a:b\"}}]\n",
		  "6: spec.volumes[0].hostPath.path: a path with ':' in it" },
		{ HEAD "  volumes: [{name: v, hostPath: {path: /a}, emptyDir: "
		       "{}}]\n",
		  "6: spec.volumes[0].emptyDir: there is a hostPath, too" },
		{ HEAD "  volumes: [{name: v, hostPath: {path: /a, type: "
		       "Disk}}]\n",
		  "6: spec.volumes[0].hostPath.type: 'Disk' is none of" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].why);
}

static void kube_refuses_names_that_a_pod_can_not_have(void **state)
{
	static const char *const names[] = { "Web", "-a", "a/b", "../a",
					     "''",  "[]", "a b" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(text, sizeof(text),
			       "apiVersion: v1\nkind: Pod\nmetadata:\n  "
			       "name: %s\n",
			       names[i]);
		must_fail(text, "4: metadata.name: not a name");
	}
	/* 62 letters, and one more with the container's */
	must_fail(
		"apiVersion: v1\nkind: Pod\nmetadata:\n  name: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
		"spec: {containers: [{name: b, command: [x]}]}\n",
		"5: spec.containers[0]: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaa-b is too long");
}

static void kube_refuses_what_is_no_yaml(void **state)
{
	(void)state;
	must_fail("a: [b\n", "2: no YAML: ");
	must_fail("a: b: c\n", "1: no YAML: ");
	must_fail("a: *b\n", "1: no YAML: ");
	must_fail("a: \xff\n", "1: no YAML: ");
	must_fail(ONE "---\n\tx", "9: no YAML: ");
}

static void kube_takes_aliases_but_not_without_end(void **state)
{
	struct kube_file f =
		must_parse(HEAD "  containers:\n"
				"  - {name: a, command: &c [x], args: *c}\n"
				"  - {name: b, command: *c}\n");
	char text[8192] = HEAD "  containers: [";
	size_t at = strlen(text);

	(void)state;
	assert_string_equal(f.pods[0].containers[1].command.all[0], "x");
	kube_file_drop(&f);
	/* a list that has itself in it */
	must_fail(HEAD "  containers: &a [*a]\n",
		  "6: spec.containers[0]: not fields with values");
	/* 300 lists of 300 words are 90,000 */
	at += (size_t)snprintf(text + at, sizeof(text) - at,
			       "{name: a, args: &b [x");
	for (int i = 0; i < 300; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",x");
	at += (size_t)snprintf(text + at, sizeof(text) - at, "]}");
	for (int i = 0; i < 300; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       ",{name: a%d,args: *b}", i);
	(void)snprintf(text + at, sizeof(text) - at, "]\n");
	must_fail(text, "6: spec.containers[21");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kube_reads_a_pod),
		cmocka_unit_test(kube_reads_containers),
		cmocka_unit_test(kube_has_the_defaults_of_kubernetes),
		cmocka_unit_test(kube_takes_null_for_not_given),
		cmocka_unit_test(kube_reads_several_documents),
		cmocka_unit_test(kube_refuses_unknown_fields_by_name),
		cmocka_unit_test(kube_leaves_unknown_fields_out_when_lax),
		cmocka_unit_test(kube_refuses_what_is_missing),
		cmocka_unit_test(kube_refuses_values_of_the_wrong_sort),
		cmocka_unit_test(kube_refuses_names_that_a_pod_can_not_have),
		cmocka_unit_test(kube_refuses_what_is_no_yaml),
		cmocka_unit_test(kube_takes_aliases_but_not_without_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
