// SPDX-License-Identifier: GPL-2.0-or-later
/* Captured packets: what the kernel merged is cut, what it left out is there.
 */
#include "netstack/pcap.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "tests/unit/harness.h"
#include "tests/unit/packet.h"

#define L3 14

static struct pcap pcap;
static const struct timespec when = { 1700000000, 123456789 };

struct record {
	uint32_t s, ns, len;
	const uint8_t *data;
};

/* The file, and a place in it. */
struct file {
	int fd;
	uint8_t buf[400000];
	size_t len, at;
};
static struct file file;

static int setup(void **state)
{
	(void)state;
	file.fd = memfd_create("pcap", MFD_CLOEXEC);
	return file.fd < 0 || pcap_init(&pcap, file.fd, 0, false);
}

static int teardown(void **state)
{
	(void)state;
	fd_drop(&file.fd);
	return 0;
}

static uint32_t host32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void load(void)
{
	ssize_t n;

	assert_int_equal(pcap_flush(&pcap), 0);
	n = pread(file.fd, file.buf, sizeof(file.buf), 0);
	assert_true(n >= 24);
	file.len = (size_t)n;
	file.at = 24;
	assert_int_equal(file.len, pcap.written_bytes);
	assert_int_equal(host32(file.buf), 0xa1b23c4d);
	assert_int_equal(host32(file.buf + 20), 1);
}

static bool next(struct record *r)
{
	const uint8_t *p = file.buf + file.at;

	*r = (struct record){ .data = p };
	if (file.at == file.len)
		return false;
	*r = (struct record){ host32(p), host32(p + 4), host32(p + 8), p + 16 };
	assert_int_equal(r->len, host32(p + 12));
	file.at += 16 + r->len;
	assert_true(file.at <= file.len);
	assert_int_equal(r->s, when.tv_sec);
	assert_int_equal(r->ns, when.tv_nsec);
	return true;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 1071, the slow way: 0xffff when all is right. */
static uint32_t ones(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const uint8_t *f, size_t l3, size_t l4, size_t len)
{
	bool v6 = f[l3] >> 4 == 6;
	uint32_t sum = (uint32_t)(len - l4) + f[l3 + (v6 ? 6 : 9)];

	return ones(sum, f + l3 + (v6 ? 8 : 12), v6 ? 32 : 8);
}

static void good_sums(const struct record *r, size_t l3, size_t l4)
{
	if (r->data[l3] >> 4 == 4)
		assert_int_equal(ones(0, r->data + l3, l4 - l3), 0xffff);
	assert_int_equal(ones(pseudo(r->data, l3, l4, r->len), r->data + l4,
			      r->len - l4),
			 0xffff);
}

/* What the kernel leaves in the field for hardware. */
static void half_sum(uint8_t *f, size_t l4, size_t len, size_t offset)
{
	pkt_16(f + l4 + offset, pseudo(f, L3, l4, len));
}

static size_t build(uint8_t *f, const struct pkt *spec,
		    struct virtio_net_hdr *hdr)
{
	size_t len = pkt_build(f, spec);
	bool tcp = spec->proto == IPPROTO_TCP;

	*hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = strchr(spec->src, ':') ? 54 : 34,
		.csum_offset = tcp ? 16 : 6,
	};
	for (size_t i = 0; i < spec->data; i++)
		f[len - spec->data + i] = (uint8_t)(i * 7);
	half_sum(f, hdr->csum_start, len, hdr->csum_offset);
	return len;
}

static const struct pkt tcp4 = { .src = "10.0.2.100",
				 .dst = "198.51.100.1",
				 .proto = IPPROTO_TCP,
				 .sport = 40000,
				 .dport = 443,
				 .flags = 0x99, /* CWR ACK PSH FIN */
				 .data = 1000 };

static void missing_checksums_are_put_in(void **state)
{
	struct pkt udp = tcp4, tcp6 = tcp4;
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX];
	struct record r;

	(void)state;
	udp.proto = IPPROTO_UDP;
	tcp6.src = "fd00::100";
	tcp6.dst = "2001:db8::1";
	pcap_packet(&pcap, &when, &hdr, f, build(f, &tcp4, &hdr));
	pcap_packet(&pcap, &when, &hdr, f, build(f, &udp, &hdr));
	pcap_packet(&pcap, &when, &hdr, f, build(f, &tcp6, &hdr));
	load();
	for (int i = 0; i < 3; i++) {
		size_t l4 = i == 2 ? 54 : 34;

		assert_true(next(&r));
		assert_int_equal(ones(pseudo(r.data, L3, l4, r.len),
				      r.data + l4, r.len - l4),
				 0xffff);
	}
	assert_false(next(&r));
}

