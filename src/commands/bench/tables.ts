/** Rows of cells as a table, the head first: aligned for a terminal, or Markdown. Pure; knows no figure. */

type Rows = readonly (readonly string[])[]

/** All but the first column end at the right edge, and those named in `left`. */
export function textTable(rows: Rows, left: readonly number[] = []): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number) => {
    const width = widths[column] ?? 0
    return column === 0 || left.includes(column) ? cell.padEnd(width) : cell.padStart(width)
  }
  return rows.map((row) => row.map(pad).join("  ").trimEnd())
}

export function markdownTable([head = [], ...rows]: Rows): string[] {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`
  return [line(head), `|---|${"---:|".repeat(head.length - 1)}`, ...rows.map(line)]
}
