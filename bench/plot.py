# SPDX-License-Identifier: GPL-2.0-or-later
"""The charts of a run by gnuplot: of each row, and of each series of rows, the
data, a script to change and run again, SVG and PNG.
"""

import os
import re
import subprocess

from records import BadFile, attempt, read, series, spread, write_file

GUARD_S = 120
SCRIPT = """\
reset
set title {title} noenhanced
set ylabel {unit} noenhanced
set grid ytics
{settings}
set terminal svg size 800,480 dynamic background rgb 'white' noenhanced
set output '{name}.svg'
plot {plots}
set terminal pngcairo size 1600,960 fontscale 1.6 linewidth 2 \\
    pointscale 2 noenhanced
set output '{name}.png'
replot
"""
BARS = """\
unset key
set style fill solid 0.6
set boxwidth 0.6
set xrange [-0.6:{last}.6]
set yrange [{least}:*]
set offsets 0, 0, graph 0.1, 0
set xtics noenhanced rotate by {turn} ({names})"""
BAR_PLOTS = """\
'NAME.dat' using 0:1:($0+1) with boxes linecolor variable, \\
    '' using 0:2:(0):($3-$2) with vectors nohead linecolor 'black', \\
    '' using 0:3:(sprintf('%.4g', $1)) with labels offset 0,0.8"""
CURVES = """\
set key outside right noenhanced
set logscale x 2
set xrange [{first}*0.8:{last}*1.25]
set xtics ({counts})
set yrange [0:*]
set xlabel 'clients or streams'"""


def quoted(text):
    """As a string of gnuplot; nothing in a record ends a line."""
    return "'" + text.replace("'", "''") + "'"


def table(rows):
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


class Plotter:
    """Writes data and scripts; they are run together in the end."""

    def __init__(self, out_dir):
        self.out_dir, self.scripts = out_dir, []

    def chart(self, key, kind, data, settings, plots):
        words = re.sub(r"[^a-z0-9]+", "-", f"{key[0]} {key[1]}".lower())
        name = f"{len(self.scripts) + 1:03d}-{kind}-{words[:60].strip('-')}"
        self.scripts.append(name + ".gp")
        plots = plots.replace("'NAME.dat'", f"'{name}.dat'")
        for end, text in ((".dat", data), (".gp", SCRIPT.format(
                title=quoted(key[0]), unit=quoted(key[1]), name=name,
                settings=settings, plots=plots))):
            write_file(os.path.join(self.out_dir, name + end), text)

    def bars(self, figures, key):
        by_peer = figures.rows[key]
        peers = [p for p in figures.peers() if by_peer.get(p)]
        data = [spread(list(by_peer[p].values())) for p in peers]
        names = ", ".join(f"{quoted(p)} {i}" for i, p in enumerate(peers))
        self.chart(key, "row", "# median, quartiles; a line for each peer\n"
                   + table(data), BARS.format(
                       last=len(peers) - 1, names=names,
                       least=min(0, min(map(min, data))),
                       turn=-30 if len(peers) > 6 else 0), BAR_PLOTS)

    def curves(self, figures, key, by_count):
        peers = [p for p in figures.peers() if any(
            figures.rows[k].get(p) for k in by_count.values())]
        data, plots = "# count, median, quartiles; a block for each peer\n", []
        for i, peer in enumerate(peers):
            data += table([n, *spread(list(figures.rows[k][peer].values()))]
                          for n, k in by_count.items()
                          if figures.rows[k].get(peer)) + "\n\n"
            plots += [f"'NAME.dat' index {i} using 1:2 with linespoints "
                      f"linetype {i + 1} pointtype {i + 4} "
                      f"title {quoted(peer)}",
                      f"'' index {i} using 1:3:(0):($4-$3) with vectors "
                      f"nohead linetype {i + 1} notitle"]
        self.chart(key, "series", data, CURVES.format(
            counts=", ".join(map(str, by_count)), first=min(by_count),
            last=max(by_count)), ", \\\n    ".join(plots))

    def run(self):
        try:
            p = subprocess.run(
                ["gnuplot", *self.scripts], cwd=self.out_dir, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, timeout=GUARD_S, check=False)
        except FileNotFoundError as e:
            raise BadFile("gnuplot isn't there (install the package "
                         "gnuplot-nox)") from e
        except subprocess.TimeoutExpired as e:
            raise BadFile(f"gnuplot: not done after {GUARD_S} s") from e
        if p.returncode:
            lines = p.stderr.strip().splitlines() or ["it failed"]
            raise BadFile(f"gnuplot: {lines[-1]}")


def plot(json_path, out_dir):
    """Write them all; BadFile, or OSError of what can't be written."""
    figures = read(json_path)
    os.makedirs(out_dir, exist_ok=True)
    plotter = Plotter(out_dir)
    for key in figures.rows:
        plotter.bars(figures, key)
    for key, by_count in series(figures).items():
        plotter.curves(figures, key, by_count)
    plotter.run()


def main(json_path, out_dir):
    """Of `bench --plot`; the exit status."""
    return attempt(plot, json_path, out_dir)
