/**
 * One JSON line per event, on stderr. Never a transcript, audio, a key or a raw upstream body: fields are names, numbers
 * and ids. Knows no setting; the level and the sink come in.
 */

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export type Log = Readonly<Record<Exclude<LogLevel, "silent">, (event: string, fields?: LogFields) => void>>

export interface LogOptions {
  readonly level: LogLevel
  /** Takes one line without its end. */
  readonly write: (line: string) => void
  readonly now?: () => Date
}

export function createLog({ level, write, now = () => new Date() }: LogOptions): Log {
  const lowest = LOG_LEVELS.indexOf(level)
  const at = (name: Exclude<LogLevel, "silent">) => {
    if (LOG_LEVELS.indexOf(name) < lowest) return () => {}
    return (event: string, fields: LogFields = {}) => write(JSON.stringify({ time: now().toISOString(), level: name, event, ...fields }))
  }
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }
}

/** For tests and for commands that must stay quiet. */
export const silentLog: Log = createLog({ level: "silent", write: () => {} })
