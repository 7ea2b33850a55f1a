# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of a page, and charts as inline SVG.

A chart is as wide as a card on a phone, so that its text is as large as the
page's. What it shows is in its label too, for those who don't see it.
"""

import math
import xml.etree.ElementTree as ET
from collections import namedtuple

WIDTH = 340
STEP = 26  # from bar to bar
THICK = 14
CHAR, BOLD = 7.3, 8.4  # widths of one at the charts' size, at most
NAME_CHARS = 17
PLOT = 170  # height of what has two axes
GAP = 8
MARKS = ("", "0,-5 5,4 -5,4", "-4,-4 4,-4 4,4 -4,4", "0,-5 5,0 0,5 -5,0",
         "0,5 5,-4 -5,-4", "-5,-2 5,-2 5,2 -5,2")  # the first is a circle
PERCENTILES = ("p50", "p90", "p99", "p99.9")

# a peer's name, the class of its colour, what the bar shows, and in words
Bar = namedtuple("Bar", "name tone middle low high text")
# values: {one of PERCENTILES: value}; text: beside them
Lane = namedtuple("Lane", "name tone values text", defaults=("",))
# points: (x, middle, low, high)
Line = namedtuple("Line", "name tone points")


def el(tag, *children, **attrs):
    """An element; cls is its class, and "_" in names is "-"."""
    e = ET.Element(tag, {
        ("class" if k == "cls" else k if tag == "svg" else
         k.replace("_", "-")): f"{v:.1f}" if isinstance(v, float) else str(v)
        for k, v in attrs.items() if v is not None})
    for child in children:
        if isinstance(child, str):
            if len(e):
                e[-1].tail = (e[-1].tail or "") + child
            else:
                e.text = (e.text or "") + child
        elif child is not None:
            e.append(child)
    return e


def svg(height, describe, *children):
    return el("svg", *children, viewBox=f"0 0 {WIDTH} {height:.0f}",
              role="img", **{"aria-label": describe})


def text(x, y, words, cls=None, anchor=None):
    return el("text", words, x=float(x), y=float(y), cls=cls,
              text_anchor=anchor)


def line(x1, y1, x2, y2, cls):
    return el("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2),
              cls=cls)


def short(name, most=NAME_CHARS):
    return name if len(name) <= most else name[:most - 1] + "…"


def wide(words, tone):
    return len(words) * (BOLD if tone == "us" else CHAR)


def names_width(entries):
    return max(wide(short(x.name), x.tone) for x in entries) + GAP


def label(entry, y):
    words = text(0, y, short(entry.name), "name " + entry.tone)
    words.append(el("title", entry.name))
    return words


def value(entry, y):
    """Its text, at the right end."""
    return text(WIDTH, y, entry.text, "value " + entry.tone, "end")


# Bars from zero, a line over the quartiles

def bars(entries, describe, reference=None):
    left = names_width(entries)
    right = WIDTH - max(wide(x.text, x.tone) for x in entries) - GAP
    known = [v for x in entries for v in (x.middle, x.low, x.high)] \
        + [0] + ([reference] if reference else [])
    low, high = min(known), max(known)
    height = STEP * len(entries) + (14 if reference else 0)

    def at(v):
        return left + (v - low) / ((high - low) or 1) * (right - left)

    drawn = []
    if reference:
        drawn += [line(at(reference), 0, at(reference), height - 12, "grid"),
                  text(at(reference), height - 1, f"{reference:g}", "tick",
                       "middle")]
    drawn.append(line(at(0), 0, at(0), STEP * len(entries), "axis"))
    for i, x in enumerate(entries):
        drawn += one_bar(x, i * STEP + STEP / 2, at)
    return svg(height, describe, *drawn)


def one_bar(x, y, at):
    ends = sorted((at(0), at(x.middle)))
    yield label(x, y + 4)
    yield el("rect", x=float(ends[0]), y=float(y - THICK / 2), rx=2,
             width=float(ends[1] - ends[0]), height=THICK, cls=x.tone)
    if x.low != x.high:
        yield line(at(x.low), y, at(x.high), y, "spread")
        for v in (x.low, x.high):
            yield line(at(v), y - 4, at(v), y + 4, "spread")
    yield value(x, y + 4)


# Percentiles on a logarithmic scale, a lane for each peer

def lanes(entries, describe, tick):
    """tick: what to write at a value."""
    known = [v for x in entries for v in x.values.values()]
    left = names_width(entries)
    right = WIDTH - GAP - max(wide(x.text, x.tone) for x in entries)
    low, high = math.log10(min(known)) - 0.05, math.log10(max(known)) + 0.05
    bottom = STEP * len(entries)

    def at(v):
        return left + (math.log10(v) - low) / (high - low) \
            * (right - left)

    drawn = []
    free = 0  # to the right of it nothing is written yet
    for v in log_ticks(low, high):
        drawn.append(line(at(v), 0, at(v), bottom, "grid"))
        half = wide(tick(v), "tick") / 2
        x = min(at(v), WIDTH - half)
        if x - half >= free:
            drawn.append(text(x, bottom + 13, tick(v), "tick", "middle"))
            free = x + half + 2
    for i, x in enumerate(entries):
        y = i * STEP + STEP / 2
        drawn += [label(x, y + 4),
                  line(at(min(x.values.values())), y,
                       at(max(x.values.values())), y, "range " + x.tone)]
        drawn += [percentile(p, at(v), y, x.tone)
                  for p, v in reversed(x.values.items())]
        if x.text:
            drawn.append(value(x, y + 4))
    return svg(bottom + 18, describe, *drawn)


def log_ticks(low, high):
    """At powers of ten, or more often, in between these."""
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [s * 10.0 ** e for e in range(math.floor(low),
                                              math.ceil(high) + 1)
                 for s in steps if low <= math.log10(s * 10.0 ** e) <= high]
        if len(ticks) > 2:
            break
    return ticks if len(ticks) < 7 else ticks[::2]


def percentile(name, x, y, tone):
    """p50 is a large dot, p90 a small one, p99 hollow, p99.9 a line."""
    k = PERCENTILES.index(name)
    if k == 3:
        return line(x, y - 6, x, y + 6, "range " + tone)
    return el("circle", cx=float(x), cy=float(y), r=(5, 3.5, 4)[k],
              cls=tone + (" hollow" if k == 2 else ""))


def percentile_key():
    """What the signs of lanes() are."""
    drawn = []
    for i, name in enumerate(PERCENTILES):
        x = 8 + i * 75
        drawn += [percentile(name, x, 10, "base"),
                  text(x + 10, 14, name, "tick")]
    return svg(20, "signs: " + ", ".join(PERCENTILES), *drawn)


# Curves over a number of clients

def curves(entries, describe):
    known = [v for x in entries for _, *values in x.points for v in values]
    xs = sorted({x for e in entries for x, *_ in e.points})
    ticks = linear_ticks(max(known))
    left = max(len(f"{v:g}") for v in ticks) * CHAR + GAP

    def across(x):
        return left + 12 + xs.index(x) * (WIDTH - left - 30) / (len(xs) - 1)

    def up(v):
        return 8 + (PLOT - 8) * (1 - max(v, 0) / (ticks[-1] or 1))

    drawn = []
    for v in ticks:
        drawn += [line(left, up(v), WIDTH, up(v), "grid"),
                  text(left - 4, up(v) + 4, f"{v:g}", "tick", "end")]
    drawn += [text(across(x), PLOT + 15, f"{x}", "tick", "middle")
              for x in xs]
    for x in entries:
        points = [(across(n), up(m), up(a), up(b)) for n, m, a, b in x.points]
        drawn.append(el("polyline", cls="curve " + x.tone, points=" ".join(
            f"{px:.1f},{py:.1f}" for px, py, _, _ in points)))
        for px, py, a, b in points:
            drawn += [line(px, a, px, b, "range " + x.tone),
                      mark(px, py, x.tone)]
    keys, height = curve_keys(entries, PLOT + 34)
    return svg(height, describe, *drawn, *keys)


def curve_keys(entries, y):
    """The names below, as many beside each other as fit; and the end."""
    drawn, x = [], 0
    for e in entries:
        step = wide(short(e.name), e.tone) + 24
        if x and x + step > WIDTH:
            x, y = 0, y + 20
        drawn += [mark(x + 6, y - 4, e.tone),
                  text(x + 16, y, short(e.name), "name " + e.tone)]
        x += step
    return drawn, y + 6


def mark(x, y, tone):
    """Of a form of its own, as far as there are some."""
    form = MARKS[("base", "us").index(tone) if tone in ("base", "us")
                 else (int(tone[1:]) + 2) % len(MARKS)]
    if not form:
        return el("circle", cx=float(x), cy=float(y), r=4, cls=tone)
    points = [[float(v) for v in p.split(",")] for p in form.split()]
    return el("polygon", cls=tone, points=" ".join(
        f"{x + a:.1f},{y + b:.1f}" for a, b in points))


def linear_ticks(most):
    """From zero to a round number that is not less."""
    most = most if most > 0 else 1
    for digit in (1, 2, 2.5, 5, 10):
        step = digit * 10.0 ** math.floor(math.log10(most / 4))
        if step * 4 >= most * 0.999:
            break
    return [step * i for i in range(math.ceil(most / step - 0.001) + 1)]
