/** The curves of a soak as an SVG picture, for light and dark pages. */

/** One curve of a panel. */
interface Curve {
  name: string;
  values: readonly number[];
}

export interface Panel {
  title: string;
  /** What stands behind the numbers of its axis. */
  unit: string;
  curves: readonly Curve[];
}

export interface Picture {
  title: string;
  /** Seconds, one for each value of every curve. */
  times: readonly number[];
  panels: readonly Panel[];
  /** Seconds at which something was killed. */
  kills: readonly number[];
}

const width = 860;
const left = 78;
const right = 16;
const [top, height, gap, bottom] = [72, 120, 52, 46];

const style = `
  svg { background: #fff; --ink: #1c2126; --soft: #5b6570; --grid: #dfe3e8; --kill: #c2410c; --c0: #1d5fbf; --c1: #0f8a5f; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; --ink: #e8ecf0; --soft: #9aa5b1; --grid: #2c343d; --kill: #fb923c; --c0: #6ea8ff; --c1: #4cd3a2; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--soft); }
  .title { font-size: 17px; font-weight: 600; fill: var(--ink); }
  .panel { font-weight: 600; fill: var(--ink); }
  .grid { stroke: var(--grid); stroke-width: 1; }
  .kill { stroke: var(--kill); stroke-width: 1; }
  .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); }
  .n0 { fill: var(--c0); } .n1 { fill: var(--c1); }
`;

/** 1, 2 or 5 times a power of ten: the step of an axis with about so many lines. */
function stepFor(most: number, lines: number): number {
  const power = 10 ** Math.floor(Math.log10(most / lines));
  return power * ([1, 2, 5].find((factor) => factor * power * lines >= most) ?? 10);
}

const round = (number: number): string => String(Math.round(number * 10) / 10);

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** Draws it. */
export function draw({ title, times, panels, kills }: Picture): string {
  const end = Math.max(1, ...times);
  const x = (time: number): number => left + (time / end) * (width - left - right);
  const total = top + panels.length * (height + gap) - gap + bottom;
  const marks = kills.map((time) => `M${round(x(time))} 44v8`).join("");
  const parts = [
    `<text class="title" x="${left}" y="24">${escaped(title)}</text>`,
    `<text x="${left - 8}" y="53" text-anchor="end">kills</text>`,
    `<path class="kill" d="${marks}"/>`,
    ...panels.flatMap((panel, index) => drawPanel(panel, top + index * (height + gap), times, x)),
    ...minutes(end).map(
      (minute) =>
        `<text x="${round(x(minute * 60))}" y="${total - 24}" text-anchor="middle">${round(minute)}</text>`,
    ),
    `<text x="${width - right}" y="${total - 8}" text-anchor="end">minutes</text>`,
  ];
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" role="img">`;
  return `${head}\n<title>${escaped(title)}</title>\n<style>${style}</style>\n${parts.join("\n")}\n</svg>\n`;
}

function minutes(end: number): number[] {
  const step = stepFor(end / 60, 10);
  return Array.from({ length: Math.floor(end / 60 / step + 1e-9) + 1 }, (_, index) => index * step);
}

function drawPanel(
  { title, unit, curves }: Panel,
  above: number,
  times: readonly number[],
  x: (time: number) => number,
): string[] {
  const most = Math.max(1, ...curves.flatMap(({ values }) => values));
  const step = stepFor(most, 4);
  const lines = Math.ceil(most / step);
  const y = (value: number): number => above + 20 + (1 - value / (lines * step)) * (height - 20);
  const grid = Array.from({ length: lines + 1 }, (_, index) => index * step).flatMap((value) => [
    `<path class="grid" d="M${left} ${round(y(value))}H${width - right}"/>`,
    `<text x="${left - 8}" y="${round(y(value) + 4)}" text-anchor="end">${Number(value.toPrecision(6))}${unit}</text>`,
  ]);
  const legend = curves.map(({ name }, index) => `<tspan class="n${index}" dx="14">${escaped(name)}</tspan>`);
  return [
    ...grid,
    `<text class="panel" x="${left}" y="${above + 4}">${escaped(title)}${curves.length > 1 ? legend.join("") : ""}</text>`,
    ...curves.map(({ values }, index) => {
      const points = values.map((value, at) => `${round(x(times[at] ?? 0))} ${round(y(value))}`);
      return `<path class="curve c${index}" d="M${points.join("L")}"/>`;
    }),
  ];
}
