// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as rootlessport's configuration, and as an address to reload. They
 * are parsed or refused with a reason; what was parsed can be listened on.
 */
#include "setup/personality/rootlessport_config.h"
#include "tests/fuzz/fuzz.h"

static void check_port(const struct rootlessport_port *p)
{
	const struct spec *s = &p->spec;
	struct spec back;
	char text[SPEC_TEXT_MAX], err[SPEC_ERR_MAX];

	check(s->count >= 1 && s->pod_port >= 1 && s->host_port >= 1);
	check(s->host_port + s->count <= 65536);
	check(s->pod_port + s->count <= 65536);
	check(p->parent.family == AF_INET || p->parent.family == AF_INET6);
	check(p->proto[0] && memchr(p->proto, '\0', sizeof(p->proto)));
	/* in the words of a SPEC it means the same */
	spec_format(s, text, sizeof(text));
	check(spec_parse(text, &back, err) == 0 && spec_conflicts(s, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[ROOTLESSPORT_ERR_MAX] = "";
	struct rootlessport_config cfg;
	struct tape t = { data, size };
	char *text = (char *)tape_bytes(&t, &size);

	if (rootlessport_config_parse(&cfg, text, size, err)) {
		check(err[0] && memchr(err, '\0', sizeof(err)));
	} else {
		check(cfg.netns[0] && cfg.exit_fd > 0 && cfg.ready_fd > 0);
		check(cfg.child.family == AF_INET ||
		      cfg.child.family == AF_INET6);
		for (size_t i = 0; i < cfg.n_ports; i++)
			check_port(&cfg.ports[i]);
	}
	rootlessport_config_free(&cfg);
	free(text);
	return 0;
}
