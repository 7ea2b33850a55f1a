// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of the generators: one table of generators, one of options
 * with the generators they belong to; --help is printed from both.
 */
#include "bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/dgram.h"
#include "bench/generators.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"

#define EXIT_BENCH 125

enum {
	SERVE = 1,
	BULK = 2,
	RR = 4,
	CRR = 8,
	IDLE = 16,
	SPAWN = 32,
	DELAY = 64,
	UDP_BULK = 128,
	UDP_RR = 256,
	PORTS = 512,
	DNS = 1024,
	SERVE_DNS = 2048,
	HTTP = 4096
};

static const struct generator {
	const char *name, *operands, *help;
	unsigned int bit;
	uint64_t conns, size_bytes; /* defaults */
	int (*run)(const struct load_config *cfg);
} generators[] = {
	{ "serve", "ADDR PORT", "serve all the others, until SIGTERM", SERVE, 1,
	  1, load_serve },
	{ "bulk", "ADDR PORT", "payload, checked by the receiver", BULK, 1, 1,
	  load_bulk },
	{ "rr", "ADDR PORT", "round trips: latency", RR, 1, 1, load_rr },
	{ "crr", "ADDR PORT", "connect, 1 byte there and back, close", CRR, 1,
	  1, load_crr },
	{ "idle", "ADDR PORT", "connections held until stdin ends", IDLE, 1000,
	  1, load_idle },
	{ "udp-bulk", "ADDR PORT", "datagrams, checked and counted", UDP_BULK,
	  1, 1200, load_udp_bulk },
	{ "udp-rr", "ADDR PORT", "round trips of datagrams", UDP_RR, 1, 64,
	  load_udp_rr },
	{ "dns", "ADDR PORT", "names asked of a DNS server", DNS, 1, 1,
	  load_dns },
	{ "serve-dns", "ADDR PORT", "answer them, until SIGTERM", SERVE_DNS, 1,
	  1, load_serve_dns },
	{ "http", "ADDR PORT", "GET /SIZE: a file that holds the payload", HTTP,
	  1, 1024, load_http },
	{ "ports", "ADDR PORT", "one exchange with each of many ports", PORTS,
	  1, 64, load_ports },
	{ "delay", "IF_A IF_B", "be a long way between two interfaces", DELAY,
	  1, 1, load_delay },
	{ "spawn", "CMD [ARG…]", "time a command", SPAWN, 1, 1, load_spawn },
};

/*
 * "2", "0.25": in units of 10 ^ -@digits, of which @max wholes at most
 * Return: 0 or -EINVAL
 */
static int parse_decimal(const char *value, size_t digits, uint64_t max,
			 uint64_t *out)
{
	size_t whole = strcspn(value, ".");
	size_t n_digits = value[whole] ? strlen(value + whole + 1) : 0;
	uint64_t n, part = 0, unit = 1;

	for (size_t i = 0; i < digits; i++)
		unit *= 10;
	if (parse_uint_n(value, whole, 0, max, &n) || n_digits > digits)
		return -EINVAL;
	if (value[whole] && parse_uint(value + whole + 1, 0, unit - 1, &part))
		return -EINVAL;
	for (; n_digits < digits; n_digits++)
		part *= 10;
	*out = n * unit + part;
	return *out <= max * unit ? 0 : -EINVAL;
}

/* at least a millisecond, at most a day */
static int set_seconds(struct load_config *cfg, const char *value)
{
	uint64_t ms;

	if (parse_decimal(value, 3, 86400, &ms) || ms == 0)
		return -EINVAL;
	cfg->duration = mono_ms((int64_t)ms);
	return 0;
}

static int set_delay(struct load_config *cfg, const char *value)
{
	uint64_t us;

	if (parse_decimal(value, 3, 10000, &us))
		return -EINVAL;
	cfg->delay = (struct mono){ (int64_t)us * 1000 };
	return 0;
}

static int set_loss(struct load_config *cfg, const char *value)
{
	uint64_t ppm;

	if (parse_decimal(value, 6, 1, &ppm))
		return -EINVAL;
	cfg->loss_ppm = (uint32_t)ppm;
	return 0;
}

