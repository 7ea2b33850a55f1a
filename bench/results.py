# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of a run while it goes on; into a file, too, as they come."""

import json
import sys

from records import BadFile, Failure, Figures
from rows import CPU


class Results(Figures):
    """Each is kept, and written as a line of JSON."""

    def __init__(self, path):
        super().__init__()
        self.looked = set()  # at the peers' paths, of TCP, of UDP
        self.path = path
        self.json = open(path, "w", encoding="utf-8") if path else None

    def write(self, record):
        """BadFile, once: what is written is in whole lines, then no more."""
        if not self.json:
            return
        try:
            self.json.write(json.dumps({"schema": 1, **record}) + "\n")
            self.json.flush()
        except OSError as e:
            self.json = None
            raise BadFile(f"{self.path}: {e.strerror}") from e

    def add(self, label, unit, peer, round_, value, raw=None):
        if not unit.startswith(CPU):
            self.note_losses(label, peer, round_, raw)
        self.keep(label, unit, peer, round_, value, raw)
        self.write({"row": label, "unit": unit, "peer": peer,
                    "round": round_, "value": value, "raw": raw})

    def note_losses(self, label, peer, round_, raw):
        if (raw or {}).get("lost"):
            self.note(f"{label}: {peer}, round {round_}: {raw['lost']} of "
                      f"{raw['count'] + raw['lost']} datagrams had no answer")
        if (raw or {}).get("lost_bytes"):
            self.note(f"{label}: {peer} lost the last {raw['lost_bytes']} "
                      f"bytes of a stream that ended in order")
        errors = (raw or {}).get("errors", {}).get("all")
        if errors:
            self.note(f"{label}: {peer}, round {round_}: {errors} of "
                      f"{raw['count'] + errors} connections failed")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.write({"note": text})

    def fail(self, label, peer, round_, why):
        self.failures.append(Failure(label, peer, round_, str(why)))
        self.write({"row": label, "peer": peer, "round": round_,
                    "value": None, "error": str(why)})
        print(f"failed: {self.failures[-1]}", file=sys.stderr)
