/** The description of the requests as OpenAPI, made of the schemas that read and write them. Knows no server. */
import { z } from "zod"
import { RecordedParameters } from "../dialects/deepgram/parameters.ts"
import * as deepgram from "../dialects/deepgram/shapes.ts"
import * as openai from "../dialects/openai/messages.ts"
import type { Answer, Content, OpenApi, Operation, Parameter, PathItem, Sample } from "./documents.ts"
import { fieldsSchema, namedSchemas, refTo } from "./json-schema.ts"
import { REST_SAMPLES } from "./rest-samples.ts"

const TARGET = "draft-2020-12"

const file = z.file().describe("a recording of any kind: WAV, FLAC, MP3, Ogg, Opus, WebM, M4A, AAC …, known by its content")

const schemas = {
  TranscriptionForm: fieldsSchema(z.object({ file, ...openai.FormFields.shape }), TARGET),
  ...namedSchemas(
    {
      Transcript: openai.Transcript,
      VerboseTranscript: openai.VerboseTranscript,
      TranscriptSegment: openai.TranscriptSegment,
      TranscriptWord: openai.TranscriptWord,
      TextDelta: openai.TextDelta,
      TextDone: openai.TextDone,
      Model: openai.Model,
      ModelList: openai.ModelList,
      Error: openai.ErrorAnswer,
      ListenAnswer: deepgram.ListenAnswer,
      ListenMetadata: deepgram.ListenMetadata,
      ListenUtterance: deepgram.ListenUtterance,
      ListenParagraphs: deepgram.ListenParagraphs,
      ListenWord: deepgram.ListenWord,
      ListenError: deepgram.ListenError,
    },
    TARGET,
  ),
}

type Name = keyof typeof schemas

function json(name: Name, ...others: readonly Name[]): Content {
  return { "application/json": { schema: others.length === 0 ? refTo(name) : { anyOf: [name, ...others].map(refTo) } } }
}

function text(description: string): Content {
  return { "text/plain": { schema: { type: "string", description } } }
}

/** Why a request gets no answer of its own. The words are the dialect's. */
const FAULTS = {
  400: "the request is wrong, or these bytes are no sound that can be read",
  403: "pages of this origin may not ask (`STT_ALLOWED_ORIGINS`)",
  404: "there is no such model, or nothing at this address",
  405: "another method is needed",
  408: "the body did not come in time",
  413: "more than 512 MiB, or more than ten hours of sound",
  429: "too many are waiting; `Retry-After` says when to try again",
  500: "a mistake of ours",
  501: "the provider of this server only hears live streams",
  502: "the provider does not accept the key of this server",
  503: "the engine cannot be reached, or the server shuts down",
  504: "it took too long",
} as const

type Status = keyof typeof FAULTS

const OF_RECORDINGS: readonly Status[] = [400, 403, 404, 405, 408, 413, 429, 500, 501, 502, 503, 504]
const OF_READING: readonly Status[] = [403, 404, 405, 500, 503]

function faults(statuses: readonly Status[], body: Name): Record<string, Answer> {
  return Object.fromEntries(statuses.map((status) => [status, { description: FAULTS[status], headers: HEADERS, content: json(body) }]))
}

const HEADERS = { "x-request-id": { $ref: "#/components/headers/RequestId" } }

function answers(description: string, content: Content, statuses: readonly Status[], body: Name): Record<string, Answer> {
  return { 200: { description, headers: HEADERS, content }, ...faults(statuses, body) }
}

/** Groq's clients ask below another address. */
const SERVERS = [{ url: "/" }, { url: "/openai", description: "for clients of Groq" }]

function transcript(operationId: string, summary: string, description: string, samples: readonly Sample[]): Operation {
  return {
    operationId,
    tags: ["Recordings"],
    summary,
    description,
    requestBody: { required: true, content: { "multipart/form-data": { schema: refTo("TranscriptionForm") } } },
    responses: answers(
      "What was said, in the format that was asked for",
      {
        ...json("Transcript", "VerboseTranscript"),
        ...text("`text`, `srt` or `vtt`"),
        "text/event-stream": {
          schema: {
            type: "string",
            description:
              "`stream=true`: each `data:` line is a TextDelta; the last is TextDone, or Error where the rest could not be heard",
          },
        },
      },
      OF_RECORDINGS,
      "Error",
    ),
    "x-codeSamples": samples,
  }
}

