#!/usr/bin/env python3
"""Replaces the figures in docs/guarantees.md with the given files, in the given order."""

import datetime
import pathlib
import sys

BEGIN = "<!-- figures: begin, written by `make torture` -->\n"
END = "<!-- figures: end -->"

page = pathlib.Path(__file__).resolve().parent.parent / "docs" / "guarantees.md"
head, rest = page.read_text().split(BEGIN)
_, tail = rest.split(END)
figures = "\n".join(pathlib.Path(name).read_text().rstrip() + "\n" for name in sys.argv[1:])
page.write_text(f"{head}{BEGIN}\n{datetime.date.today()}\n\n{figures}\n{END}{tail}")
