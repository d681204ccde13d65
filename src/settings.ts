/**
 * Every setting, on one page: its schema, default, unit, meaning and special values. README's table is printed from here.
 * `parseSettings` is pure: the environment comes in as an argument, and what it cannot know (cores, memory, files) stays
 * undefined for the commands to decide. Knows no engine and no server.
 */
import leven from "leven"
import { z } from "zod"
import { parseApiKeys } from "./api-keys.ts"
import { LOG_LEVELS } from "./log.ts"

interface About {
  /** Ends the sentence "expected …". */
  readonly expects: string
  readonly meaning: string
  readonly unit?: string
  /** Values with a meaning of their own. */
  readonly special?: string
  /** What stands in the table when the default is not a fixed value. */
  readonly defaultText?: string
  /** The value is never printed, not even when it is wrong. */
  readonly secret?: true
}

const about = z.registry<About>()

/** Digits only: `0x10` and `1e3` are numbers to JavaScript and slips of the hand to everybody else. */
const wholeNumber = (min: number, max: number) => z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(min).max(max))
const text = z.string()
/** What an HTTP header can carry: a typographic quote or a line end in a key would break each connection to the provider. */
const apiKey = text.regex(/^[\x21-\x7e]+$/)
const httpUrl = z.url({ protocol: /^https?$/ })
/** A comma-separated list of `scheme://host[:port]`. */
const origins = text
  .transform((list) => list.split(",").map((item) => item.trim().replace(/\/$/, "")))
  .refine((items) => items.every((item) => URL.canParse(item) && new URL(item).origin === item.toLowerCase()))
  .transform((items) => items.map((item) => item.toLowerCase()))

