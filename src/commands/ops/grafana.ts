/** A dashboard for Grafana (from version 10 on), as a table of panels. Knows the names of the metrics and nothing else. */

interface Panel {
  readonly title: string
  readonly meaning: string
  /** Of Grafana's. */
  readonly unit: "s" | "short" | "percentunit" | "bytes" | "reqps" | "none"
  /** PromQL, by what its lines are called. */
  readonly lines: Readonly<Record<string, string>>
}

interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

/** Of the instances that were chosen. */
const HERE = 'instance=~"$instance"'

const rate = (metric: string, matchers = "") => `rate(${metric}{${HERE}${matchers}}[$__rate_interval])`
const quantile = (q: number, histogram: string, by: string) =>
  `histogram_quantile(${q}, sum by (le, ${by}) (${rate(`${histogram}_bucket`)}))`
const halfAndMost = (histogram: string, by: string) => ({
  [`p50 {{${by}}}`]: quantile(0.5, histogram, by),
  [`p95 {{${by}}}`]: quantile(0.95, histogram, by),
})
const mean = (histogram: string, by: string) =>
  `sum by (${by}) (${rate(`${histogram}_sum`)}) / sum by (${by}) (${rate(`${histogram}_count`)})`
const sum = (metric: string, by: string) => `sum by (${by}) (${metric}{${HERE}})`

const ROWS: readonly Row[] = [
  {
    title: "What clients see",
    panels: [
      {
        title: "Time to final words",
        meaning: "From a commit, or the end of speech, to the final",
        unit: "s",
        lines: halfAndMost("xrx_stt_reply_seconds", "mode"),
      },
      {
        title: "Time to first interim words",
        meaning: "From the start of speech being heard",
        unit: "s",
        lines: halfAndMost("xrx_stt_first_interim_seconds", "mode"),
      },
      {
        title: "How utterances end",
        meaning: "text and silence are good; the rest are the codes of failures",
        unit: "reqps",
        lines: { "{{engine}} {{outcome}}": `sum by (engine, outcome) (${rate("xrx_stt_utterances_total")})` },
      },
      {
        title: "Refused",
        meaning: "Before anything was heard, by reason",
        unit: "reqps",
        lines: { "{{reason}}": `sum by (reason) (${rate("xrx_stt_refusals_total")})` },
      },
      {
        title: "Speakers",
        meaning: "Sockets that sent audio lately, of as many as may; beyond, newcomers are refused",
        unit: "short",
        lines: { "{{instance}}": sum("xrx_stt_speakers", "instance"), "at most {{instance}}": sum("xrx_stt_speakers_max", "instance") },
      },
      {
        title: "Sessions open",
        meaning: "WebSockets, by mode",
        unit: "short",
        lines: { "{{mode}}": sum("xrx_stt_sessions_open", "mode") },
      },
      {
        title: "Requests",
        meaning: "HTTP, by door and status",
        unit: "reqps",
        lines: { "{{door}} {{status}}": `sum by (door, status) (${rate("xrx_stt_requests_total")})` },
      },
    ],
  },
  {
    title: "How full it is",
    panels: [
      {
        title: "Speech heard per second",
        meaning: "Seconds of whole utterances for which there was an answer: how many speakers it keeps up with",
        unit: "short",
        lines: { "{{engine}}": `sum by (engine) (${rate("xrx_stt_heard_seconds_total")})` },
      },
      {
        title: "Real-time factor",
        meaning: "Time for each second of speech: above 1 it cannot keep up",
        unit: "short",
        lines: {
          "mean {{engine}}": mean("xrx_stt_real_time_factor", "engine"),
          "p95 {{engine}}": quantile(0.95, "xrx_stt_real_time_factor", "engine"),
        },
      },
      {
        title: "Decode time",
        meaning: "Of one utterance, with a permit",
        unit: "s",
        lines: halfAndMost("xrx_stt_decode_seconds", "engine"),
      },
      {
        title: "Wait for a permit",
        meaning: "Of whole utterances",
        unit: "s",
        lines: halfAndMost("xrx_stt_queue_wait_seconds", "engine"),
      },
      {
        title: "Wait for an engine process",
        meaning: "Of pieces of utterances; interims come last",
        unit: "s",
        lines: halfAndMost("xrx_stt_piece_wait_seconds", "urgency"),
      },
      {
        title: "What waits",
        meaning: "Utterances for a permit, pieces for an engine, recordings for their turn",
        unit: "short",
        lines: {
          "utterances {{engine}}": sum("xrx_stt_queue_waiting", "engine"),
          "pieces {{urgency}}": sum("xrx_stt_pieces_waiting", "urgency"),
          recordings: `sum(xrx_stt_recordings_waiting{${HERE}})`,
          "recordings undecoded": `sum(xrx_stt_decodes_waiting{${HERE}})`,
        },
      },
    ],
  },
  {
    title: "What goes wrong",
    panels: [
      {
        title: "A known recording is understood",
        meaning: "1: yes. 0: not, or not yet. Nothing in the cloud, where none is asked for",
        unit: "none",
        lines: { "{{instance}}": sum("xrx_stt_canary_ok", "instance") },
      },
      {
        title: "Engine processes started again",
        meaning: "recycled ones grew too heavy, which is no failure",
        unit: "short",
        lines: { "{{cause}}": `sum by (cause) (increase(xrx_stt_engine_restarts_total{${HERE}}[$__rate_interval]))` },
      },
      {
        title: "Upstream errors",
        meaning: "Of cloud providers, retried ones included",
        unit: "reqps",
        lines: { "{{engine}} {{code}}": `sum by (engine, code) (${rate("xrx_stt_upstream_errors_total")})` },
      },
      {
        title: "Answered by another engine",
        meaning: "STT_FALLBACK at work, by why",
        unit: "reqps",
        lines: { "{{engine}} to {{to}}: {{reason}}": `sum by (engine, to, reason) (${rate("xrx_stt_fallbacks_total")})` },
      },
      {
        title: "Engines left out",
        meaning: "0: asked, 1: tried out, 2: left out",
        unit: "none",
        lines: { "{{instance}} {{engine}}": `max by (instance, engine) (xrx_stt_breaker_state{${HERE}})` },
      },
      {
        title: "Interims dropped",
        meaning: "The first thing that a full machine does without",
        unit: "reqps",
        lines: { "{{reason}}": `sum by (reason) (${rate("xrx_stt_interims_dropped_total")})` },
      },
    ],
  },
  {
    title: "The server process",
    panels: [
      {
        title: "Event loop delay",
        meaning: "It promises never to be held longer than 20 ms",
        unit: "s",
        lines: {
          "p99 {{instance}}": `max by (instance) (nodejs_eventloop_lag_p99_seconds{${HERE}})`,
          "p50 {{instance}}": `max by (instance) (nodejs_eventloop_lag_p50_seconds{${HERE}})`,
        },
      },
      {
        title: "Memory",
        meaning: "Of the server, and of its engines and other processes by kind",
        unit: "bytes",
        lines: {
          "server {{instance}}": sum("process_resident_memory_bytes", "instance"),
          "{{kind}} {{instance}}": sum("xrx_stt_child_resident_bytes", "instance, kind"),
        },
      },
      {
        title: "Processor",
        meaning: "Of the server alone, in cores",
        unit: "short",
        lines: { "{{instance}}": `sum by (instance) (${rate("process_cpu_seconds_total")})` },
      },
      {
        title: "Open files",
        meaning: "Sockets are most of them",
        unit: "short",
        lines: { "{{instance}}": sum("process_open_fds", "instance") },
      },
    ],
  },
]

