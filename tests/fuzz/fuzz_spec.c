// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any text as a SPEC. It is parsed or refused with a reason; what was parsed
 * keeps the promises of spec.h and survives being written and read again.
 */
#include "portfwd/spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SPEC_TEXT_MAX], again[SPEC_TEXT_MAX];
	char err[SPEC_ERR_MAX] = "";
	struct spec spec, back;
	char *in = malloc(size + 1);

	check(in != NULL);
	if (size)
		memcpy(in, data, size);
	in[size] = '\0';
	if (spec_parse(in, &spec, err)) {
		check(err[0] && memchr(err, '\0', sizeof(err)) != NULL);
		free(in);
		return 0;
	}
	free(in);
	check(spec.count >= 1 && spec.pod_port >= 1);
	check(spec.pod_port + spec.count <= 65536);
	check(!spec.host_port || spec.host_port + spec.count <= 65536);
	check(memchr(spec.ifname, '\0', sizeof(spec.ifname)) != NULL);
	check(spec.proto == SPEC_UDP || !spec.idle_s);
	check(spec.proto == SPEC_TCP || spec.proxy == SPEC_PROXY_NONE);
	spec_format(&spec, text, sizeof(text));
	check(strlen(text) < sizeof(text) - 1);
	check(spec_parse(text, &back, err) == 0);
	check(strcmp(spec_format(&back, again, sizeof(again)), text) == 0);
	check(spec_conflicts(&spec, &back) == (spec.host_port != 0));
	return 0;
}
