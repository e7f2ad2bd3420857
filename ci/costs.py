"""Writes the table and the chart of docs/costs.md from the arithmetic that the page gives: `python3 ci/costs.py`.

With `--check` it only says whether both are up to date.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
SIZES = [1_000, 10_000, 50_000]
BUDGETS = [180, 600]
DATA_SOURCES = 5
START, END = "<!-- made by ci/costs.py -->\n", "<!-- end -->\n"


def listing(pages: int) -> int:
    """Search for pages and for data sources, the rows of each data source (half of the pages), and users."""
    rows = DATA_SOURCES * -(-pages // 2 // DATA_SOURCES // 100)
    return -(-pages // 100) + 1 + rows + 1


def content(pages: int) -> int:
    """The page's own blocks, and those of five blocks with children."""
    return pages * (1 + 5)


SYNCS = {
    "first": lambda n: listing(n) + DATA_SOURCES + content(n) + n,
    "later": lambda n: listing(n) + content(n // 100) + n,
    "later, comments rest": lambda n: listing(n) + content(n // 100) + n // 100 + n // 10,
    "later, without comments": lambda n: listing(n) + content(n // 100),
}


def duration(requests: int, budget: int) -> str:
    """How long so many requests take."""
    minutes = requests / budget
    if minutes < 1:
        return "under 1 min"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def table() -> str:
    lines = ["| pages | sync | requests | at 180 a minute | at 600 a minute |", "| ---: | --- | ---: | ---: | ---: |"]
    for pages in SIZES:
        for name, requests in SYNCS.items():
            times = " | ".join(duration(requests(pages), budget) for budget in BUDGETS)
            lines.append(f"| {pages:,} | {name} | {requests(pages):,} | {times} |")
    return "\n".join(lines) + "\n"


def chart() -> str:
    """Bars on a logarithmic scale, from a minute to a day and more."""
    marks = {1: "1 min", 10: "10 min", 60: "1 h", 600: "10 h", 1440: "1 day"}
    left, width, height = 250, 430, 16
    from math import log10

    def x(minutes: float) -> float:
        return left + width * (log10(max(minutes, 0.3)) + 0.52) / (log10(2880) + 0.52)

    parts, y = [], 46
    for pages in SIZES:
        parts.append(f'<text x="12" y="{y + 12}" font-weight="bold">{pages:,} pages</text>')
        for name, requests in SYNCS.items():
            parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
            for shift, budget, colour in [(0, 180, "#b45309"), (7, 600, "#2563eb")]:
                end = x(requests(pages) / budget)
                parts.append(
                    f'<rect x="{left}" y="{y + shift}" width="{end - left:.0f}" height="6" fill="{colour}"/>'
                )
            y += height + 4
        y += 12
    lines = "".join(
        f'<line x1="{x(at):.0f}" y1="40" x2="{x(at):.0f}" y2="{y}" stroke="#d4d4d4"/>'
        f'<text x="{x(at):.0f}" y="{y + 14}" text-anchor="middle">{text}</text>\n'
        for at, text in marks.items()
    )
    legend = (
        '<rect x="250" y="14" width="12" height="8" fill="#b45309"/><text x="268" y="22">180 requests a minute</text>'
        '<rect x="430" y="14" width="12" height="8" fill="#2563eb"/><text x="448" y="22">600 requests a minute</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {y + 24}" width="720" height="{y + 24}" role="img" '
        'aria-label="How long a sync takes" font-family="system-ui, sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{legend}\n{lines}' + "\n".join(parts) + "\n</svg>\n"
    )


page = (DOCS / "costs.md").read_text()
before, rest = page.split(START)
wanted = {"costs.md": before + START + table() + END + rest.split(END)[1], "costs.svg": chart()}
for name, text in wanted.items():
    path = DOCS / name
    if not path.exists() or path.read_text() != text:
        if "--check" in sys.argv:
            sys.exit(f"docs/{name} is out of date: python3 ci/costs.py")
        path.write_text(text)
