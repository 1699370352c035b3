"""A timeline as one HTML page that needs nothing else: no network, no fonts, no scripts but the filter's.

What follows `#` in its address is what the filter begins with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gr2_hooks.timeline import Bar, Mark, Row, Timeline, timeline_of

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --lease: #4a7bd0; --sync: #3a9a6b; --exec: #9a6bc4; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
h1 { font-size: 1.2rem; margin: 0 0 .5rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; flex-wrap: wrap; margin-bottom: 1rem; }
input { font: inherit; padding: .2rem .5rem; min-width: 18rem; }
.key { display: inline-block; width: .9em; height: .9em; border-radius: 3px; vertical-align: -1px; margin-right: .3em; }
.row { display: grid; grid-template-columns: 14rem 1fr; border-top: 1px solid var(--line); min-height: 2rem; }
.row[hidden] { display: none; }
.name { padding: .4rem .5rem .4rem 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.track { position: relative; }
.bar { position: absolute; top: .45rem; height: 1.1rem; min-width: 3px; border-radius: 3px; opacity: .75; }
.bar.open { border-right: 3px dotted currentColor; }
.lease { background: var(--lease); } .sync { background: var(--sync); } .exec { background: var(--exec); }
.mark { position: absolute; top: .55rem; width: .9rem; height: .9rem; margin-left: -.45rem; border-radius: 50%; }
.event { background: #888; transform: scale(.6); } .pr { background: #d08a1d; border-radius: 2px; }
.failure { background: #d0413a; clip-path: polygon(50% 0, 100% 100%, 0 100%); border-radius: 0; }
.faded { opacity: .08; }
#about { min-height: 1.5rem; margin-top: 1rem; font-family: ui-monospace, monospace; white-space: pre-wrap; }
.times { display: flex; justify-content: space-between; margin-left: 14rem; opacity: .7; }
"""
_SCRIPT = """
const input = document.getElementById("filter"), about = document.getElementById("about");
const rows = [...document.querySelectorAll(".row")];
function apply() {
  const words = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const has = text => words.every(word => text.toLowerCase().includes(word));
  for (const row of rows) {
    let any = has(row.dataset.name);
    for (const item of row.querySelectorAll("[data-text]")) {
      const shown = has(row.dataset.name + " " + item.dataset.text);
      item.classList.toggle("faded", !shown);
      any = any || shown;
    }
    row.hidden = !any;
  }
}
input.addEventListener("input", apply);
input.value = decodeURIComponent(location.hash.slice(1));
apply();
for (const kind of ["mouseover", "focusin"])
  document.addEventListener(kind, event => {
    const item = event.target.closest("[data-text]");
    if (item) about.textContent = item.dataset.text;
  });
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_KEYS = (("lease", "lease"), ("sync", "sync"), ("exec", "exec"), ("pr", "pull requests"), ("failure", "failures"))


def page(workspace: str, events: Sequence[Mapping[str, Any]]) -> str:
    """The page about `events` of the workspace called `workspace`."""
    timeline = timeline_of(events)
    keys = "".join(f'<span><i class="key {kind}"></i>{text}</span>' for kind, text in _KEYS)
    rows = "\n".join(_row(row, timeline) for row in timeline.rows)
    first, last = (escape(str(events[index]["timestamp"])[:19]) if events else "" for index in (0, -1))
    title = escape(f"{workspace}: timeline")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<input id="filter" type="search" placeholder="filter: lane, actor, repo …" aria-label="filter">
{keys}
</header>
<main>
{rows or "<p>No events.</p>"}
</main>
<div class="times"><span>{first}</span><span>{last}</span></div>
<div id="about" role="status"></div>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _row(row: Row, timeline: Timeline) -> str:
    name = escape(row.name, quote=True)
    items = [_bar(bar, timeline) for bar in row.bars] + [_mark(mark, timeline) for mark in row.marks]
    track = f'<div class="track">{"".join(items)}</div>'
    return f'<div class="row" data-name="{name}"><div class="name" title="{name}">{name}</div>{track}</div>'


def _bar(bar: Bar, timeline: Timeline) -> str:
    left = _percent(bar.start, timeline)
    width = _percent(bar.end if bar.end is not None else timeline.last, timeline) - left
    state = "" if bar.end is not None else " open"
    return _item(f"bar {bar.kind}{state}", f"left:{left:.4f}%;width:{width:.4f}%", bar.text)


def _mark(mark: Mark, timeline: Timeline) -> str:
    return _item(f"mark {mark.kind}", f"left:{_percent(mark.at, timeline):.4f}%", mark.text)


def _item(kind: str, style: str, text: str) -> str:
    said = escape(text, quote=True)
    return f'<div class="{kind}" style="{style}" tabindex="0" role="img" aria-label="{said}" data-text="{said}"></div>'


def _percent(moment: int, timeline: Timeline) -> float:
    span = timeline.last - timeline.first
    return 100 * (moment - timeline.first) / span if span > 0 else 0.0
