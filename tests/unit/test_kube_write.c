// SPDX-License-Identifier: GPL-2.0-or-later
/* What is written is what was meant, and is read back as that. */
#include "setup/kube/kube_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "setup/kube/kube_parse.h"
#include "tests/unit/capture.h"

/* As it is written: read and written, it is the same. */
static const char whole[] = "---\n"
			    "apiVersion: v1\n"
			    "kind: Pod\n"
			    "metadata:\n"
			    "  name: shop\n"
			    "spec:\n"
			    "  hostname: front\n"
			    "  restartPolicy: OnFailure\n"
			    "  shareProcessNamespace: true\n"
			    "  dnsPolicy: None\n"
			    "  dnsConfig:\n"
			    "    nameservers:\n"
			    "    - '192.0.2.1'\n"
			    "    - '2001:db8::1'\n"
			    "    searches:\n"
			    "    - example.org\n"
			    "  initContainers:\n"
			    "  - name: prepare\n"
			    "    command:\n"
			    "    - sh\n"
			    "    - '-c'\n"
			    "    - 'true'\n"
			    "  containers:\n"
			    "  - name: front\n"
			    "    image: 'nginx:1.25'\n"
			    "    command:\n"
			    "    - nginx\n"
			    "    args:\n"
			    "    - '-g'\n"
			    "    - 'daemon off;'\n"
			    "    workingDir: /srv\n"
			    "    env:\n"
			    "    - name: A\n"
			    "      value: '1'\n"
			    "    - name: EMPTY\n"
			    "      value: ''\n"
			    "    ports:\n"
			    "    - containerPort: 80\n"
			    "      hostPort: 8080\n"
			    "    - containerPort: 53\n"
			    "      hostPort: 5353\n"
			    "      hostIP: '127.0.0.1'\n"
			    "      protocol: UDP\n"
			    "    - containerPort: 443\n"
			    "    volumeMounts:\n"
			    "    - name: data\n"
			    "      mountPath: /data\n"
			    "    - name: conf\n"
			    "      mountPath: /etc/conf\n"
			    "      readOnly: true\n"
			    "    stdin: true\n"
			    "    tty: true\n"
			    "  volumes:\n"
			    "  - name: data\n"
			    "    emptyDir: {}\n"
			    "  - name: conf\n"
			    "    hostPath:\n"
			    "      path: /srv/conf\n"
			    "      type: Directory\n";

static struct kube_file parse(const char *text)
{
	struct kube_file f;

	if (kube_parse(&f, text, strlen(text), "f", false))
		fail_msg("%s", text);
	return f;
}

/* Return: what is written, to be freed */
static char *write_text(const struct kube_pod *pod)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(kube_write(f, pod), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void kube_writes_a_pod_as_it_was_read(void **state)
{
	struct kube_file f = parse(whole);
	char *text = write_text(f.pods);

	(void)state;
	assert_string_equal(text, whole);
	free(text);
	kube_file_drop(&f);
}

/* A pod with one container, whose command is one word. */
static struct kube_pod one_word(char *word)
{
	static char name[] = "a";
	static struct kube_container c;
	static char *words[1];

	words[0] = word;
	c = (struct kube_container){ .name = name, .command = { words, 1 } };
	return (struct kube_pod){ .name = name,
				  .containers = &c,
				  .n_containers = 1 };
}

static void kube_words_are_texts_whatever_is_in_them(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"a b",
		"yes",
		"No",
		"~",
		"null",
		"1",
		"1e3",
		"0x10",
		".inf",
		"-",
		"- a",
		"a: b",
		"a #b",
		"#",
		"&a",
		"*a",
		"!a",
		"|",
		">",
		"%",
		"@",
		"`",
		"{a}",
		"[a]",
		",",
		"'",
		"\"",
		"\\",
		"a\nb",
		"a\n",
		"\na",
		" a\n b\n\n",
		"\t",
		"a\tb",
		"\x01\x1b",
		"\x7f",
		"\xc3\xa9",
		"\xe2\x80\xa8",
		"---",
		"...",
		"<<",
		"a\r\nb",
		"\xef\xbb\xbf",
		"$(A) $$a",
		"=",
		"?",
		"? a",
		"2001-01-01",
		"12:30:45",
		"a ",
		"y",
		"\xf0\x9f\x90\x99",
		"\xc2\x85",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char word[64], *text;
		struct kube_pod pod;
		struct kube_file f;

		(void)snprintf(word, sizeof(word), "%s", texts[i]);
		pod = one_word(word);
		text = write_text(&pod);
		f = parse(text);
		assert_string_equal(f.pods->containers->command.all[0],
				    texts[i]);
		kube_file_drop(&f);
		free(text);
	}
}

static void kube_writes_no_text_that_is_no_utf8(void **state)
{
	char word[] = "a\xff", said[256];
	struct kube_pod pod = one_word(word);
	struct capture c = capture_start(STDERR_FILENO);
	FILE *f = fopen("/dev/null", "w");
	int rc = kube_write(f, &pod);

	(void)state;
	(void)fclose(f);
	capture_stop(&c, said, sizeof(said));
	assert_int_equal(rc, -EILSEQ);
	assert_true(is_one_message(said));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kube_writes_a_pod_as_it_was_read),
		cmocka_unit_test(kube_words_are_texts_whatever_is_in_them),
		cmocka_unit_test(kube_writes_no_text_that_is_no_utf8),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
