/** What has to be shown: ratios, targets, and the file that keeps them. */
import { describe, expect, test } from "bun:test";
import { judged, type Must, musts } from "../../bench/pure/must.ts";
import { merged } from "../../bench/pure/results.ts";
import { workloads } from "../../bench/workloads/all.ts";

const rate: Must = {
  ...{ what: "rate", workload: "in", figure: "delivered", unit: "messages/s", digits: 0, better: "more" },
  ...{ against: "postfix", target: 2.5 },
};
const least: Must = {
  ...{ what: "lateness", workload: "in", figure: "late", unit: "ms", digits: 1, better: "less", target: 10 },
};

describe("a line", () => {
  test("a ratio is of medians, and reached from its target on", () => {
    const medians = { ours: { delivered: 500 }, postfix: { delivered: 200 } };
    const row = { what: "rate", target: "at least 2.5 times Postfix", reached: "yes" as const };
    expect(judged([rate], "in", medians)).toEqual([{ ...row, figure: "x 2.50 (500 to 200 messages/s)" }]);
    const slow = { ...medians, ours: { delivered: 499 } };
    expect(judged([rate], "in", slow)[0]?.reached).toBe("no");
  });
  test("less is better: the ratio is the other way round", () => {
    const cost: Must = { ...rate, better: "less" };
    const medians = { ours: { delivered: 200 }, postfix: { delivered: 500 } };
    expect(judged([cost], "in", medians)[0]).toMatchObject({ reached: "yes" });
    expect(judged([cost], "in", { ours: medians.postfix, postfix: medians.ours })[0]).toMatchObject({
      reached: "no",
    });
  });
  test("a figure of its own is reached up to its target; the others' stand beside it", () => {
    const at = (late: number) =>
      judged([least], "in", { ours: { late }, postfix: { late: 0.94 }, reference: {} });
    const row = { what: "lateness", target: "at most 10 ms" };
    expect(at(10)).toEqual([{ ...row, figure: "10.0 ms; Postfix 0.9", reached: "yes" }]);
    expect(at(10.1)).toEqual([{ ...row, figure: "10.1 ms; Postfix 0.9", reached: "no" }]);
  });
  test("and from its target on, where more is better", () => {
    const most: Must = { ...least, better: "more" };
    expect(judged([most], "in", { ours: { late: 10 } })[0]?.reached).toBe("yes");
    expect(judged([most], "in", { ours: { late: 9 } })[0]).toMatchObject({
      reached: "no",
      target: "at least 10 ms",
    });
  });
  test("without a target it is only shown", () => {
    const { target: _, ...open } = least;
    expect(judged([open], "in", { ours: { late: 3 } })).toEqual([
      { what: "lateness", target: "shown", figure: "3.0 ms", reached: "-" },
    ]);
  });
  test("no row of what was not measured: neither without us, nor without the other", () => {
    expect(judged([rate], "in", { ours: { delivered: 500 } })).toEqual([]);
    expect(judged([rate, least], "in", { postfix: { delivered: 500, late: 1 } })).toEqual([]);
    expect(judged([least], "in", { ours: { late: Number.NaN } })).toEqual([]);
    expect(judged([rate], "out", { ours: { delivered: 500 }, postfix: { delivered: 200 } })).toEqual([]);
  });
});

describe("all lines", () => {
  test("every one has a workload of the run that makes the table, and a figure of it", () => {
    for (const { what, workload, figure, against } of musts) {
      const found = workloads.find(({ name }) => name === workload);
      expect(`${what}: ${found?.must === undefined}`).toBe(`${what}: false`);
      expect(found?.figures.map(({ key }) => key)).toContain(figure);
      expect(found?.must?.peers).toContain("ours");
      if (against !== undefined) expect(found?.must?.peers).toContain(against);
    }
  });
  test("none of that run is there for nothing", () => {
    for (const { name, must } of workloads)
      if (must !== undefined) expect(musts.map(({ workload }) => workload)).toContain(name);
  });
  test("no two have the same name, which is the key of the table", () => {
    expect(new Set(musts.map(({ what }) => what)).size).toBe(musts.length);
  });
});

describe("the file", () => {
  const order = ["rate", "lateness"];
  const row = (what: string, figure: string) => ({ what, target: "shown", figure, reached: "-" as const });
  const first = merged(
    "",
    {
      head: "today by us\n\n- A: fast\n",
      lines: ["", "## in", "", "| a | b |"],
      rows: [row("lateness", "3 ms"), row("rate", "5")],
      when: "Monday",
    },
    order,
  );
  test("first what must be shown, in its order; then the workloads", () =>
    expect(first).toBe(`# Results

## Must show

| what     | target | figure | reached | measured |
| -------- | -----: | -----: | ------: | -------: |
| rate     |  shown |      5 |       - |   Monday |
| lateness |  shown |   3 ms |       - |   Monday |

## in

| a | b |

Measured today by us

- A: fast
`));
  test("the next run replaces what it measured, and nothing else", () => {
    const run = {
      head: "later",
      lines: ["## out", "x", "## in", "y"],
      rows: [row("rate", "7")],
      when: "Tuesday",
    };
    const second = merged(first, run, order);
    expect(second).toContain("| rate     |  shown |      7 |       - |  Tuesday |");
    expect(second).toContain("| lateness |  shown |   3 ms |       - |   Monday |");
    expect(second).toEndWith(
      "## in\n\ny\n\nMeasured later\n\n## out\nx\n\nMeasured later\n".replace("\n\ny", "\ny"),
    );
    expect(second.match(/^## /gm)?.length).toBe(3);
  });
  test("a line that is no more in the list leaves the table", () =>
    expect(merged(first, { head: "", lines: [], rows: [], when: "" }, ["rate"])).not.toContain("lateness"));
});