/** `name=value`, separated by commas; percent signs as in addresses. */
const pairs = text.transform((list, context) => {
  const pairs: Record<string, string> = {}
  for (const item of list.split(",").filter((item) => item.trim() !== "")) {
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/.exec(item) ?? []
    const known = value === undefined ? undefined : unescaped(value.trim())
    if (name !== undefined && known !== undefined) pairs[name] = known
    else context.addIssue({ code: "custom", message: "not a pair" })
  }
  return pairs
})
/** What HTTP can carry. */
const headers = pairs.refine((all) =>
  Object.entries(all).every(([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\x20-\x7e]*$/.test(value)),
)

function unescaped(value: string): string | undefined {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}

/** As parseApiKeys; its fault is the message, since it quotes nothing. */
const apiKeys = text.transform((list, context) => {
  const parsed = parseApiKeys(list)
  if (parsed.ok) return parsed.keys
  context.addIssue({ code: "custom", message: parsed.fault })
  return z.NEVER
})

const PROVIDERS = ["faster_whisper", "whisper", "groq", "deepgram"] as const
const provider = z.enum(PROVIDERS).transform((name) => (name === "faster_whisper" ? "whisper" : name))
/** A comma-separated list, each once. */
const providers = text
  .transform((list) => list.split(",").map((item) => item.trim()))
  .pipe(z.array(provider).min(1))
  .transform((items) => [...new Set(items)])

const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const

/** Long enough for a sentence in work, shorter than the 10 s after which `docker stop` kills. */
const DEFAULT_DRAIN_MS = 8000

const schemas = {
  STT_PROVIDER: provider.default("whisper").register(about, {
    expects: "faster_whisper, whisper, groq or deepgram",
    meaning: "Who turns speech into text: Whisper inside this program (`faster_whisper`, or `whisper`), or a cloud provider",
    defaultText: "`faster_whisper`",
  }),
  STT_FALLBACK: providers.optional().register(about, {
    expects: "providers, separated by commas, such as groq,whisper",
    meaning: "Who is asked for the words of the same audio, in this order, when `STT_PROVIDER` fails or is too slow",
    defaultText: "nobody",
  }),
  STT_FALLBACK_MS: wholeNumber(100, 600_000).default(4000).register(about, {
    expects: "a whole number from 100 to 600000",
    unit: "ms",
    meaning: "With `STT_FALLBACK`, how long a cloud provider may take for an utterance; a tenth of its length comes on top",
  }),
  WHISPER_MODEL: text
    .regex(/^(?!.*:\/\/)/)
    .default("base")
    .register(about, {
      expects: "a model name or a folder, not an address",
      // An address may carry a password.
      secret: true,
      meaning: "Whisper's size (`small`, `medium` …), a Hugging Face id, or a folder with a model in the transformers.js layout",
      special: "`base` is inside the program; other names are downloaded once. `tiny`: `base` takes its place where it cannot be had",
    }),
  STT_LANGUAGE_CODE: text
    .regex(/^(auto|[a-z]{2,3}([-_][a-z0-9]{2,8})*)$/i)
    .default("en")
    .transform((tag) => tag.toLowerCase().replace(/[-_].*/, ""))
    .register(about, { expects: "a language code such as en, or auto", meaning: "Language of the speech", special: "`auto` detects it" }),
  NO_SPEECH_THRESHOLD: z.coerce.number().min(0).max(1).default(0.7).register(about, {
    expects: "a number from 0 to 1",
    meaning: "Words that the model itself distrusts are dropped above this probability that nobody spoke (`whisper`, `groq`)",
    special: "`LOG_SPEECH_THRESHOLD` is a second name for it",
  }),
  STT_HALLUCINATION_FILTER: z.stringbool().default(true).register(about, {
    expects: "on or off",
    meaning: "Whether words of Whisper's that nobody seems to have said are dropped, as in noise and music",
    defaultText: "`on`",
  }),
  GROQ_STT_API_KEY: apiKey.optional().register(about, {
    expects: "a key of plain letters, digits and signs, without spaces",
    meaning: "Key for `STT_PROVIDER=groq`, required by it",
    secret: true,
  }),
  DG_API_KEY: apiKey.optional().register(about, {
    expects: "a key of plain letters, digits and signs, without spaces",
    meaning: "Key for `STT_PROVIDER=deepgram`, required by it",
    secret: true,
  }),
  HOST: text.default("0.0.0.0").register(about, { expects: "an address", meaning: "Address to listen on" }),
  PORT: wholeNumber(0, 65_535).default(8000).register(about, {
    expects: "a whole number from 0 to 65535",
    meaning: "Port to listen on (the Python container used 8001)",
    special: "`0` takes any free port",
  }),
  WYOMING_PORT: wholeNumber(0, 65_535).optional().register(about, {
    expects: "a whole number from 0 to 65535",
    meaning: "A second port, for Home Assistant's Wyoming protocol (usually 10300)",
    defaultText: "none",
    special: "`0` takes any free port",
  }),
  TLS_CERT: text.optional().register(about, {
    expects: "a file",
    meaning: "PEM file with the certificate chain; together with `TLS_KEY` the server speaks `wss://` and `https://`",
  }),
  TLS_KEY: text.optional().register(about, { expects: "a file", meaning: "PEM file with the private key" }),
  STT_MODE: z.enum(["utterance", "frames", "events"]).optional().register(about, {
    expects: "utterance, frames or events",
    meaning: "The mode of clients that do not say `?mode=`; see above",
    defaultText: "`frames` for `deepgram`, else `utterance`",
  }),
  STT_MIN_REPLY_MS: wholeNumber(0, 10_000).default(120).register(about, {
    expects: "a whole number from 0 to 10000",
    unit: "ms",
    meaning: "In `utterance` mode a reply leaves at the earliest this long after its message came: xRx ignores faster ones",
    special: "`0` for no hold",
  }),
  STT_ENGINES: wholeNumber(1, 256).optional().register(about, {
    expects: "a whole number from 1 to 256",
    meaning: "Engine processes for Whisper: how many utterances are worked on at once",
    defaultText: "usable cores, fewer if memory is short",
  }),
  STT_THREADS: wholeNumber(1, 64)
    .default(1)
    .register(about, { expects: "a whole number from 1 to 64", meaning: "Threads of one engine process; more processes gain more" }),
  STT_API_KEYS: apiKeys.optional().register(about, {
    expects: "keys such as alice:4f9c…, separated by commas; names are letters and digits, and each key has one name",
    meaning:
      "Keys of the clients, `name:key`, separated by commas; the log and metrics show the names. Every route to words, but `/api/v1/ws` and `WYOMING_PORT`, and `/metrics` then need one",
    defaultText: "open to all",
    secret: true,
  }),
  STT_API_KEYS_FILE: text.optional().register(about, {
    expects: "a file",
    meaning: "File with such keys, one a line, read again when it changes and on SIGHUP; they count beside those of `STT_API_KEYS`",
  }),
  STT_REQUIRE_KEY: z.stringbool().default(false).register(about, {
    expects: "1 or 0",
    meaning: "`/api/v1/ws` needs a key too (xRx sends none), and there is no `WYOMING_PORT`",
    defaultText: "`0`",
  }),
  STT_MAX_SESSIONS: wholeNumber(1, 1_000_000).default(1000).register(about, {
    expects: "a whole number from 1 to 1000000",
    meaning:
      "Sockets open at once, and as many requests; further ones are refused with 503. The last eighth, of 4 at least the last one, is kept for clients who have none open",
  }),
  STT_MAX_SPEAKERS: wholeNumber(0, 1_000_000).optional().register(about, {
    expects: "a whole number from 0 to 1000000",
    meaning:
      "Sockets that may speak at once (sent audio in the last 15 s, or opened in the last second), and a quarter of them, 9 at least, may come in a second with whole utterances; further sockets are refused with 503",
    special: "`0`: no limit",
    defaultText: "what this machine follows in real time, measured at the start",
  }),
  STT_MAX_PER_KEY: wholeNumber(1, 1_000_000).optional().register(about, {
    expects: "a whole number from 1 to 1000000",
    meaning: "Sockets and requests at once of one key's name; further ones are refused with 429",
    defaultText: "no limit",
  }),
  STT_MAX_PER_ADDRESS: wholeNumber(1, 1_000_000).optional().register(about, {
    expects: "a whole number from 1 to 1000000",
    meaning: "The same of one address, for clients without a key; of IPv6 the /64 network counts",
    defaultText: "no limit",
  }),
  STT_PROXY_HOPS: wholeNumber(0, 8).default(0).register(about, {
    expects: "a whole number from 0 to 8",
    meaning: "Trusted proxies in front, each of which adds to `X-Forwarded-For`: tells the addresses of clients behind them",
  }),
  STT_QUEUE_MAX: wholeNumber(0, 1_000_000).default(64).register(about, {
    expects: "a whole number from 0 to 1000000",
    meaning: "Utterances that may wait for a free engine; further ones fail as overloaded",
    special: "`0`: none waits",
  }),
  STT_QUEUE_MS: wholeNumber(1, 3_600_000).default(1000).register(about, {
    expects: "a whole number from 1 to 3600000",
    unit: "ms",
    meaning: "How long a request with up to 1 MB of sound may wait for a free engine until it is refused with 429; larger ones wait",
  }),
  STT_STRICT_MODELS: z.stringbool().default(false).register(about, {
    expects: "1 or 0",
    meaning: "Clients that name a model which `/v1/models` does not list are refused; otherwise every name means the one model",
    defaultText: "`0`",
  }),
  STT_ALLOWED_ORIGINS: origins.optional().register(about, {
    expects: "origins such as https://app.example.com, separated by commas",
    meaning: "Web pages that may connect; requests without an `Origin`, such as those of servers, always may",
    defaultText: "any",
  }),
  STT_DRAIN_MS: wholeNumber(0, 3_600_000).default(DEFAULT_DRAIN_MS).register(about, {
    expects: "a whole number from 0 to 3600000",
    unit: "ms",
    meaning: "After SIGTERM, how long utterances in work may take until the server goes",
  }),
  STT_REUSE_PORT: z.stringbool().default(false).register(about, {
    expects: "1 or 0",
    meaning: "Several servers of one user may listen on `PORT`, to hand over from an old one to a new one; it listens when it is ready",
    defaultText: "`0`",
  }),
  STT_CACHE_DIR: text.optional().register(about, {
    expects: "a folder",
    meaning: "Where downloaded models and unpacked files live",
    defaultText: "`$XDG_CACHE_HOME/xrx-stt`, `~/.cache/xrx-stt`, or the temp folder",
  }),
  STT_OFFLINE: z.stringbool().default(false).register(about, {
    expects: "1 or 0",
    meaning: "No outgoing connection at all: no downloads, no cloud provider, no traces but to this machine",
    defaultText: "`0`",
  }),
  HF_ENDPOINT: httpUrl.optional().register(about, {
    expects: "an http or https address",
    meaning: "Another address for Hugging Face, as of a mirror",
    secret: true,
  }),
  GROQ_BASE_URL: httpUrl.optional().register(about, {
    expects: "an http or https address",
    meaning: "Another address for Groq's API, without `/openai/v1`",
    secret: true,
  }),
  DEEPGRAM_BASE_URL: z
    .url({ protocol: /^(https?|wss?)$/ })
    .optional()
    .register(about, {
      expects: "an http, https, ws or wss address",
      meaning: "Another address for Deepgram's API, without `/v1`",
      secret: true,
    }),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional().register(about, {
    expects: "an http or https address",
    meaning: "OpenTelemetry collector that gets traces, at `/v1/traces` below this address, such as http://localhost:4318",
    defaultText: "no traces",
    secret: true,
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional().register(about, {
    expects: "an http or https address",
    meaning: "The same, as the whole address; counts before it",
    defaultText: "no traces",
    secret: true,
  }),
  OTEL_EXPORTER_OTLP_HEADERS: headers.optional().register(about, {
    expects: "headers such as api-key=4f9c…, separated by commas",
    meaning: "What is sent along to the collector, such as its key: `name=value`, separated by commas",
    secret: true,
  }),
  OTEL_EXPORTER_OTLP_CERTIFICATE: text.optional().register(about, {
    expects: "a file",
    meaning: "PEM file with the certificates that a collector behind `https` may be signed by",
    defaultText: "the usual ones",
  }),
  OTEL_EXPORTER_OTLP_COMPRESSION: z
    .enum(["none", "gzip"])
    .default("none")
    .register(about, { expects: "none or gzip", meaning: "Whether what is sent to the collector is compressed: `none` or `gzip`" }),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal("http/protobuf").default("http/protobuf").register(about, {
    expects: "http/protobuf (grpc is not there; collectors usually take HTTP on port 4318)",
    meaning: "How traces are sent; there is no other way",
  }),
  OTEL_EXPORTER_OTLP_TIMEOUT: wholeNumber(1, 600_000).default(10_000).register(about, {
    expects: "a whole number from 1 to 600000",
    unit: "ms",
    meaning: "How long it may take to send some spans, with all tries",
  }),
  OTEL_TRACES_EXPORTER: z
    .enum(["otlp", "none"])
    .default("otlp")
    .register(about, { expects: "otlp or none", meaning: "Whether there are traces, given a collector", special: "`none`: no traces" }),
  OTEL_SDK_DISABLED: text
    .regex(/^(true|false)$/i)
    .default("false")
    .transform((value) => value.toLowerCase() === "true")
    .register(about, { expects: "true or false", meaning: "Whether there are no traces, whatever else is set" }),
  OTEL_SERVICE_NAME: text.optional().register(about, {
    expects: "a name",
    meaning: "What this server is called in traces",
    defaultText: "`xrx-stt`",
  }),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional().register(about, {
    expects: "attributes such as deployment.environment.name=test, separated by commas",
    meaning: "What else traces tell of this server: `name=value`, separated by commas",
  }),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS)
    .default("parentbased_always_on")
    .register(about, {
      expects: SAMPLERS.join(", "),
      meaning: `Which traces are sent: ${SAMPLERS.join(", ")}. Those of \`parentbased\` leave it to a client who sends \`traceparent\``,
    }),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1).register(about, {
    expects: "a number from 0 to 1",
    meaning: "The share of traces that is sent, by samplers with `traceidratio`",
  }),
  OTEL_BSP_MAX_QUEUE_SIZE: wholeNumber(1, 1_000_000).default(2048).register(about, {
    expects: "a whole number from 1 to 1000000",
    meaning: "Spans that may wait for the collector; further ones are dropped",
  }),
  OTEL_BSP_SCHEDULE_DELAY: wholeNumber(1, 3_600_000).default(5000).register(about, {
    expects: "a whole number from 1 to 3600000",
    unit: "ms",
    meaning: "How long spans are gathered before they are sent together",
  }),
  LOG_LEVEL: z
    .enum(LOG_LEVELS)
    .default("info")
    .register(about, { expects: LOG_LEVELS.join(", "), meaning: `What is logged, as JSON lines on stderr: ${LOG_LEVELS.join(", ")}` }),
}

type Schemas = typeof schemas
type Name = keyof Schemas
type Parsed = { readonly [K in Name]: z.output<Schemas[K]> }

/** Keyed by the names of the environment. What is undefined was not set and has no fixed default. */
export type Settings = Omit<Parsed, "STT_MODE"> & { readonly STT_MODE: NonNullable<Parsed["STT_MODE"]> }

export type Environment = Readonly<Record<string, string | undefined>>

export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings; readonly warnings: string[] }
  | { readonly ok: false; readonly faults: string[] }

