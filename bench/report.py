# SPDX-License-Identifier: GPL-2.0-or-later
"""A report of one run as a page of HTML that needs nothing but itself."""

import math
import re
import statistics
import xml.etree.ElementTree as ET

from charts import (PERCENTILES, Bar, Lane, Line, bars, curves, el, lanes,
                    percentile_key)
from records import (DISTURBED, MORE_IS_BETTER, NO_HELPER, OURS, attempt,
                     cross_checks, factor, medians, number, plain, ratios,
                     read, sentence, series, spread, tell_check, times,
                     where_behind, where_first, write_file)
from rows import CPU
from style import STYLE
from summary import best_rival, measured

TONES = 12  # of style.py, for peers
ALIKE = 0.02  # less apart is nothing to speak of
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TIMES = (("", ""), ("connect_", ", until connected"),
         ("total_", ", until closed"))  # as crr names what it has of these

MACHINE = {"cpu": "Processor", "memory_mib": "Memory, MiB",
           "load": "Load at the start", "as": "Measured as",
           "link_mtu": "MTU of the link",
           "seconds": "Seconds per measurement",
           "calm": "Per cent that others might use",
           "congestion": "Congestion control wanted",
           "connections": "Idle connections held",
           "held": "Connections held, other host",
           "ports": "Ports of the row of many"}
PATH = {"listens": "Who listens",
        "seen_loopback": "Server sees loopback as",
        "seen_other": "Server sees other host as",
        "seen_egress": "Egress is seen as",
        "relay_loopback": "Relay of loopback",
        "relay_other": "Relay of other host",
        "relay_egress": "Relay of egress", "relay_udp": "Relay",
        "congestion": "Congestion control"}

HOW = (
    "Two hosts are made in namespaces of their own, and every peer runs on "
    "one of them as an ordinary account. A round measures every row with "
    "every peer before the next round begins, and each round begins with "
    "another peer, so that what disturbs the machine disturbs all of them.",
    "Figures are medians of the rounds; the thin line over a bar reaches from "
    "the lower to the upper quartile. A ratio is computed within each round, "
    "then its median is taken. The generators check every byte of the "
    "payload: a run that failed is named below and is no figure.")

GROUPS = (
    ("Throughput", lambda unit: unit in ("Gbit/s", "Mbit/s")),
    ("Round trips and requests", lambda unit: unit in ("us", "1/s")),
    ("Loss", lambda unit: unit == "%"),
    ("Time to start and to be ready", lambda unit: unit in ("ms", "s")),
    ("Processor time", lambda unit: unit.startswith(CPU)),
    ("Memory and descriptors", lambda unit: True))


def pretty(text):
    return text.replace(" -> ", " → ")


def pretty_unit(unit):
    return {"us": "µs", "": "number"}.get(unit, unit)


def direction(unit):
    return "more is better" if unit in MORE_IS_BETTER else "less is better"


def grouped(rows):
    """(title, {key: by_peer}) of those groups that there are."""
    left = dict(rows)
    for title, belongs in GROUPS:
        group = {key: left.pop(key) for key in list(left) if belongs(key[1])}
        if group:
            yield title, group


