import { describe, expect, test } from "bun:test"
import type { Command } from "../../src/dialects/dialect.ts"
import type { Defaults } from "../../src/dialects/door.ts"
import { realtimeDoor } from "../../src/dialects/realtime/door.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { allCommands } from "../support/commands.ts"
import { CLEAR, COMMIT, type Line, PCM16K, short, update } from "../support/realtime.ts"
import { audio, finalEvent } from "../support/scripted-streams.ts"

const SESSION = "01234567-89ab-cdef-0123-456789abcdef"
const HALF_SECOND = audio(7, 8000)
const DEFAULTS = { mode: "utterance", language: "en", provider: "scripted", model: "base" } as const

function enter(query = "intent=transcription", headers: Record<string, string> = {}, defaults: Defaults = DEFAULTS) {
  const asking = { requestId: "r", path: "/v1/realtime", query: new URLSearchParams(query), unixMs: 0 }
  return realtimeDoor.open({ ...asking, header: (name) => headers[name] ?? null }, defaults)
}

/** A client's dialect: what it says is given as objects. */
function open(query?: string, headers?: Record<string, string>, defaults?: Defaults) {
  const opening = enter(query, headers, defaults)
  if (!opening.ok) throw new Error("refused")
  const dialect = opening.dialect()
  const [created] = dialect.greet({ session: SESSION, unixMs: 1_700_000_000_000, model: "base" }).map((text) => JSON.parse(text) as Line)
  const readText = (text: string) => allCommands(dialect.readText(text, 0)).map(spoken)
  return {
    dialect,
    created,
    readText,
    send: (event: object) => readText(JSON.stringify(event)),
    append: (bytes: Uint8Array, more: object = {}) =>
      readText(JSON.stringify({ type: "input_audio_buffer.append", audio: Buffer.from(bytes).toString("base64"), ...more })),
    wrote: (event: SpeechEvent) => dialect.write(event, 0).map((text) => JSON.parse(text) as Line),
  }
}

function spoken(command: Command): Line | Command {
  return command.type === "say" ? (JSON.parse(command.text) as Line) : command
}

const names = (said: readonly { readonly type: string }[]) => said.map(({ type }) => short(type))
const partial = (text: string, stable: number, utterance = 0, segment = 0): SpeechEvent => {
  return { type: "partial", utterance, segment, text, stable, startMs: 0, endMs: 100, lagMs: 0 }
}
const errorIn = ([first]: readonly object[]) => (first as { error?: unknown }).error
const inputOf = (line: unknown) => (line as { session: { audio: { input: Record<string, unknown> } } }).session.audio.input

