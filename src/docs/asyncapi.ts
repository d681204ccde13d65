/** The description of the sockets as AsyncAPI, made of the schemas that read and write their messages. Knows no server. */
import { z } from "zod"
import { CONFIG_FIELDS, CONFIG_NAMES, DEFAULT_CONFIG } from "../dialects/config.ts"
import { CONTROLS } from "../dialects/controls.ts"
import { MESSAGES } from "../dialects/deepgram/messages.ts"
import { LiveParameters } from "../dialects/deepgram/parameters.ts"
import * as deepgram from "../dialects/deepgram/shapes.ts"
import { ConfigFields, EVENTS, WordFields } from "../dialects/event-messages.ts"
import * as settings from "../dialects/realtime/settings.ts"
import { CLIENT_EVENTS, RealtimeParameters, SERVER_EVENTS } from "../dialects/realtime/shapes.ts"
import { VOSK_ANSWERS, VOSK_MESSAGES, VoskWord } from "../dialects/vosk-messages.ts"
import type { AsyncApi, Channel, Message, Query, Sample, SocketOperation } from "./documents.ts"
import { fieldsSchema, type JsonSchema, namedSchemas, plainSchema, refTo } from "./json-schema.ts"
import { SOCKET_SAMPLES } from "./socket-samples.ts"

const TARGET = "draft-7"

type Named = Readonly<Record<string, z.ZodType>>

/** Messages by the names that they have beside those of other sockets. */
function under(socket: string, messages: Named): Named {
  return Object.fromEntries(Object.entries(messages).map(([name, schema]) => [`${socket}.${name}`, schema]))
}

function byType(messages: readonly z.ZodObject<{ type: z.ZodLiteral<string> }>[]): Named {
  return Object.fromEntries(messages.map((message) => [message.shape.type.value, message]))
}

const { Results, SpeechStarted, UtteranceEnd, Metadata, LiveError } = deepgram
const controls = under("control", CONTROLS)
const events = under("event", EVENTS)
const listenMessages = under("listen", MESSAGES)
const listenAnswers = under("listen", { Results, SpeechStarted, UtteranceEnd, Metadata, Error: LiveError })
const realtimeMessages = under("realtime", byType(CLIENT_EVENTS))
const realtimeEvents = under("realtime", byType(SERVER_EVENTS))
const voskMessages = under("vosk", VOSK_MESSAGES)
const voskAnswers = under("vosk", VOSK_ANSWERS)

const { Transcription, TurnDetection, Update } = settings
const parts = { Config: ConfigFields, Word: WordFields, ListenWord: deepgram.ListenWord, VoskWord }
const realtimeParts = { RealtimeUpdate: Update, Transcription, TurnDetection }

const binary: JsonSchema = { type: "string", format: "binary" }
const line: JsonSchema = { type: "string", minLength: 1 }

const bytes = (summary: string): Message => ({ contentType: "application/octet-stream", summary, payload: binary })

const MEGABYTES_16 = "at most 16 MiB"
const HOW = "in the encoding that the address says, at most 16 MiB a message"

/** What is no JSON. */
const PLAIN = {
  "audio.utterance": bytes(`one whole utterance, ${MEGABYTES_16}`),
  "audio.slice": bytes(`the next slice of the stream, cut anywhere, silence included; ${HOW}`),
  "audio.listen": bytes("the next slice of the stream, at most 21 MiB; an empty one ends it, as CloseStream does"),
  "text.turn": { contentType: "text/plain", summary: "the words of an utterance; silence and failures get no message", payload: line },
}

interface Socket {
  readonly address: string
  readonly title: string
  readonly description: string
  readonly query: Query
  /** Names of messages. */
  readonly clientSends: readonly string[]
  readonly clientGets: readonly string[]
  readonly samples: readonly Sample[]
}

/** The parameters of our own address, with what they are unless they are said. */
function ownQuery(mode: "utterance" | "frames" | "events"): Query {
  const properties = CONFIG_NAMES.map((name) => {
    // The server's own language, which it alone knows.
    const fallback = name === "language" ? {} : { default: DEFAULT_CONFIG[name] }
    return [name, { ...plainSchema(CONFIG_FIELDS[name], TARGET), ...fallback }] as const
  })
  const said = {
    type: "string",
    const: mode,
    description: "what is sent and what comes back; its default is the server's own (`STT_MODE`)",
  }
  return { type: "object", properties: { mode: said, ...Object.fromEntries(properties) } }
}

const OWN = "/api/v1/ws"
const names = (messages: Named) => Object.keys(messages)