class Page:
    """The parts of a report."""

    def __init__(self, figures):
        self.figures = figures
        self.base = figures.baseline()
        self.peers = figures.peers()
        others = [p for p in self.peers if p not in (OURS, "native")]
        self.tones = {OURS: "us", "native": "base",
                      **{p: f"r{i % TONES}" for i, p in enumerate(others)}}

    def present(self, by_peer):
        return [p for p in self.peers if by_peer.get(p)]

    def html(self):
        parts = [("summary", "In short", self.summary()),
                 ("first", None, self.verdict()),
                 ("figures", "Figures", self.figure_charts()),
                 ("latency", "How latencies are distributed", self.latency()),
                 ("scaling", "With more clients and streams", self.scaling()),
                 ("peers", f"Ratios: {OURS} against its peers", self.against()),
                 ("ratios", f"Ratios to {self.base}", self.ratio_charts()),
                 ("wrong", "Failures and notes", self.wrong()),
                 ("how", "How it was measured", self.how()),
                 ("machine", "The machine and its settings", self.machine())]
        parts = [p for p in parts if p[2]]
        titles = {name: title or "Where it is first, and where not"
                  for name, title, _ in parts}
        body = el("body", self.head(), el("nav", el("ul", *(
            el("li", el("a", title, href=f"#{name}"))
            for name, title in titles.items())), **{"aria-label": "Parts"}),
            el("main", *(el("section", el("h2", title) if title else None,
                            *content, id=name)
                         for name, title, content in parts)))
        page = el("html", el(
            "head", el("meta", charset="utf-8"),
            el("meta", name="viewport",
               content="width=device-width, initial-scale=1"),
            el("meta", content=POLICY,
               **{"http-equiv": "Content-Security-Policy"}),
            el("title", "podsplice bench: " + self.subject()),
            el("style", STYLE)), body, lang="en")
        return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode",
                                                 method="html") + "\n"

    # What it is about

    def subject(self):
        m = self.figures.machine
        return ", ".join(str(m[k]) for k in ("date", "cpu") if m.get(k))

    def head(self):
        m = self.figures.machine
        facts = [self.subject(), f"Linux {m['kernel']}" if "kernel" in m
                 else "", f"{m['rounds']} rounds" if "rounds" in m else "",
                 f"{len(self.peers)} compared",
                 f"{len(self.figures.rows)} rows"]
        return el("header", el("h1", "Rootless networking, measured"),
                  el("p", " · ".join(f for f in facts if f), cls="soft"))

    # The few rows that tell most

    def summary(self):
        cards = [self.main_card(main, keys)
                 for main, keys in measured(self.figures)]
        content = [el("p", "Bars are rates, times and costs, the line over "
                      "one from the lower to the upper quartile; latencies "
                      "are a dot for the median and a ring for p99, on a "
                      f"logarithmic scale. Below stands how {OURS} compares "
                      "with the best of its peers.")]
        checks = [tell_check(*x) for x in cross_checks(self.figures).items()]
        if checks:
            content.append(el("p", "Cross-check by iperf3: "
                              + "; ".join(checks) + ".",
                              cls="warn" if "beyond" in " ".join(checks)
                              else None))
        return content + [el("div", *cards, cls="cards")] if cards else None

    def main_card(self, main, keys):
        unit = f"{pretty_unit(main.unit)}, {direction(main.unit)}"
        chart = self.main_bars if len(keys) == 1 else self.main_lanes
        return el("div", el("h4", el("a", capital(main.text),
                                     href=f"#{self.anchor(keys[0])}")),
                  el("p", unit, cls="soft small"), chart(main, keys),
                  self.failed(keys), *map(self.beside_best, keys), cls="card")

    def main_bars(self, main, keys):
        by_peer = self.figures.rows[keys[0]]
        entries = [Bar(p, self.tones[p], *spread(list(by_peer[p].values())),
                       number(statistics.median(by_peer[p].values())))
                   for p in self.present(by_peer)]
        return bars(entries, described(main.text, main.unit, entries))

    def main_lanes(self, main, keys):
        entries = []
        for peer in self.peers:
            values = [medians(self.figures.rows, key, peer) for key in keys]
            if all(values):
                middles = [v[0] for v in values]
                entries.append(Lane(
                    peer, self.tones[peer], dict(zip(("p50", "p99"), middles)),
                    " / ".join(map(number, middles))))
        return lanes(entries, described(main.text, main.unit, entries),
                     duration)

    def beside_best(self, key):
        best = best_rival(self.figures, key)
        if not best:
            return None
        peer, ratio = best
        which = re.search(r" (p[\d.]+)$", key[0])
        what = f"{which[1]}: " if which else ""
        if abs(ratio - 1) < ALIKE:
            return el("p", f"{what}= {peer}, the best peer", cls="verdict")
        if ratio > 1:
            by = f"×{times(ratio)} as good as" if ratio < math.inf else \
                "better than"
            return el("p", f"{what}▲ {by} {peer}, the best peer",
                      cls="verdict good")
        by = f"×{times(1 / ratio)} as good" if ratio > 0 else "better"
        return el("p", f"{what}▼ {peer} is {by}", cls="verdict bad")

    def failed(self, keys):
        """Who has no figure though it was measured."""
        names = [p for p in dict.fromkeys(
            x.peer for x in self.figures.failures)
            if any(self.figures.failed(key, p) for key in keys)]
        return el("p", f"Failed: {', '.join(names)}", cls="verdict bad") \
            if names else None

    def anchor(self, key):
        return f"row-{list(self.figures.rows).index(key) + 1}"

    def machine(self):
        facts = self.figures.machine.items()
        return [el("dl", *(x for k, v in facts if not isinstance(v, dict)
                           for x in fact(MACHINE.get(k, words(k)), v)))] + [
            el("div", el("h3", MACHINE.get(k, words(k))), el("dl", *(
                x for name, value in v.items() for x in fact(name, value))))
            for k, v in facts if isinstance(v, dict)]

    def how(self):
        shares = self.figures.shares()
        content = [el("p", text) for text in HOW]
        if shares:
            middle = statistics.median(shares)
            content.append(el(
                "p", f"Others used {middle:.0%} of the machine meanwhile "
                f"(median of the measurements), at most {max(shares):.0%}."
                + (" That is a lot: take small differences for none."
                   if middle > DISTURBED else ""),
                cls="warn" if middle > DISTURBED else None))
        if self.figures.absent:
            content.append(el("p", "Not compared. " + "; ".join(
                self.figures.absent)))
        if self.figures.far:
            content.append(el("p", "The far leg: " + plain(
                {k: v for k, v in self.figures.far.items() if k != "line"})))
        if self.figures.paths:
            content += [
                el("h3", "What really was measured"),
                el("p", "Looked at before: the processes, who listens, and "
                   "which address is seen at the other end. A peer that "
                   "isn’t on the path of its name has no figures."),
                el("div", *self.paths(), cls="cards")]
        return content

    def paths(self):
        """A card for each peer: what was found."""
        found = {}
        for what, all_facts in (("", self.figures.paths),
                                ("UDP: ", self.figures.udp_paths)):
            for facts in all_facts:
                lines = found.setdefault(facts["peer"], {})
                for k, v in facts.items():
                    if k != "peer" and v not in ("", []) and \
                            not k.startswith("crossed_"):
                        lines[what + PATH.get(k, words(k))] = v
        for peer, lines in found.items():
            yield el("div", el("h4", peer, cls=self.tones.get(peer)),
                     el("dl", *(x for name, value in lines.items()
                                for x in fact(name, value))), cls="card")

    # Ratios

    def verdict(self):
        rows = self.figures.rows
        behind = list(where_behind(rows))
        first = list(where_first(rows))
        if not self.figures.rivals():
            return None
        return [el("div", *(
            el("div", el("h2", title), el("p", intro), *sentences(leads))
            for title, intro, leads in (
                (f"Where {OURS} isn’t first", f"{count_rows(behind)} in which "
                 f"a peer is ahead, by the median of the ratios per round. "
                 f"What has no helper ({', '.join(NO_HELPER)}) is no peer.",
                 behind),
                (f"Where {OURS} is first", f"{count_rows(first)} in which it "
                 f"is ahead of every peer; named is the next best.", first))),
            cls="pair")]

    def against(self):
        rivals = self.figures.rivals()
        if not rivals:
            return None
        content = [el(
            "p", f"×2 is twice as good as that peer: double the rate, or half "
            f"the time, the loss, the memory or the processor time. ▲ {OURS} "
            f"is ahead, ▼ it is behind, = less than 2 % apart. Where one of "
            f"the two is zero there is no ratio, but {OURS}’s figure and the "
            f"peer’s.")]
        for title, group in grouped(self.figures.rows):
            items = [el("li", el("div", pretty(key[0])), el("ul", *chips,
                                                            cls="chips"))
                     for key, by_peer in group.items()
                     if (chips := list(self.chips(key[1], by_peer, rivals)))]
            if items:
                content.append(fold(title, len(items),
                                    el("ul", *items, cls="rows")))
        return content

    def chips(self, unit, by_peer, rivals):
        ours = by_peer.get(OURS, {})
        for peer in rivals:
            both = [(ours[n], v) for n, v in by_peer.get(peer, {}).items()
                    if n in ours]
            if both:
                yield chip(peer, unit, both)

    def ratio_charts(self):
        content = []
        for title, group in grouped(self.figures.rows):
            cards = [card for key, by_peer in group.items()
                     if (card := self.ratio_card(key, by_peer)) is not None]
            if cards:
                content.append(fold(title, len(cards),
                                    el("div", *cards, cls="cards")))
        if content:
            content.insert(0, el(
                "p", f"1 is {self.base}, in the same round. Of a rate more is "
                f"better, of all else less."))
        return content

    def ratio_card(self, key, by_peer):
        entries, cells = [], []
        for peer in self.present(by_peer):
            own = ratios(by_peer, peer, self.base)
            if peer != self.base and own:
                middle, low, high = spread(own)
                entries.append(Bar(peer, self.tones[peer], middle, low, high,
                                   "×" + times(middle)))
                cells.append([peer, f"{middle:.3f}",
                              f"{low:.3f} – {high:.3f}", str(len(own))])
        if not entries:
            return None
        unit = f"× {self.base}, {direction(key[1])}"
        return card(pretty(key[0]), unit,
                    bars(entries, described(key[0], unit, entries), 1),
                    table(["", "ratio", "quartiles", "rounds"], cells))

    # Figures

    def figure_charts(self):
        content = []
        for title, group in grouped(self.figures.rows):
            content.append(fold(title, len(group), el("div", *(
                self.figure_card(key, by_peer)
                for key, by_peer in group.items()), cls="cards")))
        return content

    def figure_card(self, key, by_peer):
        entries, cells = [], []
        for peer in self.present(by_peer):
            values = list(by_peer[peer].values())
            middle, low, high = spread(values)
            entries.append(Bar(
                peer, self.tones[peer], middle, low, high,
                f"{number(middle)} ±{number((high - low) / 2)}"))
            cells.append([peer, number(middle),
                          f"{number(low)} – {number(high)}",
                          " ".join(map(number, values))])
        unit = f"{pretty_unit(key[1])}, {direction(key[1])}"
        return card(pretty(key[0]), unit,
                    bars(entries, described(key[0], unit, entries)),
                    self.failed([key]),
                    table(["", "median", "quartiles", "by round"], cells),
                    name=self.anchor(key))

    def latency(self):
        cards, seen = [], set()
        for key, by_peer in self.figures.raws.items():
            label = key[0].split(" p50")[0]
            if key[1].startswith(CPU) or key[0] != label + " p50" and \
                    key[1] != "1/s":
                continue
            for prefix, what in TIMES:
                if (label, prefix) not in seen:
                    seen.add((label, prefix))
                    cards += self.latency_card(label + what, prefix, by_peer)
        if not cards:
            return None
        return [el("p", "The scale is logarithmic: from one line to the next "
                   "it is ten times as long, or as its numbers say. Medians "
                   "of the rounds. Where a rate stands beside them, that is "
                   "what they were measured at."),
                el("div", percentile_key(), cls="key"),
                fold("All of them", len(cards),
                     el("div", *cards, cls="cards"))]

    def latency_card(self, label, prefix, by_peer):
        """A list of none or one."""
        rates = self.figures.rows.get((label, "1/s"), {})
        entries, cells, names = [], [], []
        for peer in self.present(by_peer):
            middles = percentiles(by_peer[peer].values(), prefix)
            if len(middles) > 1 and (not names or names == list(middles)):
                names = list(middles)
                rate = f"{number(statistics.median(rates[peer].values()))}" \
                    "/s" if rates.get(peer) else ""
                entries.append(Lane(peer, self.tones[peer], middles, rate))
                cells.append([peer, *map(number, middles.values())])
        if not entries:
            return []
        unit = ", ".join(names) + ", µs"
        return [card(pretty(label), unit, lanes(
            entries, f"{label}, {unit}: " + "; ".join(
                " ".join(c) for c in cells), duration),
            table([""] + names, cells))]

    def scaling(self):
        cards = [self.scaling_card(name, by_count)
                 for name, by_count in series(self.figures).items()]
        if not cards:
            return None
        return [fold("All of them", len(cards),
                     el("div", *cards, cls="cards"))]

    def scaling_card(self, name, by_count):
        label, unit = name
        entries, cells = [], []
        for peer in self.peers:
            points = [(n, *spread(list(self.figures.rows[key][peer]
                                       .values())))
                      for n, key in by_count.items()
                      if self.figures.rows[key].get(peer)]
            if points:
                entries.append(Line(peer, self.tones[peer], points))
                found = {n: number(middle) for n, middle, _, _ in points}
                cells.append([peer, *(found.get(n, "-") for n in by_count)])
        what = "streams" if name[1] == "Gbit/s" or "GB" in name[1] \
            else "clients"
        unit = f"{pretty_unit(unit)} by {what}, {direction(unit)}"
        return card(pretty(label), unit, curves(
            entries, f"{label}, {unit}: " + "; ".join(
                " ".join(c) for c in cells)),
            table([what, *map(str, by_count)], cells))

    def wrong(self):
        f = self.figures
        if not f.failures and not f.notes:
            return [el("p", "None.")]
        return [fold(title, len(items), el("ul", *(
            el("li", pretty(str(x))) for x in items), cls="plain"))
            for title, items in (("Failures", f.failures), ("Notes", f.notes))
            if items]