describe("a session", () => {
  test("is told whole in the first event", () => {
    expect(open().created).toEqual({
      type: "session.created",
      event_id: "event_0123456789abcdef_0",
      session: {
        type: "transcription",
        object: "realtime.transcription_session",
        id: "sess_0123456789abcdef0123456789abcdef",
        expires_at: 1_700_086_400,
        include: null,
        audio: {
          input: {
            format: { type: "audio/pcm", rate: 24_000 },
            transcription: null,
            noise_reduction: null,
            turn_detection: { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 },
          },
        },
      },
    })
  })

  test("of the older wire is flat", () => {
    const { created } = open("intent=transcription", { "openai-beta": "realtime=v1" })
    expect(created).toMatchObject({
      type: "transcription_session.created",
      session: {
        object: "realtime.transcription_session",
        input_audio_format: "pcm16",
        input_audio_transcription: null,
        turn_detection: { type: "server_vad" },
        input_audio_noise_reduction: null,
        client_secret: null,
      },
    })
  })

  test.each([
    ["", {}, "session.created"],
    ["model=gpt-4o-transcribe", {}, "session.created"],
    ["intent=transcription&model=x", { "sec-websocket-protocol": "realtime, openai-insecure-api-key.k" }, "session.created"],
    ["", { "sec-websocket-protocol": "realtime, openai-insecure-api-key.k, openai-beta.realtime-v1" }, "transcription_session.created"],
    ["", { "sec-websocket-protocol": "openai-beta.realtime-v1 , realtime" }, "transcription_session.created"],
  ])("opens with %j and %j as %s", (query, headers, type) => {
    expect(open(query, headers).created?.type).toBe(type)
  })

  test.each([
    ["call_id=c1", "call_id"],
    ["intent=conversation", "intent"],
    ["language=english!", "language"],
  ])("is refused for %s, in OpenAI's envelope", async (query, param) => {
    const opening = enter(query)
    if (opening.ok) throw new Error("let in")
    expect(opening.refusal.status).toBe(400)
    expect(await opening.refusal.json()).toMatchObject({ error: { type: "invalid_request_error", param, code: null } })
  })

  test("may name any model, unless the operator is strict", async () => {
    const strict = { ...DEFAULTS, strictModels: true }
    const refused = enter("model=gpt-9", {}, strict)
    if (refused.ok) throw new Error("let in")
    expect([refused.refusal.status, await refused.refusal.json()]).toMatchObject([
      404,
      { error: { code: "model_not_found", param: "model" } },
    ])
    const { send } = open("model=gpt-4o-transcribe", {}, strict)
    expect(errorIn(send(update({ transcription: { model: "gpt-9" } })))).toMatchObject({ code: "model_not_found" })
    expect(names(send(update({ transcription: { model: "whisper-1" } })))).toEqual(["session.updated"])
    expect(names(open().send(update({ transcription: { model: "gpt-9" } })))).toEqual(["session.updated"])
  })

  test("takes model and language from the URL", () => {
    const { created, dialect } = open("model=whisper-1&language=de-CH")
    expect(inputOf(created).transcription).toEqual({ model: "whisper-1", language: "de-CH" })
    expect(dialect.stream.language).toBe("de")
  })
})