static void segments_are_as_a_card_would_cut_them(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t gso;
	} t[] = {
		{ "10.0.2.100", "198.51.100.1", VIRTIO_NET_HDR_GSO_TCPV4 },
		{ "fd00::100", "2001:db8::1",
		  VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pkt spec = tcp4;
		struct virtio_net_hdr hdr;
		uint8_t f[PKT_MAX], whole[PKT_MAX];
		size_t l4, seen = 0, n = 0;
		struct record r;

		assert_int_equal(setup(NULL), 0);
		spec.src = t[i].src;
		spec.dst = t[i].dst;
		(void)build(f, &spec, &hdr);
		(void)build(whole, &spec, &hdr);
		hdr.gso_type = t[i].gso;
		hdr.gso_size = 300;
		l4 = hdr.csum_start;
		pkt_16(f + 18, 0xfffe); /* IPv4's identification wraps */
		memcpy(f + l4 + 4, "\xff\xff\xff\x00", 4);
		pcap_packet(&pcap, &when, &hdr, f, l4 + 20 + 1000);
		load();
		while (next(&r)) {
			const uint8_t *l = r.data + l4;
			bool last = n == 3;
			size_t len = last ? 100 : 300;
			uint32_t seq = (uint32_t)(0xffffff00 + seen);

			assert_int_equal(r.len, l4 + 20 + len);
			good_sums(&r, L3, l4);
			assert_int_equal(
				(uint32_t)be16(l + 4) << 16 | be16(l + 6), seq);
			assert_int_equal(l[13], 0x10 | (n ? 0 : 0x80) |
							(last ? 0x09 : 0));
			if (l4 == 34)
				assert_int_equal(be16(r.data + 18),
						 (0xfffe + n) & 0xffff);
			assert_int_equal(be16(r.data + (l4 == 34 ? 16 : 18)),
					 r.len - (l4 == 34 ? 14 : 54));
			assert_memory_equal(l + 20, whole + l4 + 20 + seen,
					    len);
			seen += len;
			n++;
		}
		assert_int_equal(n, 4);
		assert_int_equal(seen, 1000);
		assert_int_equal(teardown(NULL), 0);
	}
	assert_int_equal(setup(NULL), 0); /* for the teardown */
}

/* BIG TCP: a packet that IPv4's length can't tell of. */
static void more_than_64k_is_cut_too(void **state)
{
	static uint8_t f[54 + 150000];
	struct virtio_net_hdr hdr;
	uint8_t head[PKT_MAX];
	struct record r;
	size_t seen = 0;

	(void)state;
	(void)build(head, &tcp4, &hdr);
	memcpy(f, head, 54);
	for (size_t i = 54; i < sizeof(f); i++)
		f[i] = (uint8_t)(i * 31 >> 3);
	pkt_16(f + 16, 0);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1448;
	pcap_packet(&pcap, &when, &hdr, f, sizeof(f));
	load();
	while (next(&r)) {
		good_sums(&r, L3, 34);
		assert_int_equal(be16(r.data + 16), r.len - 14);
		assert_memory_equal(r.data + 54, f + 54 + seen, r.len - 54);
		seen += r.len - 54;
	}
	assert_int_equal(seen, 150000);
}

static void udp_segments_are_datagrams(void **state)
{
	struct pkt spec = tcp4;
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX];
	struct record r;
	size_t n = 0;

	(void)state;
	spec.proto = IPPROTO_UDP;
	(void)build(f, &spec, &hdr);
	hdr.gso_type = 5; /* VIRTIO_NET_HDR_GSO_UDP_L4 */
	hdr.gso_size = 400;
	pcap_packet(&pcap, &when, &hdr, f, 42 + 1000);
	load();
	for (; next(&r); n++) {
		assert_int_equal(r.len, 42 + (n == 2 ? 200 : 400));
		assert_int_equal(be16(r.data + 38), r.len - 34);
		good_sums(&r, L3, 34);
	}
	assert_int_equal(n, 3);
}

