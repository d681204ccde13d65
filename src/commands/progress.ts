/**
 * How long work is shown: a bar for a person at a terminal, now and then a log line for everybody else. Knows neither files
 * nor models.
 */
import { Format, SingleBar } from "cli-progress"
import type { DownloadProgress } from "../engines/whisper/models.ts"
import type { Log } from "../log.ts"

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
  readonly log: Log
}

/** A log line each time this much more is done, in percent. */
const LOG_STEP_PERCENT = 10

export function createBar(options: BarOptions): Bar {
  return options.terminal ? terminalBar(options) : logBar(options)
}

function terminalBar({ label, unit }: BarOptions): Bar {
  const format = `${label} {bar} {percentage}% | {value}/{total} ${unit}`
  const bar = new SingleBar({
    format,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
    barsize: 30,
    formatBar: Format.BarFormat,
  })
  return {
    set(done, total) {
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
export function showDownload({ terminal, log }: { terminal: boolean; log: Log }) {
  let shown: { file: string; bar: Bar } | undefined
  return {
    onProgress({ file, loadedBytes, totalBytes }: DownloadProgress) {
      if (shown?.file !== file) {
        shown?.bar.end()
        shown = { file, bar: createBar({ label: `downloading ${file}`, unit: "MB", terminal, log }) }
      }
      shown.bar.set(loadedBytes / BYTES_PER_MB, totalBytes === null ? null : totalBytes / BYTES_PER_MB)
    },
    end() {
      shown?.bar.end()
    },
  }
}
