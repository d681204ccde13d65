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
  help: "Requests refused before they became a session or joined a queue, by door and reason",
  labelNames: ["door", "reason"],
  registers,
})
export const admissions = new Counter({
  name: "xrx_stt_admissions_total",
  help: "Sockets and requests let in, by the name of the key that they showed; none without one",
  labelNames: ["key"],
  registers,
})
export const speakers = new Gauge({
  name: "xrx_stt_speakers",
  help: "Sockets that count as speaking: sent audio in the last 15 s, or opened in the last second",
  registers,
})
export const speakersMax = new Gauge({
  name: "xrx_stt_speakers_max",
  help: "How many may count as speaking until further sockets are refused; infinite without a limit",
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
export const replySeconds = new Histogram({
  name: "xrx_stt_reply_seconds",
  help: "From the commit, or from the end of speech being heard, to the final, in its turn; by engine and mode (dialect)",
  labelNames: ["engine", "mode"],
  buckets: [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30],
  registers,
})
export const firstInterimSeconds = new Histogram({
  name: "xrx_stt_first_interim_seconds",
  help: "From somebody being heard to speak to the first interim words of it, by engine and mode (dialect)",
  labelNames: ["engine", "mode"],
  buckets: [0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10],
  registers,
})
export const queueWaitSeconds = new Histogram({
  name: "xrx_stt_queue_wait_seconds",
  help: "How long a whole utterance waited for a permit",
  labelNames: ["engine"],
  buckets: [0.005, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers,
})
export const pieceWaitSeconds = new Histogram({
  name: "xrx_stt_piece_wait_seconds",
  help: "How long a piece of an utterance waited for a local engine, by urgency",
  labelNames: ["urgency"],
  buckets: [0.005, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers,
})
export const decodeSeconds = new Histogram({
  name: "xrx_stt_decode_seconds",
  help: "How long an engine took for the words of a whole utterance, once it had a permit",
  labelNames: ["engine"],
  buckets: [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30],
  registers,
})
export const realTimeFactor = new Histogram({
  name: "xrx_stt_real_time_factor",
  help: "That time by the length of the audio, of utterances of half a second at least: above 1 it cannot keep up",
  labelNames: ["engine"],
  buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5],
  registers,
})
export const heardSeconds = new Counter({
  name: "xrx_stt_heard_seconds_total",
  help: "Seconds of whole utterances that an engine gave words or silence for",
  labelNames: ["engine"],
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
export const enginesWanted = new Gauge({
  name: "xrx_stt_engines_wanted",
  help: "Engine processes that there are to be; 0 without Whisper",
  registers,
})
export const enginesReady = new Gauge({
  name: "xrx_stt_engines_ready",
  help: "Those of them that have loaded their model and take work, or are at work",
  registers,
})
export const upstreamErrors = new Counter({
  name: "xrx_stt_upstream_errors_total",
  help: "Failures of a cloud provider, by engine and code, retried ones included",
  labelNames: ["engine", "code"],
  registers,
})
export const fallbacks = new Counter({
  name: "xrx_stt_fallbacks_total",
  help: "Utterances answered by another engine than the first, by both and why: the code of the failure, or left_out (it kept failing)",
  labelNames: ["engine", "to", "reason"],
  registers,
})
/** Each sets what it knows when the metrics are read: a state that time alone changes would be told wrong if it were set at events. */
export const breakerReaders = new Set<() => void>()
export const breakerState = new Gauge({
  name: "xrx_stt_breaker_state",
  help: "Whether an engine with others behind it is asked: 0 it is, 1 it is tried out, 2 it is left out because it kept failing",
  labelNames: ["engine"],
  registers,
  collect() {
    for (const read of breakerReaders) read()
  },
})
export const canaries = new Counter({
  name: "xrx_stt_canaries_total",
  help: "Times that a known recording was asked for, by outcome: understood, misheard, or the code of a failure",
  labelNames: ["outcome"],
  registers,
})
export const canaryOk = new Gauge({
  name: "xrx_stt_canary_ok",
  help: "1 while the engine understands a known recording, 0 while it does not or has not yet; by engine, and none where no recording is asked for: in the cloud",
  labelNames: ["engine"],
  registers,
})
export const childBytes = new Gauge({
  name: "xrx_stt_child_resident_bytes",
  help: "Memory of the processes beside the server, by kind: engine, vad, decode. Linux only",
  labelNames: ["kind"],
  registers,
})
export const childProcesses = new Gauge({
  name: "xrx_stt_child_processes",
  help: "Those processes",
  labelNames: ["kind"],
  registers,
})
export const audioDroppedSeconds = new Counter({
  name: "xrx_stt_audio_dropped_seconds_total",
  help: "Seconds of accepted audio given up without its words, by engine",
  labelNames: ["engine"],
  registers,
})
export const piecesWaiting = new Gauge({
  name: "xrx_stt_pieces_waiting",
  help: "Pieces of utterances waiting for a local engine, by urgency: short utterances, pieces of long ones, interims",
  labelNames: ["urgency"],
  registers,
})
export const batchPieces = new Histogram({
  name: "xrx_stt_batch_pieces",
  help: "Pieces that a local engine was given together",
  buckets: [1, 2, 3, 4, 6, 8],
  registers,
})
export const interimsDropped = new Counter({
  name: "xrx_stt_interims_dropped_total",
  help: "Interims given up before they were heard: too many waited (ceiling), nobody waited for them any more (stale), or a final needed the engine (preempted)",
  labelNames: ["reason"],
  registers,
})
export const vadWindowsWaiting = new Gauge({
  name: "xrx_stt_vad_windows_waiting",
  help: "Windows of 32 ms that wait for the voice activity process, of all streams",
  registers,
})
export const vadRestarts = new Counter({
  name: "xrx_stt_vad_restarts_total",
  help: "Voice activity processes that ended and were to be started again, by what became of them",
  labelNames: ["cause"],
  registers,
})
export const speculations = new Counter({
  name: "xrx_stt_speculations_total",
  help: "Finals begun before it was sure that the utterance had ended, by engine and outcome: used, dropped, or failed",
  labelNames: ["engine", "outcome"],
  registers,
})
export const interims = new Counter({
  name: "xrx_stt_interims_total",
  help: "Words of open utterances asked for, by engine and outcome: made, dropped, or repeated (told again for want of new ones)",
  labelNames: ["engine", "outcome"],
  registers,
})
export const forcedPrefixes = new Counter({
  name: "xrx_stt_forced_prefixes_total",
  help: "Finals that had to be made to begin with the words told as stable, by engine",
  labelNames: ["engine"],
  registers,
})
export const requests = new Counter({
  name: "xrx_stt_requests_total",
  help: "HTTP requests answered, by door and status",
  labelNames: ["door", "status"],
  registers,
})
export const requestsOpen = new Gauge({
  name: "xrx_stt_requests_open",
  help: "HTTP requests in work now, by door",
  labelNames: ["door"],
  registers,
})
export const uploadBytesHeld = new Gauge({
  name: "xrx_stt_upload_bytes_held",
  help: "Bytes of request bodies that are kept in memory",
  registers,
})
export const recordingsWaiting = new Gauge({
  name: "xrx_stt_recordings_waiting",
  help: "Recordings that wait for their turn to be decoded and heard",
  registers,
})
export const decodesWaiting = new Gauge({
  name: "xrx_stt_decodes_waiting",
  help: "Recordings that wait for a process to decode them",
  registers,
})
export const decodeProcesses = new Gauge({
  name: "xrx_stt_decode_processes",
  help: "Processes that decode recordings, idle ones included",
  registers,
})
export const decodesEnded = new Counter({
  name: "xrx_stt_decodes_total",
  help: "Recordings decoded or not, by outcome: done, source (its sender failed), or the code of a failure",
  labelNames: ["outcome"],
  registers,
})
export const spansWaiting = new Gauge({
  name: "xrx_stt_spans_waiting",
  help: "Spans that wait to be sent to the collector (OTEL_BSP_MAX_QUEUE_SIZE at most)",
  registers,
})
export const spansDropped = new Counter({
  name: "xrx_stt_spans_dropped_total",
  help: "Spans that no collector got, by cause: queue_full, or export (it did not take them)",
  labelNames: ["cause"],
  registers,
})