/** Grafana's grid: 24 wide. */
const WIDTH = 8
const HEIGHT = 8
const COLUMNS = 24 / WIDTH

const DATA_SOURCE = { type: "prometheus", uid: "$source" }

/** The dashboard as JSON, ready for Grafana's import; it asks for the data source, and for instances. */
export function grafanaDashboard(): string {
  let id = 0
  let y = 0
  const panels = ROWS.flatMap((row) => {
    const head = { id: ++id, type: "row", title: row.title, collapsed: false, panels: [], gridPos: { x: 0, y: y++, w: 24, h: 1 } }
    const below = row.panels.map((panel, index) => {
      const place = { x: (index % COLUMNS) * WIDTH, y: y + Math.floor(index / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT }
      return drawn(panel, ++id, place)
    })
    y += Math.ceil(row.panels.length / COLUMNS) * HEIGHT
    return [head, ...below]
  })
  const dashboard = {
    title: "xrx-stt",
    uid: "xrx-stt",
    tags: ["speech"],
    schemaVersion: 39,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { name: "source", label: "Data source", type: "datasource", query: "prometheus" },
        {
          name: "instance",
          label: "Instance",
          type: "query",
          datasource: DATA_SOURCE,
          query: "label_values(xrx_stt_speakers, instance)",
          refresh: 2,
          multi: true,
          includeAll: true,
          current: { text: "All", value: "$__all" },
        },
      ],
    },
    panels,
  }
  return JSON.stringify(dashboard, null, 2)
}

function drawn({ title, meaning, unit, lines }: Panel, id: number, gridPos: object): object {
  const targets = Object.entries(lines).map(([legendFormat, expr], index) => {
    return { refId: String.fromCharCode(65 + index), expr, legendFormat, datasource: DATA_SOURCE }
  })
  const fieldConfig = { defaults: { unit, min: 0, custom: { fillOpacity: 8, showPoints: "never" } }, overrides: [] }
  return { id, type: "timeseries", title, description: meaning, datasource: DATA_SOURCE, gridPos, fieldConfig, targets }
}