static int set_queue(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 65536, UINT64_C(1) << 30, &cfg->queue_bytes);
}

static int set_seed(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 0, UINT32_MAX, &cfg->seed);
}

static int set_bytes(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 1, UINT64_C(1) << 50, &cfg->bytes);
}

static int set_conns(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 1, LOAD_CONNS_MAX, &cfg->conns);
}

static int set_size(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 1, LOAD_SIZE_MAX, &cfg->size_bytes);
}

static int set_rate(struct load_config *cfg, const char *value)
{
	return parse_uint(value, 1, 100000, &cfg->mbits);
}

static int set_udp(struct load_config *cfg, const char *value)
{
	(void)value;
	cfg->udp = true;
	return 0;
}

static int set_wait(struct load_config *cfg, const char *value)
{
	(void)value;
	cfg->wait = true;
	return 0;
}

static int set_close(struct load_config *cfg, const char *value)
{
	(void)value;
	cfg->close = true;
	return 0;
}

static int set_reverse(struct load_config *cfg, const char *value)
{
	(void)value;
	cfg->reverse = true;
	return 0;
}

static const struct opt {
	unsigned int generators;
	const char *name, *arg, *help; /* arg == NULL: takes no value */
	int (*apply)(struct load_config *cfg, const char *value);
} opts[] = {
	{ BULK | RR | CRR | UDP_BULK | UDP_RR | DNS | HTTP, "seconds", "S",
	  "how long (2)", set_seconds },
	{ BULK, "bytes", "B", "so many per stream, instead of a time",
	  set_bytes },
	{ BULK | UDP_BULK, "reverse", NULL, "from the server to the client",
	  set_reverse },
	{ BULK, "streams", "N", "connections at once (1)", set_conns },
	{ RR | CRR | UDP_RR | DNS | HTTP, "clients", "N", "at once (1)",
	  set_conns },
	{ RR, "size", "BYTES", "of a message (1)", set_size },
	{ HTTP, "size", "BYTES", "of the file (1024)", set_size },
	{ HTTP, "close", NULL, "a connection for each request", set_close },
	{ DNS, "close", NULL, "a socket for each question", set_close },
	{ UDP_BULK | UDP_RR, "size", "BYTES",
	  "of a datagram, 24..9000 (1200, of round trips 64)", set_size },
	{ UDP_BULK, "rate", "MBIT", "a second; else all that go", set_rate },
	{ SERVE | PORTS, "udp", NULL, "serve UDP, too; or ask it, not TCP",
	  set_udp },
	{ PORTS, "wait", NULL, "ask each again until it answers", set_wait },
	{ SERVE | PORTS | IDLE | SPAWN, "count", "N",
	  "ports in a row (1), connections (1000), runs (1)", set_conns },
	{ DELAY, "delay-ms", "MS", "how long each way (10)", set_delay },
	{ DELAY, "loss", "SHARE", "of all frames, each way (0)", set_loss },
	{ DELAY, "queue", "BYTES", "under way at once, each way (32 MiB)",
	  set_queue },
	{ DELAY, "seed", "N", "of the pattern of what gets lost (0)",
	  set_seed },
};

static void usage(void)
{
	printf("Usage: podsplice bench-load GENERATOR [OPTION]… OPERAND…\n");
	for (size_t i = 0; i < ARRAY_SIZE(generators); i++) {
		const struct generator *g = &generators[i];

		printf("\n%s %s\n    %s\n", g->name, g->operands, g->help);
		for (size_t k = 0; k < ARRAY_SIZE(opts); k++)
			if (opts[k].generators & g->bit)
				printf("    --%s %-8s %s\n", opts[k].name,
				       opts[k].arg ? opts[k].arg : "",
				       opts[k].help);
	}
}

static const struct generator *find_generator(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(generators); i++)
		if (strcmp(generators[i].name, name) == 0)
			return &generators[i];
	return NULL;
}

