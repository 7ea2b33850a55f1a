// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What takes UDP's answers to a client's address back to a forwarder in the
 * same namespace. In nft(8)'s words (IPv6 has its twin of each rule):
 *
 * table inet podsplice {
 *  set udp4 { ipv4_addr . port . ipv4_addr . port; timeout 10m }
 *  chain output { type route hook output, mangle
 *   mark MARK, UDP: update @udp4 { reversed key }       accept
 *   UDP, key @udp4: update @udp4                        mark set MARK
 *  }
 * }
 *
 * The question puts the answers' 4-tuple into the set before the server has
 * seen it; a route chain looks for another route when the mark has changed. No
 * conntrack: nothing else in the namespace pays for it.
 */
#include <netinet/in.h> /* before <linux/netfilter.h> */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netstack/base/list.h"
#include "setup/net/nft.h"
#include "setup/net/nft_rules.h"

#define SET_SIZE    65536
#define TIMEOUT_MS  600000ULL /* longer than portfwd's flows are idle */
#define PRIO_MANGLE (-150)

static const char chain[] = "output";

static void family_rules(struct nft_batch *b, const struct nft_family *f,
			 uint32_t mark)
{
	const struct nft_set_opts o = {
		.key_type = f->key_type,
		.key_bytes = f->key_bytes,
		.size = SET_SIZE,
		.timeout_ms = TIMEOUT_MS,
	};
	struct nft_rule r;

	nft_set(b, NFPROTO_INET, &f->udp, &o);
	r = nft_rule_start(b, NFPROTO_INET, chain);
	nft_rules_proto(&r, f, IPPROTO_UDP);
	nft_meta(&r, NFT_META_MARK, NFT_CMP_EQ, &mark, sizeof(mark));
	nft_rules_key(&r, f, true);
	nft_dynset(&r, &f->udp, NFT_DYNSET_OP_UPDATE);
	nft_verdict(&r, NF_ACCEPT);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_INET, chain);
	nft_rules_proto(&r, f, IPPROTO_UDP);
	nft_rules_key(&r, f, false);
	nft_lookup(&r, &f->udp);
	nft_dynset(&r, &f->udp, NFT_DYNSET_OP_UPDATE);
	nft_meta_set(&r, NFT_META_MARK, &mark, sizeof(mark));
	nft_rule_end(&r);
}

int nft_inbound_install(uint32_t mark)
{
	static const struct nft_family *const fams[] = { &nft_fam4, &nft_fam6 };
	struct nft_batch b;
	int rc = nft_batch_begin(&b, "podsplice");

	if (rc)
		return rc;
	nft_table_anew(&b, NFPROTO_INET);
	nft_route_chain(&b, chain, PRIO_MANGLE);
	for (size_t i = 0; i < ARRAY_SIZE(fams); i++)
		family_rules(&b, fams[i], mark);
	return nft_batch_commit(&b);
}