def sentences(leads):
    by_row = {}
    for x in leads:
        by_row.setdefault((x.label, x.unit), []).append(x)
    for title, group in grouped(by_row):
        yield fold(title, len(group), el("ul", *(el("li", pretty(sentence(x)).replace(" us ", " µs "))
                         for of_row in group.values() for x in of_row)))


def chip(peer, unit, both):
    ratio = statistics.median(factor(unit, a, b) for a, b in both)
    sign, cls = ("=", None) if abs(ratio - 1) < ALIKE else \
        ("▲", "good") if ratio > 1 else ("▼", "bad")
    if 0 < ratio < math.inf:
        text = f"{sign} ×{times(ratio)}"
    else:
        text = f"{sign} {number(statistics.median(a for a, _ in both))} : " \
               f"{number(statistics.median(b for _, b in both))}"
    return el("li", el("span", peer), el("b", text), cls=cls)


def count_rows(leads):
    n = len({(x.label, x.unit) for x in leads})
    return f"{n} row" if n == 1 else f"{n or 'No'} rows"


def percentiles(raws, prefix):
    """{name: median of the rounds, in microseconds}"""
    found = {}
    for name in PERCENTILES:
        key = f"{prefix}{name.replace('.', '')}_ns"
        values = [raw[key] / 1e3 for raw in raws if raw.get(key)]
        if values:
            found[name] = statistics.median(values)
    return found