static const struct opt *find_opt(const struct generator *g, const char *name,
				  size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++)
		if ((opts[i].generators & g->bit) &&
		    strlen(opts[i].name) == len &&
		    strncmp(opts[i].name, name, len) == 0)
			return &opts[i];
	return NULL;
}

/* Return: index of the first operand, or -EINVAL, logged */
static int parse_opts(const struct generator *g, struct load_config *cfg,
		      int argc, char **argv)
{
	int i;

	for (i = 0; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		const char *name = argv[i] + 2, *value;
		size_t len = strcspn(name, "=");
		const struct opt *o;

		if (*name == '\0')
			return i + 1;
		o = find_opt(g, name, len);
		value = name[len] ? name + len + 1 : NULL;
		if (o && o->arg && !value && i + 1 < argc)
			value = argv[++i];
		if (!o || !o->arg != !value || o->apply(cfg, value)) {
			log_error("bench-load %s: --%s: unknown option, or "
				  "bad value (see bench-load --help)",
				  g->name, name);
			return -EINVAL;
		}
	}
	return i;
}

static int parse_target(struct load_config *cfg, const struct generator *g,
			int argc, char **argv)
{
	struct ip ip;
	uint64_t port;

	if (argc != 2 || ip_parse(argv[0], &ip) ||
	    parse_uint(argv[1], g->bit & (SERVE | SERVE_DNS) ? 0 : 1, 65535,
		       &port)) {
		log_error("bench-load %s: wanted: an address and a port",
			  g->name);
		return -EINVAL;
	}
	if ((g->bit & (SERVE | PORTS)) && port + cfg->conns > 65536) {
		log_error("bench-load %s: there are no such ports", g->name);
		return -EINVAL;
	}
	cfg->target = endpoint_make(&ip, (uint16_t)port);
	return 0;
}

/* As many descriptors as we may have: the server and `idle` need them. */
static void raise_nofile(void)
{
	struct rlimit rl;

	/* ignored: whoever runs out says so */
	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static int run_generator(const struct generator *g, int argc, char **argv)
{
	struct load_config cfg = {
		.duration = mono_s(2),
		.conns = g->conns,
		.size_bytes = g->size_bytes,
		.delay = mono_ms(10),
		.queue_bytes = 32 << 20,
	};
	int i = parse_opts(g, &cfg, argc, argv);

	if (i < 0)
		return i;
	if (g->bit == SPAWN) {
		if (i >= argc) {
			log_error("bench-load spawn: wanted: a command");
			return -EINVAL;
		}
		cfg.command = argv + i;
		return g->run(&cfg);
	}
	if (g->bit == DELAY) {
		if (argc - i != 2) {
			log_error("bench-load delay: wanted: two interfaces");
			return -EINVAL;
		}
		cfg.interfaces[0] = argv[i];
		cfg.interfaces[1] = argv[i + 1];
		return g->run(&cfg);
	}
	if (parse_target(&cfg, g, argc - i, argv + i))
		return -EINVAL;
	if (cfg.bytes)
		cfg.duration = MONO_ZERO;
	if ((g->bit & (UDP_BULK | UDP_RR)) &&
	    (cfg.size_bytes < DGRAM_MIN || cfg.size_bytes > DGRAM_MAX)) {
		log_error("bench-load %s: a datagram has %zu to %d bytes",
			  g->name, DGRAM_MIN, DGRAM_MAX);
		return -EINVAL;
	}
	raise_nofile();
	return g->run(&cfg);
}

int bench_load_main(int argc, char **argv)
{
	const char *name = argc >= 2 ? argv[1] : "";
	const struct generator *g = find_generator(name);

	if (strcmp(name, "--help") == 0) {
		usage();
	} else if (!g) {
		log_error("bench-load: wanted: a generator "
			  "(see bench-load --help)");
		return EXIT_BENCH;
	} else if (run_generator(g, argc - 2, argv + 2)) {
		return EXIT_BENCH;
	}
	if (fflush(stdout)) {
		(void)log_errno(errno, "stdout");
		return EXIT_BENCH;
	}
	return 0;
}
