import { createLog, type Log } from "../../src/log.ts"

export interface LogTap {
  readonly log: Log
  readonly lines: readonly Record<string, unknown>[]
  /** Resolves with the line when `event` was logged `count` times since the start, before or after the call. */
  seen(event: string, count?: number): Promise<Record<string, unknown>>
}

/** A log that tests read and wait on. */
export function tapLog(): LogTap {
  const lines: Record<string, unknown>[] = []
  const waiters = new Set<() => void>()
  const log = createLog({
    level: "debug",
    write: (line) => {
      lines.push(JSON.parse(line))
      for (const check of [...waiters]) check()
    },
  })
  return {
    log,
    lines,
    seen(event, count = 1) {
      return new Promise((resolve) => {
        const check = () => {
          const line = lines.filter((line) => line.event === event)[count - 1]
          if (!line) return void waiters.add(check)
          waiters.delete(check)
          resolve(line)
        }
        check()
      })
    },
  }
}
