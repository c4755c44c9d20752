/** The look of the page: light and dark, as the reader's system has it, on screens of every width and on paper. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f4f5f3; --card: #ffffff; --ink: #1d2327; --soft: #5b666d; --line: #dfe3e0; --grid: #e8ebe8;
  --good: #2c7fa3; --wait: #d5921b; --wait-ink: #8f5c05; --bad: #bf3b2f; --track: #eef1ef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181b; --card: #1c2226; --ink: #e7ebec; --soft: #9daab1; --line: #2e363b; --grid: #2a3237;
    --good: #5ab3d6; --wait: #e5ae49; --wait-ink: #e5ae49; --bad: #f07b6c; --track: #262e33;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 48px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 20px; margin-bottom: 20px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 0; }
header p, .about, footer { color: var(--soft); margin: 0; }
.about { font-size: 13.5px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 16px; min-width: 0; }
section > .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; margin-bottom: 12px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.tile b { display: block; font-size: 27px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.tile.good b { color: var(--good); } .tile.wait b { color: var(--wait-ink); } .tile.bad b { color: var(--bad); }
.tile span { color: var(--soft); font-size: 13.5px; display: block; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 0 16px; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 760px; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--line); }
.good-fill { fill: var(--good); background: var(--good); } .wait-fill { fill: var(--wait); background: var(--wait); } .bad-fill { fill: var(--bad); background: var(--bad); }
.step:hover { opacity: .72; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-left: auto; font-size: 13.5px; color: var(--soft); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { color: var(--soft); font-weight: 500; font-size: 12.5px; text-align: left; padding: 0 12px 6px 0; white-space: nowrap; }
td { padding: 6px 12px 6px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
td.zero { color: var(--soft); opacity: .6; }
td.wait { color: var(--wait-ink); } td.bad { color: var(--bad); }
td.name { min-width: 13em; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.mix { display: flex; gap: 1px; height: 10px; margin-top: 6px; min-width: 90px; border-radius: 3px; overflow: hidden; background: var(--track); }
.mix i { height: 100%; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: 7px 12px; align-items: center; font-size: 14px; }
.bars .track { background: var(--track); height: 16px; border-radius: 3px; }
.bars .track i { display: block; height: 100%; border-radius: 3px; min-width: 2px; }
.bars .n { color: var(--soft); }
details { font-size: 13px; color: var(--soft); } summary { cursor: pointer; color: var(--ink); font-size: 14px; list-style: none; }
summary::-webkit-details-marker { display: none; } summary:hover { text-decoration: underline dotted; }
code { font: 12.5px ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
footer { margin-top: 22px; font-size: 13px; }
@media print { body { background: none; font-size: 11px; } section, .tile { break-inside: avoid; } main { padding: 0; } }
`;
