/**
 * How long work is shown: a bar for a person at a terminal, now and then a log line for everybody else. Knows neither files
 * nor models.
 */
import { SingleBar } from "cli-progress"
import type { DownloadProgress } from "../engines/whisper/models.ts"
import type { Log } from "../log.ts"
import type { Environment } from "../settings.ts"
import { createPaint } from "./colours.ts"

export interface Bar {
  /** Done so far, and of how much; null while nobody knows. */
  set(done: number, total: number | null): void
  /** Idempotent; allowed before the first `set`. */
  end(): void
}

export interface BarOptions {
  readonly label: string
  /** Written after the numbers. */
  readonly unit: string
  readonly terminal: boolean
  /** Says whether there are to be colours. */
  readonly env: Environment
  readonly log: Log
}

/** A log line each time this much more is done, in percent. */
const LOG_STEP_PERCENT = 10

export function createBar(options: BarOptions): Bar {
  return options.terminal ? terminalBar(options) : logBar(options)
}

const BAR_CHARACTERS = 30

function terminalBar({ label, unit, env }: BarOptions): Bar {
  const paint = createPaint(true, env)
  const name = label.length > LABEL_CHARACTERS_MAX ? `…${label.slice(1 - LABEL_CHARACTERS_MAX)}` : label
  let known = false
  const bar = new SingleBar({
    format({ barCompleteString = "", barIncompleteString = "" }, { progress, value, total, eta }) {
      if (!known) return `${name}  ${value} ${unit}`
      const full = Math.round(progress * BAR_CHARACTERS)
      const drawn = paint("cyan", barCompleteString.slice(0, full)) + paint("dim", barIncompleteString.slice(0, BAR_CHARACTERS - full))
      const left = Number.isFinite(eta) && value > 0 && value < total ? `  ${shortTime(eta)} left` : ""
      return `${name}  ${drawn} ${Math.floor(progress * 100)}%  ${value}/${total} ${unit}${left}`
    },
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
    barsize: BAR_CHARACTERS,
  })
  return {
    set(done, total) {
      known = total !== null
      const whole = Math.max(1, Math.round(total ?? done))
      if (bar.isActive) bar.setTotal(whole)
      else bar.start(whole, 0)
      bar.update(Math.round(done))
    },
    end() {
      if (bar.isActive) bar.stop()
    },
  }
}

/** What lies behind it must not fall off the line. */
const LABEL_CHARACTERS_MAX = 32

/** `1:05`, with minutes without end. */
function shortTime(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`
}

function logBar({ label, unit, log }: BarOptions): Bar {
  let nextPercent = 0
  return {
    set(done, total) {
      if (total === null || total <= 0) return
      const percent = Math.floor((100 * done) / total)
      if (percent < nextPercent) return
      nextPercent = percent + LOG_STEP_PERCENT - (percent % LOG_STEP_PERCENT)
      log.info(label, { percent, total: Math.round(total), unit })
    },
    end() {},
  }
}

const BYTES_PER_MB = 1_000_000

/** Shows the files of a model as they come. */
export function showDownload({ terminal, env, log }: Pick<BarOptions, "terminal" | "env" | "log">) {
  let shown: { file: string; bar: Bar } | undefined
  return {
    onProgress({ file, loadedBytes, totalBytes }: DownloadProgress) {
      if (shown?.file !== file) {
        shown?.bar.end()
        shown = { file, bar: createBar({ label: `downloading ${file}`, unit: "MB", terminal, env, log }) }
      }
      shown.bar.set(loadedBytes / BYTES_PER_MB, totalBytes === null ? null : totalBytes / BYTES_PER_MB)
    },
    end() {
      shown?.bar.end()
    },
  }
}
