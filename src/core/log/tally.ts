/** Counting by name in bounded memory: who comes rarely is dropped when too many names came, and what is dropped is known. */

/** What is counted for one name, by column. */
export type Row<Column extends string> = Record<Column, number>;

/** One name of a tally. */
export type Counted<Column extends string> = Row<Column> & { name: string };

export class Tally<Column extends string> {
  readonly #columns: readonly Column[];
  readonly #capacity: number;
  readonly #rows = new Map<string, Row<Column>>();
  /** Names that were dropped; one that came again is counted again. */
  dropped = 0;

  /** The first column says how important a name is. At most twice `capacity` names are kept. */
  constructor(columns: readonly Column[], capacity = 10_000) {
    this.#columns = columns;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#rows.size;
  }

  add(name: string, amounts: Partial<Row<Column>>): void {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = this.#empty();
      this.#rows.set(name, row);
    }
    for (const column of this.#columns) row[column] += amounts[column] ?? 0;
    if (this.#rows.size > 2 * this.#capacity) this.#prune();
  }

  /** The names that come first by a column, the greatest first; nothing of what is 0. */
  top(count: number, by = this.#columns[0] as Column): Counted<Column>[] {
    return [...this.#rows]
      .filter(([, row]) => row[by] > 0)
      .sort(([a, left], [b, right]) => right[by] - left[by] || (a < b ? -1 : 1))
      .slice(0, count)
      .map(([name, row]) => ({ ...row, name }));
  }

  #empty(): Row<Column> {
    return Object.fromEntries(this.#columns.map((column) => [column, 0])) as Row<Column>;
  }

  #prune(): void {
    const key = this.#columns[0] as Column;
    const limit = [...this.#rows.values()].map((row) => row[key]).sort((a, b) => b - a)[this.#capacity] ?? 0;
    for (const [name, row] of this.#rows)
      if (row[key] <= limit && this.#rows.size > this.#capacity) {
        this.#rows.delete(name);
        this.dropped++;
      }
  }
}