describe("an update", () => {
  test("changes what is in it, and is answered by all that holds now", () => {
    const { send, dialect } = open()
    send(update({ noise_reduction: { type: "far_field" } }))
    const [updated] = send(update({ format: { type: "audio/pcmu" }, transcription: { model: "m", language: "de", prompt: "Xanten" } }))
    expect(updated).toMatchObject({ type: "session.updated" })
    expect(inputOf(updated)).toEqual({
      format: { type: "audio/pcmu" },
      transcription: { model: "m", language: "de", prompt: "Xanten" },
      noise_reduction: { type: "far_field" },
      turn_detection: { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 },
    })
    const [cleared] = send(update({ transcription: null, noise_reduction: null }))
    expect(inputOf(cleared)).toMatchObject({ format: { type: "audio/pcmu" }, transcription: null, noise_reduction: null })
    expect(dialect.stream).toMatchObject({ language: "en", prompt: undefined })
  })

  test("maps voice activity to our endpointing, within what the server can do, and says so", () => {
    const { send, dialect } = open()
    const vad = { type: "server_vad", threshold: 0.7, prefix_padding_ms: 5000, silence_duration_ms: 20 }
    expect(inputOf(send(update({ turn_detection: vad }))[0]).turn_detection).toEqual({
      type: "server_vad",
      threshold: 0.7,
      prefix_padding_ms: 2000,
      silence_duration_ms: 100,
    })
    expect(dialect.stream).toMatchObject({ endpointing: { threshold: 0.7, prefixMs: 2000, silenceMs: 100 }, interims: true })
    send(update({ turn_detection: { type: "server_vad", silence_duration_ms: 700 } }))
    expect(dialect.stream).toMatchObject({ endpointing: { threshold: 0.7, prefixMs: 2000, silenceMs: 700 } })
    send(update({ turn_detection: null }))
    expect(dialect.stream.endpointing).toBeNull()
  })

  test.each([
    ["low", 1000],
    ["auto", 500],
    ["high", 300],
  ])("takes semantic voice activity of eagerness %s for a pause of %i ms", (eagerness, silenceMs) => {
    const { send, dialect } = open()
    const turn_detection = { type: "semantic_vad", eagerness }
    expect(inputOf(send(update({ turn_detection }))[0]).turn_detection).toEqual(turn_detection)
    expect(dialect.stream.endpointing).toMatchObject({ silenceMs })
  })

  test.each([
    [{ language: "" }, "auto"],
    [{ language: "pt-BR" }, "pt"],
    [{ languages: ["fr"] }, "fr"],
    [{ languages: ["fr", "de"] }, "auto"],
    [{ language: null }, "en"],
  ])("with %j hears %s", (transcription, language) => {
    const { send, dialect } = open()
    send(update({ transcription }))
    expect(dialect.stream.language).toBe(language)
  })

  test.each([
    ["gpt-realtime-whisper", null],
    ["gpt-live-transcribe-2026", null],
    ["gpt-4o-transcribe", expect.objectContaining({ type: "server_vad" })],
  ])("of a client that names %s and says nothing of turns leaves them to whom it leaves them at OpenAI", (model, turnDetection) => {
    const { send, dialect } = open()
    expect(inputOf(send(update({ transcription: { model } }))[0]).turn_detection).toEqual(turnDetection)
    expect(dialect.stream.endpointing === null).toBe(turnDetection === null)
    expect(inputOf(open(`model=${model}`).created).turn_detection).toEqual(turnDetection)
    expect(inputOf(send(update({ turn_detection: { type: "server_vad" } }))[0]).turn_detection).toMatchObject({ type: "server_vad" })
  })

  test("gives keywords to the engine with the prompt", () => {
    const { send, dialect } = open()
    send(update({ transcription: { prompt: "A call.", keywords: ["Xanten", "Ghent"] } }))
    expect(dialect.stream.prompt).toBe("A call. Xanten, Ghent")
  })

  test("keeps of a prompt the end that is heard, and tells no more of it again", () => {
    const { send, dialect } = open()
    const prompt = `${"x".repeat(500_000)} Xanten`
    const [updated] = send(update({ transcription: { prompt } }))
    expect(inputOf(updated).transcription).toMatchObject({ prompt: prompt.slice(-2000) })
    expect(dialect.stream.prompt).toBe(prompt.slice(-2000))
  })

  test("takes a prompt away from a stream that runs", () => {
    const { send, append } = open()
    send(update({ transcription: { prompt: "Xanten" } }))
    append(HALF_SECOND)
    expect(send(update({ transcription: null }))).toMatchObject([
      { type: "configure", changes: { prompt: "" } },
      { type: "session.updated" },
    ])
  })

  test("of a transcription session turns to the older wire", () => {
    const { send, append, wrote } = open()
    const session = { input_audio_format: "g711_ulaw", input_audio_transcription: { model: "m", language: "", prompt: "" } }
    expect(send({ type: "transcription_session.update", session: { ...session, turn_detection: null } })).toMatchObject([
      {
        type: "transcription_session.updated",
        session: {
          input_audio_format: "g711_ulaw",
          input_audio_transcription: { model: "m", language: "", prompt: "" },
          turn_detection: null,
        },
      },
    ])
    append(new Uint8Array(800))
    expect(names(send(COMMIT))).toEqual(["accept", "committed", "item.created", "commit"])
    expect(names(wrote(finalEvent("Hello")))).toEqual(["delta", "completed"])
  })

  test.each([
    [{ format: { type: "audio/opus" } }, "session.audio.input.format.type"],
    [{ format: { type: "audio/pcm", rate: 12_345 } }, "session.audio.input.format.rate"],
    [{ turn_detection: { type: "server_vad", threshold: 2 } }, "session.audio.input.turn_detection.threshold"],
    [{ turn_detection: { type: "none" } }, "session.audio.input.turn_detection.type"],
    [{ transcription: { language: "english!" } }, "session.audio.input.transcription.language"],
  ])("of %j is one error, and changes nothing", (input, param) => {
    const { send, dialect } = open()
    const before = dialect.stream
    expect(send(update({ noise_reduction: { type: "near_field" }, ...input }, { event_id: "e1" }))).toMatchObject([
      { type: "error", error: { type: "invalid_request_error", code: "invalid_value", param, event_id: "e1" } },
    ])
    expect(dialect.stream).toEqual(before)
    expect(inputOf(send(update({}))[0]).noise_reduction).toBeNull()
  })

  test("that is refused names the field as its wire does", () => {
    const { send, append } = open("", {}, { ...DEFAULTS, strictModels: true })
    const older = (session: object) => errorIn(send({ type: "transcription_session.update", session }))
    expect(older({ input_audio_transcription: { language: "english!" } })).toMatchObject({
      param: "session.input_audio_transcription.language",
    })
    expect(older({ input_audio_transcription: { model: "gpt-9" } })).toMatchObject({ param: "session.input_audio_transcription.model" })
    expect(errorIn(send(update({ transcription: { languages: ["x!"] } })))).toMatchObject({
      param: "session.audio.input.transcription.languages",
    })
    append(HALF_SECOND)
    expect(older({ turn_detection: null })).toMatchObject({ param: "session.turn_detection" })
  })

  test("in mid-stream reaches the engine, but cannot turn endpointing on or off", () => {
    const { send, append } = open()
    append(HALF_SECOND)
    const [configured] = send(
      update({ transcription: { language: "de" }, turn_detection: { type: "server_vad", silence_duration_ms: 900 } }),
    )
    expect(configured).toMatchObject({ type: "configure", changes: { language: "de", endpointing: { silenceMs: 900 } } })
    expect(errorIn(send(update({ turn_detection: null })))).toMatchObject({ param: "session.audio.input.turn_detection" })
    expect(names(send(update({ turn_detection: { type: "semantic_vad" } })))).toEqual(["configure", "session.updated"])
  })

  test("may change the format in mid-stream: what was sent before is heard as it was", () => {
    const { send, append } = open()
    send(update({ format: PCM16K }))
    expect(append(audio(7, 3))).toEqual([{ type: "accept", samples: new Int16Array([7, 7, 7]) }])
    send(update({ format: { type: "audio/pcmu" } }))
    const [accepted] = append(new Uint8Array(8000))
    expect(accepted).toMatchObject({ type: "accept" })
    expect((accepted as { samples: Int16Array }).samples.length).toBeGreaterThan(15_900)
  })
})