/* What the header says may be nonsense: nothing is read behind the frame. */
static void nonsense_is_written_as_it_is(void **state)
{
	static const struct virtio_net_hdr bad[] = {
		{ 1, 1, 0, 100, 65535, 16 },  { 1, 1, 0, 0, 34, 16 },
		{ 1, 1, 0, 100, 20, 16 },     { 1, 0, 0, 0, 34, 65535 },
		{ 1, 0, 0, 0, 65535, 65535 }, { 1, 4, 0, 100, 34, 16 },
		{ 0, 1, 0, 100, 34, 16 },     { 1, 77, 0, 100, 34, 16 },
		{ 1, 1, 0, 100, 1030, 16 },
	};
	struct record r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct virtio_net_hdr hdr;
		uint8_t f[PKT_MAX];
		size_t len = build(f, &tcp4, &hdr);
		uint8_t *exact = malloc(len); /* so that ASan sees its end */

		assert_non_null(exact);
		memcpy(exact, f, len);
		pcap_packet(&pcap, &when, &bad[i], exact, len);
		free(exact);
	}
	pcap_packet(&pcap, &when, &bad[0], (uint8_t[]){ 1, 2, 3 }, 3);
	load();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(next(&r));
		assert_int_equal(r.len, 34 + 20 + 1000);
	}
	assert_true(next(&r));
	assert_int_equal(r.len, 3);
	assert_false(next(&r));
}

static void raw_changes_nothing(void **state)
{
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX], was[PKT_MAX];
	size_t len = build(f, &tcp4, &hdr);
	struct record r;

	(void)state;
	memcpy(was, f, len);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 100;
	assert_int_equal(ftruncate(file.fd, 0), 0);
	assert_int_equal(lseek(file.fd, 0, SEEK_SET), 0);
	assert_int_equal(pcap_init(&pcap, file.fd, 0, true), 0);
	pcap_packet(&pcap, &when, &hdr, f, len);
	load();
	assert_true(next(&r));
	assert_int_equal(r.len, len);
	assert_memory_equal(r.data, was, len);
}

static void time_goes_back_only_when_the_clock_is_set(void **state)
{
	struct timespec early = { when.tv_sec - 1, 999999999 },
			set = { when.tv_sec - 3600, 5 };
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX];
	struct record r;

	(void)state;
	pcap_packet(&pcap, &when, &hdr, f, build(f, &tcp4, &hdr));
	pcap_packet(&pcap, &early, &hdr, f, build(f, &tcp4, &hdr));
	load();
	assert_true(next(&r) && next(&r)); /* both have the time of the first */
	pcap_packet(&pcap, &set, &hdr, f, build(f, &tcp4, &hdr));
	load();
	file.at += 2 * (16 + r.len);
	assert_int_equal(host32(file.buf + file.at), set.tv_sec);
	assert_int_equal(host32(file.buf + file.at + 4), set.tv_nsec);
}

static void it_ends_at_its_size_with_a_whole_record(void **state)
{
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX];
	struct record r;
	size_t n = 0;

	(void)state;
	assert_int_equal(ftruncate(file.fd, 0), 0);
	assert_int_equal(lseek(file.fd, 0, SEEK_SET), 0);
	assert_int_equal(pcap_init(&pcap, file.fd, 4096, false), 0);
	for (int i = 0; i < 10; i++)
		pcap_packet(&pcap, &when, &hdr, f, build(f, &tcp4, &hdr));
	assert_true(pcap.full);
	load();
	while (next(&r))
		n++;
	assert_int_equal(n, 3);
	assert_true(file.len <= 4096);
}

static void first_error_is_kept_and_ends_it(void **state)
{
	struct virtio_net_hdr hdr;
	uint8_t f[PKT_MAX];
	scoped_fd full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(pcap_init(&pcap, full, 0, false), -ENOSPC);
	pcap_packet(&pcap, &when, &hdr, f, build(f, &tcp4, &hdr));
	assert_int_equal(pcap.err, ENOSPC);
	assert_int_equal(pcap_flush(&pcap), -ENOSPC);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(missing_checksums_are_put_in),
		TEST(segments_are_as_a_card_would_cut_them),
		TEST(more_than_64k_is_cut_too),
		TEST(udp_segments_are_datagrams),
		TEST(nonsense_is_written_as_it_is),
		TEST(raw_changes_nothing),
		TEST(time_goes_back_only_when_the_clock_is_set),
		TEST(it_ends_at_its_size_with_a_whole_record),
		TEST(first_error_is_kept_and_ends_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
