"""The page's style: light and dark, narrow and wide, screen and paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--paper:#f4f6f9;--card:#fff;--ink:#18212c;--soft:#5a6675;
--line:#dde3ea;--grid:#e8edf2;--accent:#2563c9;--pass:#12783f;--fail:#b92d22;--undecided:#9a5b00;
--pass-soft:#e2f3e8;--fail-soft:#fbe6e3;--undecided-soft:#fbefd9;
--k1:#8794a3;--k3:#3f83e8;--k5:#8b57d1;--k7:#dd6a2e;--cost:#b9c3ce;--band:#2563c91c;
--h0:#eaf3fb;--h1:#d2e5f5;--h2:#b5d4ee;--h3:#93bfe5;--h4:#6fa7da;--h5:#4d8dcb;--h6:#3474b8;
--h7:#215b9f;--h8:#154482;--h9:#0c2f61;--halo:#fff}
@media screen and (prefers-color-scheme:dark){:root{--paper:#10151b;--card:#19212a;--ink:#e6ebf1;
--soft:#9aa8b7;--line:#2d3946;--grid:#25303b;--accent:#6ea8ff;--pass:#4cc684;--fail:#ff7d70;
--undecided:#efb04e;--pass-soft:#143524;--fail-soft:#431f1c;--undecided-soft:#3d2e12;
--k1:#7c8a99;--k3:#5b9bf7;--k5:#a97bea;--k7:#f0894f;--cost:#465362;--band:#6ea8ff22;
--h0:#142437;--h1:#173152;--h2:#1b416d;--h3:#225389;--h4:#2c68a5;--h5:#3f80be;--h6:#5b99d1;
--h7:#80b4e1;--h8:#abcfef;--h9:#d9ebfa;--halo:#10151b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header.top{max-width:1120px;margin:0 auto;padding:0 16px}
header.top{padding-top:36px}
h1{font-size:clamp(1.5rem,5vw,2.2rem);line-height:1.2;margin:0 0 6px;letter-spacing:-.01em;
overflow-wrap:anywhere}
h2{font-size:1.22rem;line-height:1.3;margin:40px 0 4px;letter-spacing:-.005em}
h3{font-size:1rem;line-height:1.3;margin:0;overflow-wrap:anywhere}
p{margin:0 0 10px;max-width:76ch}
.lead{color:var(--soft);overflow-wrap:anywhere;max-width:none}
.note{color:var(--soft);font-size:.9rem}figure+.note{margin:8px 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;
margin:22px 0 0;padding:0;list-style:none}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;
min-width:0}
.tile b{display:block;font-size:1.35rem;line-height:1.2;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.tile span{color:var(--soft);font-size:.85rem}
.tile.pass b{color:var(--pass)}.tile.fail b{color:var(--fail)}
.tile.undecided b{color:var(--undecided)}
.grid2,.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));
gap:16px;margin-top:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:16px;
min-width:0}
.card h3+*{margin-top:8px}
figure{margin:0}
.chart{display:block;width:100%;max-width:640px;height:auto;overflow:visible;font-family:inherit}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0 0;color:var(--soft);
font-size:.82rem;align-items:center}
.legend span{display:inline-flex;align-items:center;gap:6px}
.legend .ramp{gap:0}
.swatch{display:inline-block;width:12px;height:12px;border-radius:3px;background:var(--soft)}
.ramp .swatch{border-radius:0;width:14px}
.swatch.pass{background:var(--pass);border-radius:50%}
.swatch.fail{background:none;position:relative;border-radius:0}
.swatch.fail::before,.swatch.fail::after{content:"";position:absolute;left:5px;top:-1px;width:2.5px;
height:14px;background:var(--fail);transform:rotate(45deg)}
.swatch.fail::after{transform:rotate(-45deg)}
.swatch.undecided{background:var(--undecided);transform:rotate(45deg) scale(.8);border-radius:0}
.swatch.open{background:none;border:2px solid var(--accent);border-radius:50%}
.swatch.dot{background:var(--accent);opacity:.65;border-radius:50%;width:9px;height:9px}
.swatch.budget,.swatch.exact{background:none;border-left:2px dashed var(--soft);width:2px;
border-radius:0}
.swatch.front{height:3px;background:var(--accent);border-radius:2px;width:16px}
.swatch.band{background:var(--band);border:1px solid var(--accent)}
.swatch.k1{background:var(--k1)}.swatch.k3{background:var(--k3)}
.swatch.k5{background:var(--k5)}.swatch.k7{background:var(--k7)}.swatch.cost{background:var(--cost)}
text{fill:var(--ink);font-size:13px}
.tick{fill:var(--soft);font-size:12.5px;font-variant-numeric:tabular-nums}
.title{fill:var(--soft);font-size:12.5px}
.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:var(--grid)}.axis{stroke:var(--line)}
.budget{stroke:var(--soft);stroke-dasharray:4 4;stroke-width:1.4}
.reach{stroke-width:2;opacity:.45}
.reach.pass{stroke:var(--pass)}.reach.fail{stroke:var(--fail)}
.reach.undecided{stroke:var(--undecided)}.reach.open{stroke:var(--accent)}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.front{stroke:var(--accent);opacity:.75}
.line.exact{stroke:var(--soft);stroke-dasharray:4 4;stroke-width:1.4}
.line.l0{stroke:var(--k3)}.line.l1{stroke:var(--k7)}.line.l2{stroke:var(--k5)}
.line.l3{stroke:var(--pass)}.line.l4{stroke:var(--fail)}.line.l5{stroke:var(--k1)}
.swatch.l0{background:var(--k3)}.swatch.l1{background:var(--k7)}.swatch.l2{background:var(--k5)}
.swatch.l3{background:var(--pass)}.swatch.l4{background:var(--fail)}.swatch.l5{background:var(--k1)}
.band{fill:var(--band)}
.mark{stroke:var(--card);stroke-width:1.5}
.mark.pass{fill:var(--pass)}.mark.undecided{fill:var(--undecided)}
.mark.cross{fill:none;stroke:var(--fail);stroke-width:3.5;stroke-linecap:round}
.mark.open{fill:var(--card);stroke:var(--accent);stroke-width:2.2}
.mark.dot{fill:var(--accent);opacity:.65;stroke:none}
.label{font-weight:650;paint-order:stroke;stroke:var(--card);stroke-width:3px}
.chosen{font-size:12px;font-weight:700;paint-order:stroke;stroke:var(--halo);stroke-width:3px}
.ring{fill:none;stroke:var(--ink);stroke-width:2;paint-order:stroke}
.trough{fill:var(--grid)}
.bar.pass{fill:var(--pass)}.bar.fail{fill:var(--fail)}.bar.undecided{fill:var(--undecided)}
.limit{stroke:var(--ink);stroke-width:2}.at{stroke:var(--card);stroke-width:2}
.whisker{stroke:var(--accent);opacity:.4;stroke-width:1.6}
.swatch.whisker{background:var(--accent);opacity:.4;width:3px;border-radius:0}
.stride{stroke:var(--line);stroke-dasharray:2 3}
.k1{fill:var(--k1)}.k3{fill:var(--k3)}.k5{fill:var(--k5)}.k7{fill:var(--k7)}.cost{fill:var(--cost)}
.h0{fill:var(--h0);background:var(--h0)}.h1{fill:var(--h1);background:var(--h1)}
.h2{fill:var(--h2);background:var(--h2)}.h3{fill:var(--h3);background:var(--h3)}
.h4{fill:var(--h4);background:var(--h4)}.h5{fill:var(--h5);background:var(--h5)}
.h6{fill:var(--h6);background:var(--h6)}.h7{fill:var(--h7);background:var(--h7)}
.h8{fill:var(--h8);background:var(--h8)}.h9{fill:var(--h9);background:var(--h9)}
.head{display:flex;align-items:center;gap:10px;flex-wrap:wrap}
.letter{flex:none;min-width:28px;height:28px;padding:0 6px;border-radius:8px;background:var(--ink);
color:var(--card);font-weight:700;display:inline-flex;align-items:center;justify-content:center}
.badge{border-radius:999px;padding:2px 11px;font-size:.78rem;font-weight:700;letter-spacing:.03em;
margin-left:auto;background:var(--grid);color:var(--soft)}
.badge.pass{background:var(--pass-soft);color:var(--pass)}
.badge.fail{background:var(--fail-soft);color:var(--fail)}
.badge.undecided{background:var(--undecided-soft);color:var(--undecided)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(92px,1fr));gap:8px 12px;
margin:14px 0 10px}
.figures div{min-width:0}
.figures dt{color:var(--soft);font-size:.78rem}
.figures dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:minmax(88px,max-content) minmax(0,1fr);gap:3px 16px;
margin:8px 0 0;font-size:.86rem}
.facts dt{color:var(--soft);overflow-wrap:anywhere;max-width:38vw}
.facts dd{margin:0;overflow-wrap:anywhere}
.mono,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85em;
overflow-wrap:anywhere}
.line-of{border-left:3px solid var(--line);padding:2px 0 2px 12px;margin:10px 0 0;font-size:.86rem;
overflow-wrap:anywhere;max-width:none}
.line-of.pass{border-color:var(--pass)}.line-of.fail{border-color:var(--fail)}
.line-of.undecided{border-color:var(--undecided)}
.missing{list-style:none;margin:10px 0 0;padding:0}
.missing li{padding:6px 0;border-top:1px solid var(--line)}
.missing li:first-child{border-top:0}
footer{max-width:1120px;margin:48px auto 0;padding:16px;color:var(--soft);font-size:.84rem}
@media screen and (max-width:520px){text,.tick,.title{font-size:16px}.chosen{font-size:14px}
.facts{grid-template-columns:1fr;gap:0}.facts dt{max-width:none;margin-top:7px}
h2{margin-top:32px}}
@media print{:root{color-scheme:light;--paper:#fff}
body{font-size:10.5pt}.card,.tile,figure{break-inside:avoid}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main,header.top,footer{max-width:none;padding-left:0;padding-right:0}}
@page{margin:14mm}
"""