describe("a message", () => {
  test.each([
    ["{", "invalid_json", null],
    ["[1]", "invalid_event", "type"],
    ['{"type":"vad.stop"}', "invalid_event", "type"],
    ['{"type":"response.create"}', "unsupported_event", "type"],
    ['{"type":"conversation.item.create","item":{}}', "unsupported_event", "type"],
    ['{"type":"input_audio_buffer.append"}', "invalid_value", "audio"],
    ['{"type":"input_audio_buffer.append","audio":7}', "invalid_value", "audio"],
    ['{"type":"input_audio_buffer.append","audio":"no base64!"}', "invalid_value", "audio"],
    ['{"type":"session.update","model":"m"}', "invalid_value", "session"],
    [`{"type":"input_audio_buffer.clear","event_id":"${"e".repeat(513)}"}`, "invalid_value", "event_id"],
  ])("%s is answered by the error %s", (text, code, param) => {
    const { readText } = open()
    expect(readText(text)).toMatchObject([{ type: "error", error: { type: "invalid_request_error", code, param, event_id: null } }])
  })

  test("that is wrong has its event_id echoed", () => {
    expect(errorIn(open().send({ type: "response.create", event_id: "mine" }))).toMatchObject({ event_id: "mine" })
  })

  test("of bytes is an error", () => {
    expect(allCommands(open().dialect.readBytes(HALF_SECOND, 0)).map(spoken)).toMatchObject([{ error: { code: "invalid_event" } }])
  })

  test("with half a sample is heard whole with the next one", () => {
    const { send, append } = open()
    send(update({ format: PCM16K }))
    const bytes = audio(300, 4)
    expect([...append(bytes.subarray(0, 3)), ...append(bytes.subarray(3))]).toEqual([
      { type: "accept", samples: new Int16Array([300]) },
      { type: "accept", samples: new Int16Array([300, 300, 300]) },
    ])
  })

  test("of many minutes is read in short steps, however its JSON is written", () => {
    const { send, readText } = open()
    send(update({ format: PCM16K }))
    const bytes = new Uint8Array(15 * 1024 * 1024).fill(0xff)
    const escaped = JSON.stringify({ audio: Buffer.from(bytes).toString("base64"), event_id: "e", type: "input_audio_buffer.append" })
    const commands = readText(escaped.replaceAll("////", "\\/\\/\\/\\/")) as { type: string; samples: Int16Array }[]
    expect(commands.length).toBeGreaterThan(200)
    expect(commands.reduce((sum, { samples }) => sum + samples.length, 0)).toBe(bytes.length / 2)
  })

  test("beyond 15 MiB of audio is refused, and so is a long one without audio", () => {
    const { append, readText } = open()
    expect(errorIn(append(new Uint8Array(15 * 1024 * 1024 + 3), { event_id: "e" }))).toMatchObject({ code: "invalid_value", event_id: "e" })
    expect(errorIn(readText(JSON.stringify(update({}, { note: "x".repeat(600_000) }))))).toMatchObject({ code: "invalid_json" })
  })
})

