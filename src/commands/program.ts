/**
 * What every command is given by main.ts instead of touching the process itself, and what it may answer. Knows
 * no command.
 */
import type { Log } from "../log.ts"
import type { Environment, Settings } from "../settings.ts"

/** Exit codes: what a supervisor acts on. 78 is EX_CONFIG of sysexits.h: starting again changes nothing. */
export const EXIT = { drained: 0, failed: 1, badSettings: 78 } as const

/** A terminal, as far as its cursor can be moved. */
export interface Screen {
  readonly columns: number
  readonly rows: number
  /** As it is, without a line end. */
  readonly write: (text: string) => void
}

/** Standard input. */
export interface Input {
  /** True if it is a keyboard: nobody has piped anything in. */
  readonly terminal: boolean
  /** To be read once. */
  readonly bytes: () => ReadableStream<Uint8Array>
}

export interface Program {
  readonly settings: Settings
  readonly env: Environment
  /** Starts this program again as an engine process. */
  readonly engineCommand: readonly string[]
  /** Starts it as the voice activity process. */
  readonly vadCommand: readonly string[]
  /** Starts it as a process that decodes recordings. */
  readonly decodeCommand: readonly string[]
  /** Aborts when the process is asked to end. */
  readonly stop: AbortSignal
  /** Calls back at each SIGHUP, which otherwise is as SIGTERM; the returned function calls it off. */
  readonly onHangUp: (listener: () => void) => () => void
  readonly log: Log
  /** True if a person reads stderr. */
  readonly terminal: boolean
  /** Stdout where a person reads it; null in a pipe or a file. */
  readonly screen: Screen | null
  readonly input: Input
  /** One line, or several, without the last line end. */
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
}

/** Resolves once the process is asked to end. */
export function stopped(stop: AbortSignal): Promise<"stopped"> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve("stopped")
    stop.addEventListener("abort", () => resolve("stopped"), { once: true })
  })
}
