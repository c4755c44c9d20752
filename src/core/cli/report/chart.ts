/** The drawing of what happened when: a bar for each step, as an SVG that stands in the page. */
import type { TimelineReport } from "../../log/timeline.ts";
import { countShown, durationShown, timeShown } from "../shown.ts";

const size = { width: 1060, height: 250, left: 52, right: 8, top: 10, bottom: 28 };
const plot = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom };

/** Distances of the marks on the time axis, in seconds. */
const marks = [
  1, 5, 15, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 2419200, 7257600, 31557600,
] as const;
const mostMarks = 12;

const layers = [
  ["success", "good-fill"],
  ["deferral", "wait-fill"],
  ["failure", "bad-fill"],
] as const;

type Point = TimelineReport["points"][number];
const total = (point: Point): number => point.success + point.deferral + point.failure;
const number = (value: number): string => String(Math.round(value * 100) / 100);

/** The chart; empty where there is nothing to draw. */
export function timelineChart({ step, points }: TimelineReport): string {
  const first = points[0];
  if (first === undefined) return "";
  const { ticks, most } = scale(Math.max(...points.map(total)));
  const wide = plot.width / points.length;
  const y = (value: number): number => size.top + plot.height * (1 - value / most);
  const grid = ticks.map(
    (value) =>
      `<line class="grid" x1="${size.left}" x2="${size.width - size.right}" y1="${number(y(value))}" y2="${number(y(value))}"/><text x="${size.left - 8}" y="${number(y(value) + 4)}" text-anchor="end">${countShown(value)}</text>`,
  );
  const bars = points.map((point, index) => barOf(point, size.left + index * wide, wide, y, step));
  const axis = timeMarks(first.time, step * points.length).map(({ time, label }) => {
    const x = size.left + ((time - first.time) / (step * points.length)) * plot.width;
    return `<line class="axis" x1="${number(x)}" x2="${number(x)}" y1="${size.top + plot.height}" y2="${size.top + plot.height + 5}"/><text x="${number(x)}" y="${size.height - 8}" text-anchor="middle">${label}</text>`;
  });
  const base = `<line class="axis" x1="${size.left}" x2="${size.width - size.right}" y1="${size.top + plot.height}" y2="${size.top + plot.height}"/>`;
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="Attempts over time, in steps of ${durationShown(step)}">${grid.join("")}${bars.join("")}${base}${axis.join("")}</svg>`;
}

function barOf(point: Point, x: number, wide: number, y: (value: number) => number, step: number): string {
  if (total(point) === 0) return "";
  const gap = wide > 3 ? 1 : 0;
  let sum = 0;
  const parts = layers.map(([key, fill]) => {
    const value = point[key];
    if (value === 0) return "";
    const top = y(sum + value);
    const height = y(sum) - top;
    sum += value;
    return `<rect class="${fill}" x="${number(x)}" y="${number(top)}" width="${number(wide - gap)}" height="${number(height)}"/>`;
  });
  const words = layers.map(([key]) => `${countShown(point[key])} ${key}`).join(", ");
  const title = `${timeShown(point.time)}, ${durationShown(step)}: ${words}; ${countShown(point.messages)} arrived`;
  return `<g class="step"><title>${title}</title>${parts.join("")}</g>`;
}

/** Round numbers for an axis from 0 on. */
function scale(most: number): { ticks: number[]; most: number } {
  const rough = Math.max(1, most) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = Math.max(
    1,
    [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? power * 10,
  );
  const count = Math.max(1, Math.ceil(most / distance));
  return { ticks: Array.from({ length: count + 1 }, (_, index) => index * distance), most: count * distance };
}

/** Marks at full hours and days of local time. */
function timeMarks(start: number, length: number): { time: number; label: string }[] {
  const distance = marks.find((each) => length / each <= mostMarks) ?? length / mostMarks;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const first = Math.ceil((start - shift) / distance) * distance + shift;
  const found: { time: number; label: string }[] = [];
  for (let time = first; time <= start + length; time += distance) {
    const date = new Date(time * 1000);
    const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const clock = timeShown(time).slice(11, distance < 60 ? 19 : 16);
    // Times of day name the day where it begins.
    const label = distance >= 86400 || clock.startsWith("00:00") ? day : clock;
    found.push({ time, label });
  }
  const edge = (length / plot.width) * 24;
  return found
    .filter(({ time }) => time >= start + edge - 1e-6 || time === start)
    .filter(({ time }) => time <= start + length - edge);
}
