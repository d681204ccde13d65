/**
 * Every counter of the process, named once, in Prometheus' terms. Any room may count; only the server prints them.
 * Labels are names of ours (engine, mode, code): never anything a client sent.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client"

export const registry = new Registry()

const registers = [registry]

export const sessionsOpen = new Gauge({
  name: "xrx_stt_sessions_open",
  help: "WebSocket sessions open now",
  labelNames: ["mode"],
  registers,
})
export const refusals = new Counter({
  name: "xrx_stt_refusals_total",
  help: "Requests refused before they became a session or joined a queue, by reason",
  labelNames: ["reason"],
  registers,
})
export const utterances = new Counter({
  name: "xrx_stt_utterances_total",
  help: "Utterances ended, by engine and outcome: text, silence, or the code of a failure",
  labelNames: ["engine", "outcome"],
  registers,
})
export const audioSeconds = new Counter({
  name: "xrx_stt_audio_seconds_total",
  help: "Seconds of audio accepted",
  labelNames: ["mode"],
  registers,
})
export const finalSeconds = new Histogram({
  name: "xrx_stt_final_seconds",
  help: "From the end of an utterance to its words, without the hold of STT_MIN_REPLY_MS",
  labelNames: ["engine"],
  buckets: [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30],
  registers,
})
export const queueWaiting = new Gauge({
  name: "xrx_stt_queue_waiting",
  help: "Utterances waiting for a permit",
  labelNames: ["engine"],
  registers,
})
export const engineRestarts = new Counter({
  name: "xrx_stt_engine_restarts_total",
  help: "Engine processes started in the place of another, by what became of that one (recycled: it grew too heavy)",
  labelNames: ["cause"],
  registers,
})
export const upstreamErrors = new Counter({
  name: "xrx_stt_upstream_errors_total",
  help: "Failures of a cloud provider, by engine and code, retried ones included",
  labelNames: ["engine", "code"],
  registers,
})
export const audioDroppedSeconds = new Counter({
  name: "xrx_stt_audio_dropped_seconds_total",
  help: "Seconds of accepted audio given up without its words, by engine",
  labelNames: ["engine"],
  registers,
})