describe("a commit", () => {
  test("of less than 100 ms is an error that says how much there is", () => {
    const { send, append } = open()
    send(update({ turn_detection: null }))
    expect(errorIn(send({ ...COMMIT, event_id: "c" }))).toMatchObject({
      code: "input_audio_buffer_commit_empty",
      param: null,
      event_id: "c",
    })
    append(new Uint8Array(1600))
    append(new Uint8Array(1600))
    expect((errorIn(send(COMMIT)) as { message: string }).message).toContain("66.67ms")
    append(new Uint8Array(1600))
    expect(names(send(COMMIT))).toContain("committed")
    expect(errorIn(send(COMMIT))).toMatchObject({ code: "input_audio_buffer_commit_empty" })
  })

  test("does not count what was cleared, or what the server ended by itself", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K }))
    append(HALF_SECOND)
    expect(send(CLEAR)).toEqual([{ type: "clear" }])
    expect(errorIn(send(COMMIT))).toMatchObject({ code: "input_audio_buffer_commit_empty" })
    append(HALF_SECOND)
    wrote({ type: "speech_start", utterance: 0, atMs: 500 })
    wrote({ type: "speech_end", utterance: 0, atMs: 950 })
    expect(errorIn(send(COMMIT))).toMatchObject({ message: expect.stringContaining("holds 50ms") })
  })

  test("gives the engine the last samples too, before it ends the utterance", () => {
    const { send, append } = open()
    send(update({ turn_detection: null }))
    const count = (commands: readonly object[]) =>
      commands.reduce((sum, command) => sum + ((command as { samples?: Int16Array }).samples?.length ?? 0), 0)
    expect(count(append(new Uint8Array(24_000))) + count(send(COMMIT))).toBe(8000)
  })

  test("is answered at once, and its words come under the same item, which follows the one before", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K, turn_detection: null }))
    const ids = [0, 1].map((utterance) => {
      append(HALF_SECOND)
      const committed = send(COMMIT).filter(({ type }) => type.includes("."))
      expect(names(committed)).toEqual(["committed", "item.added", "item.done"])
      expect(wrote(finalEvent("Hello", { utterance, endMs: 500 }))).toMatchObject([
        { type: expect.stringContaining("delta"), delta: "Hello" },
        {
          type: expect.stringContaining("completed"),
          transcript: "Hello",
          languages: [{ code: "en" }],
          usage: { type: "duration", seconds: 0.5 },
        },
      ])
      return committed.map((line) => [(line as Line).item_id ?? ((line as Line).item as Line).id, (line as Line).previous_item_id])
    })
    const first = ids[0]?.[0]?.[0]
    expect(ids[0]).toEqual([0, 1, 2].map(() => [first, null]))
    expect(ids[1]).toEqual([0, 1, 2].map(() => [expect.not.stringMatching(String(first)), first]))
  })
})

