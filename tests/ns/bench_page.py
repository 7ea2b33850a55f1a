#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at reports of the benchmark, for bench_report.sh. Each verb prints what
is wrong, and nothing when all is right.

    parse PAGE             a whole page that needs nothing but itself
    told PAGE              (prints who is ahead where, below "=" and a heading)
    rows PAGE RESULTS      each row's chart has its peers and their medians
    manual PAGE RESULTS    podsplice(5) names every key of a line and its head
    pixel PNG RRGGBB       that is the colour in the upper left corner
    svg DIR                the charts by gnuplot are images
"""

import html.parser
import json
import os
import re
import statistics
import struct
import sys
import xml.etree.ElementTree
import zlib

VOID = {"meta", "br", "img", "link", "hr", "input"}
NEVER = {"script", "img", "link", "iframe", "object", "embed", "image", "use",
         "base", "form", "foreignobject"}


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.open, self.wrong, self.ids, self.links = [], [], [], []
        self.labels, self.tables, self.figures = [], 0, 0
        self.told = []
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if not text.startswith("<!DOCTYPE html>"):
            self.wrong.append("no doctype")
        for bad in ("http:", "https:", "url(", "@import", "//"):
            if bad in re.sub(r"&[a-z]+;", "", text):
                self.wrong.append(f"it has {bad}")
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is left open" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        if len(names) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)
        if tag in NEVER:
            self.wrong.append(f"there is a <{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "srcset", "style"):
                self.wrong.append(f"<{tag}> has {name}={value}")
        if "id" in names:
            self.ids.append(names["id"])
        if "href" in names:
            self.links.append(names["href"])
        if tag == "svg":
            self.labels.append(names.get("aria-label") or "")
            if names.get("role") != "img" or not self.labels[-1]:
                self.wrong.append("a chart has no words")
        self.tables += tag == "table"
        self.figures += tag == "figure"

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()} ends nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2" and "first" in data:
            self.told.append("= " + data)
        if self.open and self.open[-1] == "li" and " is ahead of " in data:
            self.told.append(data.replace("→", "->").replace("µs", "us"))

    def judge(self):
        if len(set(self.ids)) != len(self.ids):
            self.wrong.append("an id twice")
        self.wrong += [f"{x} leads nowhere" for x in self.links
                       if x[:1] != "#" or x[1:] not in self.ids]
        if not self.figures or self.tables != self.figures:
            self.wrong.append(f"{self.figures} charts, {self.tables} tables")
        return self.wrong


def parse(path):
    return Page(path).judge()


def told(path):
    return Page(path).told


def rows(page, results):
    labels = Page(page).labels
    figures = {}
    with open(results, encoding="utf-8") as f:
        for r in map(json.loads, f):
            if r.get("value") is not None:
                figures.setdefault((r["row"], r["unit"]), {}).setdefault(
                    r["peer"], []).append(r["value"])
    if not figures:
        yield "there are no figures"
    for (row, unit), by_peer in figures.items():
        begin = f"{row}, {unit.replace('us', 'µs') or 'number'}, "
        mine = [x for x in labels if x.startswith(begin)]
        if len(mine) != 1:
            yield f"{row}: {len(mine)} charts of its figures"
            continue
        for peer, values in by_peer.items():
            got = re.search(rf"[:,] {re.escape(peer)} (-?[\d.]+) ±", mine[0])
            want = statistics.median(values)
            if not got or abs(float(got[1]) - want) > abs(want) / 100 + .001:
                yield f"{row}: {peer}: not {want} in {mine[0]}"


def manual(page, results):
    with open(page, encoding="utf-8") as f:
        section = f.read().split(".Sh RESULTS OF BENCH\n")[1].split("\n.Sh")[0]
    named = {word for x in re.findall(r"(?:\.|It |Pq )Cm (.*)", section)
             for word in x.split()}
    with open(results, encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    found = {key for r in records for key in (
        *r, *r.get("machine", ()), *r.get("far", ()))}
    for facts in (r[k] for r in records for k in ("path", "udp_path")
                  if k in r):
        # of each way, or of UDP, for itself
        found |= {key.split("_")[0] for key in facts}
    return [f"{key} is not in the manual" for key in sorted(found - named)]


def pixel(path, want):
    with open(path, "rb") as f:
        data = f.read()
    at, packed, channels = 8, b"", {2: 3, 6: 4}[data[25]]
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    # there is nothing above or left of the first one to differ from
    got = zlib.decompress(packed)[1:1 + channels][:3].hex()
    return [] if got == want else [f"#{got} is not #{want}"]


def svg(folder):
    names = sorted(os.listdir(folder))
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(".svg"):
            xml.etree.ElementTree.parse(path)
        if name.endswith(".png"):
            with open(path, "rb") as f:
                if f.read(8) != b"\x89PNG\r\n\x1a\n":
                    yield f"{name}: no PNG"
    for name in (x[:-3] for x in names if x.endswith(".gp")):
        for end in (".dat", ".svg", ".png"):
            if name + end not in names:
                yield f"{name}{end} is missing"


VERBS = {"parse": parse, "told": told, "rows": rows, "manual": manual,
         "pixel": pixel, "svg": svg}
for problem in VERBS[sys.argv[1]](*sys.argv[2:]):
    print(problem)
