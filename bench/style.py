# SPDX-License-Identifier: GPL-2.0-or-later
"""How a report looks: on a phone or a desk, by day or night, on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #17202b; --soft: #52606f;
  --edge: #d5dbe3; --grid: #c3cbd5; --good: #0a6b46; --bad: #a3330f;
  --us: #0b5fc0; --base: #6d7885; --r0: #b0520c; --r1: #0c7a5c;
  --r2: #8a3fa6; --r3: #ac2f55; --r4: #75690a; --r5: #2f7286;
  --r6: #6150c4; --r7: #7d5a3c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161c; --card: #1a212a; --ink: #e6ebf1; --soft: #a3b0be;
    --edge: #323d49; --grid: #44505d; --good: #5fd0a0; --bad: #ff9a76;
    --us: #62aaff; --base: #98a4b1; --r0: #f0a050; --r1: #48c79c;
    --r2: #cf92ea; --r3: #f2819f; --r4: #cfc04c; --r5: #6cc0d6;
    --r6: #a99bf7; --r7: #c9a27e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1rem; max-width: 78rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI",
    Roboto, "Liberation Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1 { margin: .5rem 0 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.3rem; line-height: 1.25; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
h4 { margin: 0; font-size: .95rem; line-height: 1.3; }
p { margin: .4rem 0 .8rem; max-width: 44rem; }
.soft, figcaption p { color: var(--soft); }
figcaption p { margin: 0 0 .4rem; font-size: .82rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0;
  list-style: none; }
a { color: var(--us); }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--us);
  outline-offset: 2px; }
.cards { display: grid; gap: .8rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.card { margin: 0; padding: .8rem; background: var(--card);
  border: 1px solid var(--edge); border-radius: .5rem; min-width: 0; }
.pair { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.pair ul, .plain { margin: .3rem 0; padding-left: 1.1rem; }
.pair li, .plain li { margin: .25rem 0; }
dl { display: grid; grid-template-columns: fit-content(52%) 1fr;
  gap: .15rem .9rem; margin: .4rem 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; }
svg { display: block; width: 100%; max-width: 27rem; height: auto;
  font-size: 12px; font-variant-numeric: tabular-nums; }
.key { max-width: 22rem; }
svg text { fill: var(--ink); }
svg .name.us, svg .value.us { font-weight: 700; }
svg .tick { fill: var(--soft); font-size: 11px; }
line.axis, line.grid { stroke: var(--grid); }
line.grid { stroke-dasharray: 2 3; }
line.spread { stroke: var(--ink); stroke-width: 1.5; }
line.range, polyline { stroke: currentColor; stroke-width: 2; fill: none; }
rect, circle, polygon { fill: currentColor; }
rect { fill-opacity: .72; }
circle.hollow { fill: var(--card); stroke: currentColor; stroke-width: 2; }
.us { color: var(--us); } .base { color: var(--base); }
.r0 { color: var(--r0); } .r1 { color: var(--r1); }
.r2 { color: var(--r2); } .r3 { color: var(--r3); }
.r4 { color: var(--r4); } .r5 { color: var(--r5); }
.r6 { color: var(--r6); } .r7 { color: var(--r7); }
.r8 { color: var(--r0); } .r9 { color: var(--r1); }
.r10 { color: var(--r2); } .r11 { color: var(--r3); }
details { margin-top: .4rem; font-size: .85rem; }
summary { color: var(--soft); cursor: pointer; }
.fold { margin: .3rem 0; font-size: 1rem; border-top: 1px solid var(--edge); }
.fold > summary { padding: .35rem 0; color: var(--ink); }
.fold > summary h3 { display: inline; margin: 0; }
.fold[open] > summary { margin-bottom: .5rem; }
.card h4 a { color: inherit; text-decoration-color: var(--grid); }
.small { margin: 0 0 .4rem; font-size: .82rem; }
.verdict { margin: .2rem 0 0; font-size: .9rem; }
.verdict.good { color: var(--good); } .verdict.bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem .2rem 0; text-align: left;
  vertical-align: top; border-bottom: 1px solid var(--edge); }
th { font-weight: 600; }
.rows { margin: 0; padding: 0; list-style: none; }
.rows > li { padding: .45rem 0; border-top: 1px solid var(--edge); }
.chips { display: grid; gap: .2rem .8rem; margin: .15rem 0 0; padding: 0;
  list-style: none; font-size: .84rem;
  grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
.chips li { display: flex; justify-content: space-between; gap: .5rem;
  color: var(--soft); }
.chips b { color: var(--ink); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.chips .good b { color: var(--good); } .chips .bad b { color: var(--bad); }
.warn { border-left: .3rem solid var(--bad); padding-left: .7rem; }
@media (min-width: 50rem) {
  body { padding: 1.5rem 2rem; }
  #machine dl { grid-template-columns: repeat(2, fit-content(15rem) 1fr); }
  .rows > li { display: grid; grid-template-columns: 20rem 1fr; gap: 1rem; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --soft: #333; --edge: #999;
    --grid: #888; --good: #064; --bad: #820; --us: #0b5fc0; --base: #6d7885;
    --r0: #b0520c; --r1: #0c7a5c; --r2: #8a3fa6; --r3: #ac2f55;
    --r4: #75690a; --r5: #2f7286; --r6: #6150c4; --r7: #7d5a3c;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 9.5pt; }
  body { padding: 0; max-width: none; }
  #machine dl { grid-template-columns: repeat(2, fit-content(15rem) 1fr); }
  nav, .card details { display: none; }
  .fold::details-content { display: block; content-visibility: visible;
    block-size: auto; }
  .fold > summary { list-style: none; }
  .cards { grid-template-columns: repeat(2, 1fr); gap: .4rem; }
  .card, .rows > li, .pair li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""
