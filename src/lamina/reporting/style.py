"""How the page looks: one column, system fonts, nothing loaded, wide tables in boxes that scroll, readable on paper."""

CSS = """
:root { --ink:#1b1f24; --muted:#57606a; --line:#d5dbe1; --soft:#f4f6f8; --accent:#0072b2; color-scheme: light; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header, main, footer { max-width: 70rem; margin: 0 auto; padding: 0 1rem; overflow-wrap: break-word; }
header { padding-top: 2rem; }
h1 { font-size: clamp(1.5rem, 1.1rem + 1.8vw, 2.25rem); line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.375rem; margin: 0 0 .75rem; line-height: 1.25; }
h3 { font-size: 1.0625rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: #005a8c; }
.lead { color: var(--muted); font-size: 1.0625rem; }
nav ul { list-style: none; padding: 0; margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .375rem; }
nav a { display: block; padding: .25rem .625rem; border: 1px solid var(--line); border-radius: 1rem;
  text-decoration: none; font-size: .875rem; color: var(--ink); }
nav a:hover, nav a:focus-visible { border-color: var(--accent); color: #005a8c; }
section { padding: 1.75rem 0 .5rem; border-top: 1px solid var(--line); margin-top: 1.5rem; }
figure { margin: 0 0 1.25rem; }
figcaption, .note { color: var(--muted); font-size: .9375rem; max-width: 46rem; }
.plot { width: 100%; }
.silent { border-left: 4px solid var(--line); padding: .25rem .75rem; }
.wide { overflow-x: auto; margin: .75rem 0; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0 .5rem; }
th, td { text-align: left; vertical-align: top; padding: .4375rem .875rem .4375rem 0;
  border-bottom: 1px solid var(--line); }
thead th { font-size: .8125rem; color: var(--muted); font-weight: 600;
  border-bottom: 2px solid var(--ink); white-space: nowrap; }
tbody th { font-weight: 600; min-width: 6.5rem; }
td.prose { min-width: 14rem; }
td .number { white-space: nowrap; font-weight: 500; }
.mark { display: inline-block; font-size: .6875rem; line-height: 1.35; padding: 0 .3125rem; border-radius: .25rem;
  border: 1px solid currentColor; white-space: nowrap; vertical-align: .08em; color: var(--muted); }
.mark.measured { color: #00664b; background: #e6f4ef; }
.mark.modelled { color: #00557f; background: #e6f1f8; }
.mark.published { color: #3d3d3d; background: #eee; }
.mark.unverified { color: #8a4200; background: #fdf1e4; border-style: dashed; }
.mark.assumed { color: #9a3412; background: #fff; border-style: dotted; }
.none { color: var(--muted); }
.good { color: #00664b; font-weight: 600; white-space: nowrap; }
.bad { color: #a33b00; font-weight: 700; white-space: nowrap; }
.tiles { list-style: none; margin: 0 0 1rem; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); }
.tiles li { background: var(--soft); border-radius: .5rem; padding: .75rem 1rem; }
.tiles b { display: block; font-size: 1.75rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--muted); font-size: .875rem; }
.digits { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(4.75rem, 1fr)); }
.digits li { display: flex; flex-direction: column; align-items: center; font-size: .9375rem; line-height: 1.3; }
.digits img { image-rendering: pixelated; border-radius: .25rem; background: #000; }
.digits small { color: var(--muted); font-size: .75rem; }
.marks div { display: flex; gap: .5rem; align-items: baseline; }
.marks dt { min-width: 5.5rem; } .marks dd { margin: 0; color: var(--muted); font-size: .9375rem; }
footer { color: var(--muted); font-size: .875rem; padding-top: 1rem; padding-bottom: 3rem; }
noscript p { background: #fdf1e4; padding: .5rem .75rem; }
@media print { nav { display: none; } section { break-inside: avoid; } .wide { overflow: visible; } }
"""