describe("words", () => {
  test("that stand are told as deltas, which joined are the transcript of all segments", () => {
    const { append, wrote } = open()
    append(HALF_SECOND)
    const events = [
      { type: "speech_start", utterance: 0, atMs: 120.4 } as const,
      partial("And so, my fel", 3),
      partial("And so, my fellow", 8),
      partial("And so, my fellow", 8),
      finalEvent("And so, my fellow.", { end: false, startMs: 120 }),
      partial("Ask", 3, 0, 1),
      { type: "speech_end", utterance: 0, atMs: 3000 } as const,
      finalEvent("", { segment: 1, end: false }),
      finalEvent("Ask not.", { segment: 2, cause: "endpoint", endMs: 2900 }),
    ]
    const said = events.flatMap(wrote)
    expect(names(said)).toEqual([
      "speech_started",
      "delta",
      "delta",
      "delta",
      "delta",
      "speech_stopped",
      "committed",
      "item.added",
      "item.done",
      "delta",
      "completed",
    ])
    expect(said.flatMap(({ delta }) => (delta === undefined ? [] : [delta]))).toEqual(["And", " so,", " my fellow.", " Ask", " not."])
    expect(said[0]).toMatchObject({ audio_start_ms: 120 })
    expect(said[5]).toMatchObject({ audio_end_ms: 3000 })
    expect(said.at(-1)).toMatchObject({ transcript: "And so, my fellow. Ask not.", content_index: 0, usage: { seconds: 2.78 } })
    expect(new Set(said.map((line) => line.item_id ?? (line.item as Line).id)).size).toBe(1)
    expect(new Set(said.map(({ event_id }) => event_id)).size).toBe(said.length)
  })

  test("that nobody said are a completed item with an empty transcript, and no delta", () => {
    const { append, wrote } = open()
    append(HALF_SECOND)
    expect(wrote(finalEvent("", { cause: "endpoint" })).at(-1)).toMatchObject({ transcript: "", languages: [] })
    expect(names(wrote(finalEvent("", { utterance: 1 })))).toEqual(["committed", "item.added", "item.done", "completed"])
  })

  test("that failed are told so under their item, also when nothing had ended it yet", () => {
    const { append, wrote } = open()
    append(HALF_SECOND)
    const failed = { type: "failed", utterance: 0, cause: null, code: "overloaded", message: "too much" } as const
    const lines = wrote(failed)
    expect(names(lines)).toEqual(["committed", "item.added", "item.done", "failed"])
    expect(lines.at(-1)).toMatchObject({ error: { type: "transcription_error", code: "overloaded", message: "too much", param: null } })
  })

  test("of what the engine cuts for its length are one item all the same, where only the client commits", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K, turn_detection: null }))
    append(HALF_SECOND)
    const cut = wrote(finalEvent("So long,", { cause: "max" }))
    expect(names(cut)).toEqual(["delta"])
    const [committed] = send(COMMIT)
    const lines = wrote(finalEvent("farewell.", { utterance: 1, endMs: 500 }))
    expect(lines.map(({ delta, transcript }) => delta ?? transcript)).toEqual([" farewell.", "So long, farewell."])
    expect([...cut, ...lines].map(({ item_id }) => item_id)).toEqual([0, 1, 2].map(() => (committed as Line).item_id))
    expect(lines[1]).toMatchObject({ usage: { seconds: 0.5 } })
  })

  test("of which a part failed are a failure of the whole item", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K, turn_detection: null }))
    append(HALF_SECOND)
    expect(wrote({ type: "failed", utterance: 0, cause: "max", code: "timeout", message: "no answer" })).toEqual([])
    const [committed] = send(COMMIT)
    const [last] = wrote(finalEvent("", { utterance: 1 }))
    expect(last).toMatchObject({
      type: expect.stringContaining("failed"),
      item_id: (committed as Line).item_id,
      error: { code: "timeout" },
    })
  })

  test("of an utterance end after those before it, however the engine's news overtake each other", () => {
    const { append, wrote } = open()
    append(HALF_SECOND)
    // A commit ended the first in mid-speech; its words are still owed.
    wrote({ type: "speech_start", utterance: 0, atMs: 0 })
    const second = [{ type: "speech_start", atMs: 200 } as const, { type: "speech_end", atMs: 400 } as const].flatMap((event) =>
      wrote({ ...event, utterance: 1 }),
    )
    expect(names(second)).toEqual(["speech_started", "speech_stopped"])
    const told = [...wrote(finalEvent("one")), ...wrote(finalEvent("two", { utterance: 1, cause: "endpoint" }))]
    expect(names(told)).toEqual([0, 1].flatMap(() => ["committed", "item.added", "item.done", "delta", "completed"]))
    expect(told[5]).toMatchObject({ item_id: second[0]?.item_id, previous_item_id: told[0]?.item_id })
  })

  test("of an utterance wait until those before it are all there, so that none are told under another's item", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K, turn_detection: null }))
    append(HALF_SECOND)
    const [first] = send(COMMIT)
    append(HALF_SECOND)
    expect(wrote(partial("two and", 3, 1))).toEqual([])
    expect(wrote(finalEvent("one"))).toMatchObject([{ delta: "one", item_id: (first as Line).item_id }, { transcript: "one" }])
    const [delta] = wrote(partial("two and", 3, 1))
    const [second] = send(COMMIT)
    expect(delta).toMatchObject({ delta: "two", item_id: (second as Line).item_id })
  })

  test("of an utterance that was given up are not told, and the next commit gets its own", () => {
    const { send, append, wrote } = open()
    send(update({ format: PCM16K, turn_detection: null }))
    append(HALF_SECOND)
    const [told] = wrote(partial("gone", 4))
    send(CLEAR)
    append(HALF_SECOND)
    const [committed] = send(COMMIT)
    expect((committed as Line).item_id).not.toBe(told?.item_id as string)
    expect(wrote(partial("gone for good", 13))).toEqual([])
    expect(names(wrote({ type: "cleared", utterance: 0 }))).toEqual(["cleared"])
    expect(wrote(finalEvent("kept", { utterance: 1 }))).toMatchObject([
      { item_id: (committed as Line).item_id, delta: "kept" },
      { item_id: (committed as Line).item_id, transcript: "kept" },
    ])
  })
})

test("a clear before any audio is answered at once and leaves the session open to any change", () => {
  const { send } = open()
  expect(names(send(CLEAR))).toEqual(["cleared"])
  expect(names(send(update({ turn_detection: null })))).toEqual(["session.updated"])
})

test("a connection that cannot go on ends with a server error", () => {
  const { dialect } = open()
  expect(dialect.fail("engine_gone", "speech engine gone").map((text) => JSON.parse(text))).toMatchObject([
    { type: "error", error: { type: "server_error", code: "engine_gone", message: "speech engine gone" } },
  ])
})
