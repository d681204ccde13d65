/** The program in a terminal of its own, as a person sits before it: what it shows, keys that are pressed, and how it ends. */
import { join } from "node:path"
import type { Environment } from "../../src/settings.ts"

const root = join(import.meta.dir, "../..")

export interface TerminalOptions {
  readonly columns?: number
  readonly env?: Environment
}

export interface Shown {
  /** All that was written so far, control sequences and all. */
  readonly raw: string
  /** What stands on the screen now, without colours and without blank lines at its end. */
  readonly screen: readonly string[]
  /** Resolves once what was written fits; rejects if the program ends before. */
  until(what: RegExp): Promise<void>
  press(keys: string): void
  readonly exited: Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

export const CTRL_C = "\x03"

/** The arguments of a shell, in which `$XRX` is the program. */
export function runInTerminal(command: string, { columns = 80, env = {} }: TerminalOptions = {}): Shown {
  let raw = ""
  let ended = false
  const waiters = new Set<() => void>()
  const wakeAll = () => {
    for (const wake of [...waiters]) wake()
  }
  const decoder = new TextDecoder()
  const child = Bun.spawn(["sh", "-c", command], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "", TERM: "xterm", STT_ENGINES: "1", XRX: `${process.execPath} src/main.ts`, ...env },
    terminal: {
      cols: columns,
      rows: 24,
      data(_, bytes) {
        raw += decoder.decode(bytes, { stream: true })
        wakeAll()
      },
    },
  })
  void child.exited.then(() => {
    ended = true
    wakeAll()
  })
  return {
    get raw() {
      return raw
    },
    get screen() {
      return screenOf(raw)
    },
    until(what) {
      return new Promise((resolve, reject) => {
        const check = () => {
          if (!what.test(raw) && !ended) return void waiters.add(check)
          waiters.delete(check)
          if (what.test(raw)) resolve()
          else reject(new Error(`ended without ${what}:\n${raw}`))
        }
        check()
      })
    },
    press: (keys) => void child.terminal?.write(keys),
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await child.exited
      child.terminal?.close()
    },
  }
}

const ESCAPE = "␛"
const CONTROL = /␛\[\??([\d;]*)([A-Za-z])|␛([78])|(\r)|(\n)|([^␛\r\n]+)/g

/** Enough of a terminal for what the program writes to it; throws at what it does not know. */
function screenOf(raw: string): string[] {
  const rows: string[] = [""]
  let row = 0
  let column = 0
  let saved = { row, column }
  const line = () => rows[row] ?? ""
  for (const [sequence, codes = "", letter, cursor, home, feed, text] of raw.replaceAll("\x1b", ESCAPE).matchAll(CONTROL)) {
    const count = Number(codes || 1)
    if (cursor === "7") saved = { row, column }
    else if (cursor === "8") ({ row, column } = saved)
    else if (home) column = 0
    else if (feed) rows[++row] ??= ""
    else if (text) {
      rows[row] = line().padEnd(column).slice(0, column) + text + line().slice(column + text.length)
      column += text.length
    } else if (letter === "A") row = Math.max(0, row - count)
    else if (letter === "G") column = count - 1
    else if (letter === "K") rows[row] = codes === "2" ? "" : line().slice(0, column)
    else if (letter === "J") {
      rows.length = row + 1
      rows[row] = line().slice(0, column)
    } else if (!/[mhl]/.test(letter ?? "")) throw new Error(`a terminal would do something for ${JSON.stringify(sequence)}`)
  }
  return rows.join("\n").trimEnd().split("\n")
}