function listenParameters(): Parameter[] {
  const { properties } = fieldsSchema(RecordedParameters, TARGET)
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    return { name, in: "query", description: String(description), schema }
  })
}

/** Plain lines for operators. */
function page(operationId: string, summary: string, ok: string, samples: readonly Sample[], unready?: string): PathItem {
  return {
    get: {
      operationId,
      tags: ["Operation"],
      summary,
      security: [],
      responses: {
        200: { description: ok, content: text("one line, or Prometheus' text format") },
        ...(unready !== undefined && { 503: { description: unready, content: text("why, in one line") } }),
      },
      "x-codeSamples": samples,
    },
  }
}

const MODEL_TAGS = { tags: ["Models"] }

export function openApi(version: string): OpenApi {
  return {
    openapi: "3.1.1",
    info: {
      title: "xrx-stt",
      version,
      summary: "Speech to text",
      description:
        "Recordings in, words out, as OpenAI's, Groq's and Deepgram's clients ask for it. Live streams are described in `/asyncapi.json`.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{}, { key: [] }],
    tags: [
      { name: "Recordings", description: "A whole recording in, its words out" },
      { name: "Models", description: "Which model answers" },
      { name: "Operation", description: "For operators and load balancers" },
    ],
    paths: {
      "/v1/audio/transcriptions": {
        servers: SERVERS,
        post: transcript(
          "transcribe",
          "The words of a recording",
          "As OpenAI's and Groq's clients ask for it.",
          REST_SAMPLES.transcription,
        ),
      },
      "/v1/audio/translations": {
        servers: SERVERS,
        post: transcript(
          "translate",
          "What was said in another language, in English",
          "With Whisper (not its English-only, turbo and distilled models) and Groq. Otherwise as transcriptions, without times of words.",
          REST_SAMPLES.translation,
        ),
      },
      "/v1/listen": {
        post: {
          operationId: "listen",
          tags: ["Recordings"],
          summary: "The words of a recording, as Deepgram's clients ask for it",
          description:
            "The bytes are the body. A `url` to fetch is refused, and so is `callback`; what Deepgram's models decide (`punctuate`, `diarize` …) changes nothing.",
          parameters: listenParameters(),
          requestBody: {
            required: true,
            content: { "*/*": { schema: { type: "string", format: "binary", description: "the recording" } } },
          },
          responses: answers(
            "What was said",
            json("ListenAnswer"),
            OF_RECORDINGS.filter((status) => status !== 404),
            "ListenError",
          ),
          "x-codeSamples": REST_SAMPLES.listen,
        },
      },
      "/v1/models": {
        servers: SERVERS,
        get: {
          ...MODEL_TAGS,
          operationId: "listModels",
          summary: "The one model of this server, and the names that mean it as well",
          responses: answers("All names", json("ModelList"), OF_READING, "Error"),
          "x-codeSamples": REST_SAMPLES.models,
        },
      },
      "/v1/models/{model}": {
        servers: SERVERS,
        get: {
          ...MODEL_TAGS,
          operationId: "getModel",
          summary: "One of them",
          parameters: [{ name: "model", in: "path", required: true, description: "its name", schema: { type: "string" } }],
          responses: answers("It is there", json("Model"), OF_READING, "Error"),
          "x-codeSamples": REST_SAMPLES.model,
        },
      },
      "/healthz": page("isAlive", "Whether the process lives", "It lives", REST_SAMPLES.alive),
      "/readyz": page(
        "isReady",
        "Whether an utterance would be answered",
        "It would",
        REST_SAMPLES.ready,
        "The model loads, the server is full, or it shuts down",
      ),
      "/metrics": page("readMetrics", "What the server counts, for Prometheus", "All counters", REST_SAMPLES.metrics),
    },
    components: {
      schemas,
      headers: {
        RequestId: { description: "the id of this request, as in the server's log", schema: { type: "string" } },
      },
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "a server without keys of its own takes any, and none" },
      },
    },
  }
}
