"""The page's style: light, dark and printed, from a phone to a wide screen; and its policy.

All colours of text have a contrast of at least 4.5 to what is below them, those of marks 3.
"""

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --ground: #f4f6f8; --card: #fff; --ink: #17212b;
  --muted: #53606d; --line: #d3dae1; --bar: #2c6cb0; --second: #7a5195; --good: #17693a;
  --bad: #b3261e; --bad-ground: #fdecea; --good-ground: #e6f4ea; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f151b; --card: #19222b; --ink: #e9eef3;
  --muted: #a5b2be; --line: #34414d; --bar: #6caae4; --second: #c79be0; --good: #7ed69b;
  --bad: #ff9187; --bad-ground: #3a1d1b; --good-ground: #16301f; --link: #8ac0f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 78rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1rem; display: flex; flex-wrap: wrap; gap: 0 1.5rem;
  align-items: baseline; justify-content: space-between; }
footer { padding-bottom: 2rem; color: var(--muted); font-size: .9rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
p { margin: 0 0 .6rem; max-width: 60rem; }
a { color: var(--link); }
small { display: block; color: var(--muted); font-size: .82rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; top: 0; padding: .5rem 1rem; background: var(--card); }
.skip:focus { left: 0; z-index: 1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
section, .tiles > div { background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
section { padding: 1rem; margin: 1rem 0; }
.bad { color: var(--bad); }
.note, .legend { color: var(--muted); font-size: .9rem; }
.legend > * { margin-right: 1rem; }
.legend .first { color: var(--bar); }
.legend .early { color: var(--second); }
section.wrong { background: var(--bad-ground); border-left: .35rem solid var(--bad); }
section.right { background: var(--good-ground); border-left: .35rem solid var(--good); }
.wrong ul { margin: 0; padding-left: 1.2rem; }
.wrong li { margin-bottom: .4rem; }
.wrong small { color: var(--ink); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.tiles > div:first-child { grid-column: span 2; }
.tiles > div { padding: .6rem .9rem; }
dt { color: var(--muted); font-size: .9rem; }
dd { margin: 0; }
dd b { font-size: 1.5rem; line-height: 1.3; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr));
  gap: 1rem 2rem; margin: .8rem 0; }
.chart { margin: 0; min-width: 0; }
figcaption { font-size: .9rem; line-height: 1.35; }
figcaption span { display: block; color: var(--muted); }
.plot { display: flex; gap: .4rem; height: 4.5rem; margin-top: .25rem; }
.plot svg { flex: 1; min-width: 0; height: 100%; border-bottom: 1px solid var(--muted);
  background: linear-gradient(var(--line), var(--line)) top / 100% 1px no-repeat; }
.scale { display: flex; flex-direction: column; justify-content: space-between;
  text-align: right; min-width: 2.6rem; }
.scale, .axis { color: var(--muted); font-size: .75rem; line-height: 1; }
.axis { display: flex; justify-content: space-between; padding: .25rem 0 0 3rem; }
.bar { fill: var(--bar); }
.bar.marked { fill: var(--bad); }
.line { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.line.first { stroke: var(--bar); stroke-width: 2.5; }
.line.second { stroke: var(--second); }
.line.early { stroke: var(--second); stroke-dasharray: 4 4; }
.line.limit { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; }
.days { list-style: none; margin: .5rem 0; padding: 0; display: grid; gap: .25rem;
  grid-template-columns: repeat(auto-fill, minmax(2.7rem, 1fr)); }
.day { position: relative; text-align: center; border-radius: .3rem; padding: .15rem 0;
  border: 1px solid var(--line); }
.day b, .key { color: var(--good); }
.day small { font-size: .75rem; }
.day.failed { background: var(--bad-ground); border-color: var(--bad); }
.day.missing { background: var(--bad-ground); border: 1px dashed var(--bad); }
.day.failed b, .day.missing b, .day.failed small, .day.missing small, .key.failed,
.key.missing { color: var(--bad); }
.day.running b, .key.running { color: var(--bar); }
.findings, .conditions { margin: .4rem 0 .8rem; padding-left: 1.2rem; }
.conditions { list-style: none; padding: 0; columns: 20rem; }
details { margin-top: .5rem; }
summary { cursor: pointer; padding: .35rem 0; color: var(--link); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; min-width: 100%; overflow-wrap: normal; }
caption { text-align: left; color: var(--muted); padding: .3rem 0; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
@media print {
  :root { font-size: 11px; color-scheme: light; --ground: #fff; --card: #fff; --ink: #000;
    --muted: #444; --line: #bbb; --bar: #2c6cb0; --second: #7a5195; --good: #17693a; --bad: #b3261e;
    --bad-ground: #fff; --good-ground: #fff; --link: #000; }
  body { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .skip, .again { display: none; }
  .chart, tr, .tiles > div { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: .75rem; }
  th, td { white-space: normal; padding-right: .3rem; }
  details::details-content { content-visibility: visible; display: block; }
}
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src 'sha256-{_HASH}'",  # this very text, and no style of an element's own
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The page has no script, and asks for nothing but itself; its empty icon is a data: URL."""