const names = Object.keys(schemas) as Name[]

/** Second names, each with the name it stands for. */
const ALIASES: Readonly<Record<string, Name>> = { LOG_SPEECH_THRESHOLD: "NO_SPEECH_THRESHOLD" }

/** The first one that is set counts. */
const COLLECTORS = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] as const

/** Settings of the other xRx services, which share one env file with us, and one that nobody ever read. */
const NOT_OURS = ["STT_HOST", "STT_PORT", "STT_PATH", "STT_WAIT_MS", "STT_SAMPLE_RATE"]

/** Settings from an environment: all of them, or every fault at once, one line each, none with a secret's value. */
export function parseSettings(environment: Environment): SettingsResult {
  const values = withoutIdle(cleaned(environment))
  const faults: string[] = []
  const warnings = [...aliasWarnings(values), ...unknownWarnings(values)]
  const parsed: Record<string, unknown> = {}
  for (const name of names) {
    const source = values[name] === undefined ? aliasInUse(values, name) : name
    const value = values[source]
    const result = schemas[name].safeParse(value)
    if (result.success) parsed[name] = result.data
    else faults.push(`${source}: ${faultOf(name, value)}`)
  }
  const partial = parsed as Partial<Parsed>
  faults.push(...contradictions(partial, values))
  if (faults.length > 0) return { ok: false, faults }
  const mode = partial.STT_MODE ?? (partial.STT_PROVIDER === "deepgram" ? "frames" : "utterance")
  return { ok: true, settings: { ...(parsed as Parsed), STT_MODE: mode }, warnings }
}