const SOCKETS: Readonly<Record<keyof typeof SOCKET_SAMPLES, Socket>> = {
  utterance: {
    address: OWN,
    title: "Whole utterances",
    description: "Each binary message is one utterance, each text message back is its words, in order. What xRx speaks.",
    query: ownQuery("utterance"),
    clientSends: ["audio.utterance"],
    clientGets: ["text.turn"],
    samples: SOCKET_SAMPLES.utterance,
  },
  frames: {
    address: OWN,
    title: "A stream, one text for each utterance",
    description: "Binary messages are slices of a continuous stream, and each utterance that is heard in it is one text.",
    query: ownQuery("frames"),
    clientSends: ["audio.slice"],
    clientGets: ["text.turn"],
    samples: SOCKET_SAMPLES.frames,
  },
  events: {
    address: OWN,
    title: "A stream, told as it happens",
    description: "Slices of a stream and JSON controls in, JSON events out. A control that is refused is answered by `error`.",
    query: ownQuery("events"),
    clientSends: ["audio.slice", ...names(controls)],
    clientGets: names(events),
    samples: SOCKET_SAMPLES.events,
  },
  listen: {
    address: "/v1/listen",
    title: "Deepgram's live transcription",
    description: "Slices of a stream in, Results out. Without audio or KeepAlive for 60 s the server closes.",
    query: fieldsSchema(LiveParameters, TARGET),
    clientSends: ["audio.listen", ...names(listenMessages)],
    clientGets: names(listenAnswers),
    samples: SOCKET_SAMPLES.listen,
  },
  realtime: {
    address: "/v1/realtime",
    title: "OpenAI's realtime transcription",
    description:
      "Audio in base64 inside JSON, and of each utterance an item. Also at `/openai/v1/realtime`. The older wire comes with `OpenAI-Beta: realtime=v1`.",
    query: fieldsSchema(RealtimeParameters, TARGET),
    clientSends: names(realtimeMessages),
    clientGets: names(realtimeEvents),
    samples: SOCKET_SAMPLES.realtime,
  },
  vosk: {
    address: "/vosk",
    title: "Vosk's server",
    description: "Slices of a stream in; each is answered by one JSON text.",
    query: fieldsSchema(
      z.object({ language: CONFIG_FIELDS.language.optional(), sample_rate: CONFIG_FIELDS.sample_rate.default(8000) }),
      TARGET,
    ),
    clientSends: ["audio.slice", ...names(voskMessages)],
    clientGets: names(voskAnswers),
    samples: SOCKET_SAMPLES.vosk,
  },
}

/** A name may hold dots, a reference may too. */
const refToMessage = (name: string) => ({ $ref: `#/components/messages/${name}` })

function channel({ address, title, description, query, clientSends, clientGets, samples }: Socket): Channel {
  const messages = Object.fromEntries([...clientSends, ...clientGets].map((name) => [name, refToMessage(name)]))
  const bindings = { ws: { method: "GET", query, bindingVersion: "0.1.0" } } as const
  return { address, title, description, messages, bindings, "x-codeSamples": samples }
}

function operations(name: string, { clientSends, clientGets }: Socket): readonly [string, SocketOperation][] {
  const at = { $ref: `#/channels/${name}` }
  const refs = (messages: readonly string[]) => messages.map((message) => ({ $ref: `#/channels/${name}/messages/${message}` }))
  return [
    [`${name}.receive`, { action: "receive", channel: at, summary: "What a client sends", messages: refs(clientSends) }],
    [`${name}.send`, { action: "send", channel: at, summary: "What a client gets", messages: refs(clientGets) }],
  ]
}

function message(name: string, schema: z.ZodType): Message {
  return { name, contentType: "application/json", summary: schema.description ?? name, payload: refTo(name) }
}

export function asyncApi(version: string): AsyncApi {
  const fromServer = { ...events, ...listenAnswers, ...realtimeEvents, ...voskAnswers, ...controls, ...listenMessages, ...voskMessages }
  const all = { ...fromServer, ...realtimeMessages }
  const named = Object.entries(SOCKETS)
  return {
    asyncapi: "3.0.0",
    info: {
      title: "xrx-stt",
      version,
      description:
        "Live speech in, words out, over WebSockets. A server that is full or shuts down refuses with HTTP 503 before there is a socket. " +
        "Whole recordings are described in `/openapi.json`.",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: {
      plain: { host: "{host}", protocol: "ws", variables: { host: { default: "localhost:8000" } } },
      encrypted: {
        host: "{host}",
        protocol: "wss",
        description: "with `TLS_CERT`, or behind a proxy",
        variables: { host: { default: "localhost:8000" } },
      },
    },
    channels: Object.fromEntries(named.map(([name, socket]) => [name, channel(socket)])),
    operations: Object.fromEntries(named.flatMap(([name, socket]) => operations(name, socket))),
    components: {
      messages: { ...PLAIN, ...Object.fromEntries(Object.entries(all).map(([name, schema]) => [name, message(name, schema)])) },
      schemas: {
        ...namedSchemas({ ...parts, ...fromServer }, TARGET),
        ...namedSchemas({ ...realtimeParts, ...realtimeMessages }, TARGET, "input"),
      },
    },
  }
}
