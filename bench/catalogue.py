# SPDX-License-Identifier: GPL-2.0-or-later
"""All peers, in the order of the tables' columns."""

from forwarders import (DockerProxy, PodspliceForward, Rootlessport, Socat,
                        VethNat)
from peers import (Native, Pasta, PastaSplice, PastaTap, Podsplice,
                   PodspliceSlirp, Rootlesskit, Slirp4netns)

PEERS = (Native, VethNat, Podsplice, PodspliceSlirp, Pasta, PastaTap,
         PastaSplice, Rootlesskit, Slirp4netns, PodspliceForward, Rootlessport,
         DockerProxy, Socat)
FIRST_PORT = 5201  # each has one of its own


def wanted(kind, against, baseline):
    """@against: names, "all" among them for all, or None for the usual."""
    if kind.name == baseline:
        return True
    if not against:
        return kind.default
    return kind is Podsplice or kind.name in against or "all" in against


def chosen(lab, against, baseline):
    """Those that can be measured; and {name: why not} of the others."""
    there, absent = [], {}
    for i, kind in enumerate(PEERS):
        peer = kind(lab, FIRST_PORT + i)
        if not wanted(kind, against, baseline):
            continue
        why = peer.absence()
        if why:
            absent[peer.name] = why
        else:
            there.append(peer)
    return there, absent