/** Env files keep quotes and comments that shells strip; what is empty then counts as unset. */
function cleaned(source: Environment): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [name, raw = ""] of Object.entries(source)) {
    const quoted = /^\s*(["'])(.*?)\1\s*(#.*)?$/s.exec(raw)
    const value = (quoted?.[2] ?? raw.replace(/(^|\s)#.*$/s, "")).trim()
    if (value !== "") values[name] = value
  }
  return values
}

/** OpenTelemetry's settings are often those of a whole cluster: where there are no traces, they say nothing to us. */
function withoutIdle(values: Record<string, string>): Record<string, string> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } = values
  const hasCollector = OTEL_EXPORTER_OTLP_ENDPOINT !== undefined || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined
  if (hasCollector && OTEL_SDK_DISABLED?.toLowerCase() !== "true" && OTEL_TRACES_EXPORTER !== "none") return values
  return Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith("OTEL_")))
}

/** Where traces are sent to. Null: there are none. */
export function collectorOf(settings: Pick<Settings, (typeof COLLECTORS)[number]>): string | null {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole, OTEL_EXPORTER_OTLP_ENDPOINT: root } = settings
  return whole ?? (root === undefined ? null : `${root.replace(/\/$/, "")}/v1/traces`)
}

/** The name under which a setting was given, if by another than its own. */
function aliasInUse(values: Record<string, string>, name: Name): string {
  return Object.keys(ALIASES).find((alias) => ALIASES[alias] === name && values[alias] !== undefined) ?? name
}

