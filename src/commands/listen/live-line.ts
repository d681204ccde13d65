/** The words so far at the foot of a terminal, written anew in place until they are final. Knows no event. */
import type { Screen } from "../program.ts"

export interface LiveLine {
  /** In place of what was shown. */
  show(text: string): void
  /** For good: what is shown next comes below it. "" takes away what was shown. */
  settle(text: string): void
}

/** One less than there are: in the last one, terminals differ in when they wrap. */
const columnsOf = ({ columns }: Screen) => Math.max(20, (columns || 80) - 1)

const UP = (rows: number) => (rows > 0 ? `\x1b[${rows}A` : "")
const START_OF_ROW = "\r"
const CLEAR_BELOW = "\x1b[J"

export function createLiveLine(screen: Screen): LiveLine {
  /** Of what is shown, beside the first. */
  let furtherRows = 0

  function replace(text: string): string {
    const back = `${UP(furtherRows)}${START_OF_ROW}${CLEAR_BELOW}`
    furtherRows = 0
    return back + text
  }

  return {
    show(text) {
      // What has left the screen at its top cannot be written over.
      const rows = wrapped(text, screen).slice(1 - Math.max(2, screen.rows || 24))
      screen.write(replace(rows.join("\n")))
      furtherRows = rows.length - 1
    },
    settle(text) {
      screen.write(replace(text === "" ? "" : `${wrapped(text, screen).join("\n")}\n`))
    },
  }
}

function wrapped(text: string, screen: Screen): string[] {
  return Bun.wrapAnsi(text, columnsOf(screen), { hard: true }).split("\n")
}
