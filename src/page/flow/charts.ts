/** Which charts the status view shows, and what each reckons of the looks at `/metrics`. Pure; draws nothing. */
import { byLabel, type Look, quantile, rate, total } from "./prometheus.ts"

export interface Line {
  /** "" where there is but one. */
  readonly name: string
  /** One a look, oldest first; null where nothing happened. */
  readonly values: readonly (number | null)[]
}

export interface Chart {
  readonly title: string
  /** The top of the scale is at least this. */
  readonly least: number
  /** None where the server has nothing of the kind. */
  lines(looks: readonly Look[]): readonly Line[]
  write(value: number | null): string
}

/** Rates are taken over so many looks, so that single utterances do not flicker. */
const WINDOW = 15

export const CHARTS: readonly Chart[] = [
  {
    title: "From an utterance's end to its words",
    least: 0.5,
    lines: (looks) =>
      [0.5, 0.95].map((share) => ({
        name: `p${share * 100}`,
        values: windows(looks, (before, after) => quantile(before, after, "xrx_stt_final_seconds", share)),
      })),
    write: (value) => (value === null ? "–" : `${Math.round(value * 1000)} ms`),
  },
  gauge("Sessions open", "xrx_stt_sessions_open", 4),
  {
    title: "Audio heard in a second",
    least: 1,
    lines: (looks) => [{ name: "", values: windows(looks, (before, after) => rate(before, after, "xrx_stt_audio_seconds_total")) }],
    write: (value) => `${(value ?? 0).toFixed(1)} s`,
  },
  perMinute("Utterances in a minute, by outcome", "xrx_stt_utterances_total", "outcome"),
  gauge("Utterances waiting for an engine", "xrx_stt_queue_waiting", 4),
  gauge("Requests in work", "xrx_stt_requests_open", 4),
  perMinute("Grey words in a minute, by outcome", "xrx_stt_interims_total", "outcome"),
  perMinute("Refusals in a minute, by reason", "xrx_stt_refusals_total", "reason"),
  perMinute("Engine restarts in a minute, by cause", "xrx_stt_engine_restarts_total", "cause"),
  perMinute("Failures of upstreams in a minute, by engine", "xrx_stt_upstream_errors_total", "engine", "hidden"),
  {
    title: "Processor, without the engines",
    least: 10,
    lines: (looks) => [{ name: "", values: windows(looks, (before, after) => 100 * rate(before, after, "process_cpu_seconds_total")) }],
    write: (value) => `${Math.round(value ?? 0)} %`,
  },
  {
    title: "Delay of the event loop, p99",
    least: 0.02,
    lines: (looks) => [{ name: "", values: looks.map((look) => total(look, "nodejs_eventloop_lag_p99_seconds") ?? null) }],
    write: (value) => (value === null ? "–" : `${(value * 1000).toFixed(1)} ms`),
  },
  {
    title: "Memory, without the engines",
    least: 1e8,
    lines: (looks) => [{ name: "", values: looks.map((look) => total(look, "process_resident_memory_bytes") ?? null) }],
    write: (value) => (value === null ? "–" : `${Math.round(value / 1e6)} MB`),
  },
]

function gauge(title: string, name: string, least: number): Chart {
  return {
    title,
    least,
    lines: (looks) => [{ name: "", values: looks.map((look) => total(look, name) ?? 0) }],
    write: (value) => String(value ?? 0),
  }
}

/** `absent`: what is shown while it never happened. */
function perMinute(title: string, name: string, label: string, absent: "zero" | "hidden" = "zero"): Chart {
  return {
    title,
    least: 10,
    lines(looks) {
      const last = looks.at(-1)
      const counts = last ? [...byLabel(last, name, label)] : []
      const keys = counts.flatMap(([key, count]) => (count > 0 ? [key] : [])).sort()
      const line = (key: string) => ({
        name: key,
        values: windows(looks, (before, after) => 60 * rate(before, after, name, { [label]: key })),
      })
      if (keys.length > 0) return keys.map(line)
      return absent === "hidden" ? [] : [{ name: "", values: looks.map(() => 0) }]
    },
    write: (value) => String(Math.round(value ?? 0)),
  }
}

function windows<Value>(looks: readonly Look[], reckon: (before: Look, after: Look) => Value): Value[] {
  return looks.flatMap((after, at) => {
    const before = looks[Math.max(0, at - WINDOW)]
    return before ? [reckon(before, after)] : []
  })
}