function faultOf(name: Name, value: string | undefined): string {
  const { expects, secret } = describe(name)
  return `expected ${expects}, got ${secret ? "something else (not shown)" : JSON.stringify(value)}`
}

/** Rules between settings. A setting with a fault of its own is absent here and breaks no further rule. */
function contradictions(set: Partial<Parsed>, values: Record<string, string>): string[] {
  const faults: string[] = []
  const chosen = [...(set.STT_PROVIDER ? [{ by: "STT_PROVIDER", name: set.STT_PROVIDER }] : []), ...fallbacksOf(set)]
  for (const { by, name } of chosen) {
    if (name === "whisper") continue
    const needed = name === "groq" ? "GROQ_STT_API_KEY" : "DG_API_KEY"
    if (values[needed] === undefined) faults.push(`${needed}: required by ${by}=${name}`)
    if (set.STT_OFFLINE) faults.push(`STT_OFFLINE: allows no outgoing connection, and ${by}=${name} is one`)
  }
  const collector = COLLECTORS.find((name) => set[name] !== undefined)
  if (set.STT_OFFLINE && collector && !isThisMachine(set[collector] ?? ""))
    faults.push(`STT_OFFLINE: allows no outgoing connection, and ${collector} is one; a collector on localhost would do`)
  if ((set.TLS_CERT === undefined) !== (set.TLS_KEY === undefined)) {
    faults.push(`${set.TLS_CERT === undefined ? "TLS_CERT" : "TLS_KEY"}: required, because the other half of the pair is set`)
  }
  if (set.STT_REQUIRE_KEY && values.STT_API_KEYS === undefined && values.STT_API_KEYS_FILE === undefined) {
    faults.push("STT_API_KEYS: required by STT_REQUIRE_KEY, or STT_API_KEYS_FILE")
  }
  if (set.STT_REQUIRE_KEY && set.WYOMING_PORT !== undefined) {
    faults.push("WYOMING_PORT: its clients cannot show the key that STT_REQUIRE_KEY asks of all; unset one of the two")
  }
  return faults
}