def duration(us):
    return f"{us:g} µs" if us < 1000 else f"{us / 1000:g} ms" \
        if us < 1e6 else f"{us / 1e6:g} s"


def described(label, unit, entries):
    return f"{label}, {unit}: " + ", ".join(f"{x.name} {x.text}"
                                            for x in entries)


def words(key):
    return capital(str(key).replace("_", " "))


def capital(text):
    return text[:1].upper() + text[1:]


def fact(name, value):
    return el("dt", name), el("dd", plain(value))


def table(head, cells):
    return el("details", el("summary", "As a table"), el("div", el(
        "table", el("thead", el("tr", *(el("th", h, scope="col")
                                        for h in head))),
        el("tbody", *(el("tr", el("th", cells_[0], scope="row"),
                         *(el("td", c) for c in cells_[1:]))
                      for cells_ in cells))), cls="wide", tabindex="0"))


def card(title, unit, chart, *below, name=None):
    return el("figure", el("figcaption", el("h4", title), el("p", unit)),
              chart, *below, cls="card", id=name)


def fold(title, count, *content):
    """To be opened; on paper it is."""
    return el("details", el("summary", el("h3", f"{title} ({count})")),
              *content, cls="fold")


def report(json_path, html_path):
    """Write the page, or BadFile."""
    write_file(html_path, Page(read(json_path)).html())


def main(json_path, html_path):
    """Of `bench --report`; the exit status."""
    return attempt(report, json_path, html_path)