function isThisMachine(url: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname)
}

/** Those that are not asked anyhow. */
function fallbacksOf({ STT_PROVIDER, STT_FALLBACK = [] }: Partial<Parsed>) {
  return STT_FALLBACK.filter((name) => name !== STT_PROVIDER).map((name) => ({ by: "STT_FALLBACK", name }))
}

function aliasWarnings(values: Record<string, string>): string[] {
  return Object.entries(ALIASES)
    .filter(([alias, name]) => values[alias] !== undefined && values[name] !== undefined && values[alias] !== values[name])
    .map(([alias, name]) => `${alias} and ${name} differ: ${name} counts`)
}

function unknownWarnings(values: Record<string, string>): string[] {
  const known: readonly string[] = [...names, ...NOT_OURS]
  return Object.keys(values)
    .filter((name) => name.startsWith("STT_") && !known.includes(name))
    .map((name) => {
      const [nearest] = names.toSorted((a, b) => leven(name, a) - leven(name, b))
      return `${name} is not a setting of ours and is ignored; did you mean ${nearest}?`
    })
}

function describe(name: Name): About {
  const meta = about.get(schemas[name] as z.ZodType)
  if (!meta) throw new Error(`${name} is not described`)
  return meta
}

/** The table of README.md, in Markdown. */
export function settingsTable(): string {
  const rows = names.map((name) => {
    const { meaning, unit, special, defaultText } = describe(name)
    const fixed = schemas[name].safeParse(undefined).data
    const shown = defaultText ?? (fixed === undefined ? "–" : `\`${String(fixed)}\`${unit ? ` ${unit}` : ""}`)
    return `| \`${name}\` | ${shown} | ${meaning}${special ? `. ${special}` : ""} |`
  })
  return ["| name | default | meaning |", "|---|---|---|", ...rows].join("\n")
}
