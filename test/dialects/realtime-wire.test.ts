import { describe, expect, test } from "bun:test"
import { EngineError } from "../../src/engines/engine.ts"
import { connectRaw, socketUrl } from "../support/client.ts"
import { dice, type Roll } from "../support/invariants.ts"
import { CLEAR, COMMIT, connectRealtime, type Line, PCM16K, type RealtimeClient, short, update } from "../support/realtime.ts"
import { answersOnDemand, audio, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const SOUND_SAMPLES = 3200
const COMPLETED = "conversation.item.input_audio_transcription.completed"
const COMMITTED = ["committed", "item.added", "item.done"]

const names = (lines: readonly Line[]) => lines.map(({ type }) => short(type))
const itemOf = (line: Line) => line.item_id ?? (line.item as Line | undefined)?.id

/** At the rate of the house, after both answers. */
async function configured(server: URL, input: object = {}, query?: string): Promise<RealtimeClient> {
  const client = await connectRealtime(server, query)
  client.send(update({ format: PCM16K, ...input }))
  await client.until("session.updated")
  return client
}

describe("OpenAI's realtime wire", () => {
  test("tells two turns that the server heard, each under an item of its own", async () => {
    const client = await configured(serve().server.url)
    for (const value of [7, 8]) {
      client.append(audio(value, SOUND_SAMPLES))
      client.append(audio(0, 1600))
      const lines = await client.until(COMPLETED)
      expect(names(lines)).toEqual(["speech_started", "delta", "speech_stopped", ...COMMITTED, "completed"])
      expect(lines.at(-1)).toMatchObject({ transcript: `word ${value}`, usage: { type: "duration", seconds: 0.2 } })
      expect(new Set(lines.map(itemOf)).size).toBe(1)
      expect(lines[0]).toMatchObject({ audio_start_ms: value === 7 ? 0 : 300 })
    }
    const previous = client.received.filter(({ type }) => type.endsWith(".committed"))
    expect(previous.map(({ previous_item_id }) => previous_item_id)).toEqual([null, previous[0]?.item_id as string])
  })

  test("commits by hand at once, before the words are known, and tells them in order", async () => {
    const { answer, give } = answersOnDemand()
    const client = await configured(serve({}, { answer }).server.url, { turn_detection: null })
    for (const value of [7, 8]) {
      client.append(audio(value, SOUND_SAMPLES))
      client.send(COMMIT)
    }
    const committed = [...(await client.until("conversation.item.done")), ...(await client.until("conversation.item.done"))]
    expect(names(committed)).toEqual([...COMMITTED, ...COMMITTED])
    give("word 8")
    give("word 7")
    const words = [...(await client.until(COMPLETED)), ...(await client.until(COMPLETED))]
    expect(words.map(({ delta, transcript }) => delta ?? transcript)).toEqual(["word 7", "word 7", "word 8", "word 8"])
    expect(words.map(itemOf)).toEqual([0, 0, 3, 3].map((nth) => itemOf(committed[nth] as Line)))
  })

  test("of a commit in mid-speech tells no end of speech", async () => {
    const client = await configured(serve().server.url)
    client.append(audio(7, SOUND_SAMPLES))
    client.send(COMMIT)
    expect(names(await client.until(COMPLETED))).toEqual(["speech_started", "delta", ...COMMITTED, "completed"])
  })

  test("answers an empty commit by an error with its event_id, and goes on", async () => {
    const client = await configured(serve().server.url, { turn_detection: null })
    client.send({ ...COMMIT, event_id: "mine" })
    expect(await client.next()).toMatchObject({ type: "error", error: { code: "input_audio_buffer_commit_empty", event_id: "mine" } })
    client.append(audio(7, SOUND_SAMPLES))
    client.send(COMMIT)
    expect((await client.until(COMPLETED)).at(-1)).toMatchObject({ transcript: "word 7" })
  })

  test("forgets what is cleared", async () => {
    const client = await configured(serve().server.url, { turn_detection: null })
    client.append(audio(7, SOUND_SAMPLES))
    client.send(CLEAR)
    expect(names([await client.next()])).toEqual(["cleared"])
    client.append(audio(8, SOUND_SAMPLES))
    client.send(COMMIT)
    expect((await client.until(COMPLETED)).at(-1)).toMatchObject({ transcript: "word 8" })
  })

  test("tells a failure under its item, and goes on", async () => {
    const answer = (heard: { samples: Int16Array }) => {
      if (wordOf(heard) === "word 7") throw new EngineError("timeout", "no answer")
      return wordOf(heard)
    }
    const client = await configured(serve({}, { answer }).server.url, { turn_detection: null })
    client.append(audio(7, SOUND_SAMPLES))
    client.send(COMMIT)
    const lines = await client.until("conversation.item.input_audio_transcription.failed")
    expect(names(lines)).toEqual([...COMMITTED, "failed"])
    expect(lines.at(-1)).toMatchObject({ item_id: lines[0]?.item_id, content_index: 0, error: { code: "timeout", message: "no answer" } })
    client.append(audio(8, SOUND_SAMPLES))
    client.send(COMMIT)
    expect((await client.until(COMPLETED)).at(-1)).toMatchObject({ transcript: "word 8" })
  })

  test("speaks its older form to those who ask for it, who need not wait for its greeting", async () => {
    const { server } = serve()
    const client = await connectRealtime(server.url, "intent=transcription", { headers: { "OpenAI-Beta": "realtime=v1" } })
    const session = {
      input_audio_format: "pcm16",
      input_audio_transcription: { model: "m", language: "", prompt: "" },
      turn_detection: null,
    }
    client.send({ type: "transcription_session.update", session })
    client.append(audio(7, 6000))
    client.send(COMMIT)
    expect(names(await client.until(COMPLETED))).toEqual([
      "transcription_session.created",
      "transcription_session.updated",
      "committed",
      "item.created",
      "delta",
      "completed",
    ])
  })

  test("is there under Groq's prefix too, and takes credentials in any place without a look or a log line", async () => {
    const { server, tap } = serve()
    for (const headers of [
      { authorization: "Bearer sesame" },
      { "sec-websocket-protocol": "realtime, openai-insecure-api-key.sesame, openai-beta.realtime-v1" },
    ]) {
      const raw = await connectRaw(socketUrl(server.url, "model=m&api_key=sesame", "/openai/v1/realtime"), headers)
      expect(raw.status).toBe(101)
      if ("sec-websocket-protocol" in headers) expect(raw.headers.get("sec-websocket-protocol")).toBe("realtime")
      const created = JSON.parse((await raw.nextFrame()).payload.toString())
      expect(created.type).toBe("authorization" in headers ? "session.created" : "transcription_session.created")
      raw.destroy()
    }
    await tap.seen("disconnected", 2)
    expect(JSON.stringify(tap.lines)).not.toContain("sesame")
  })

  test("has what was said answered before the server goes", async () => {
    const { server } = serve()
    const client = await configured(server.url, { turn_detection: null })
    client.append(audio(7, SOUND_SAMPLES))
    client.send({ type: "nonsense" })
    await client.until("error")
    await server.drain(5000)
    expect(names(await client.until(COMPLETED))).toEqual([...COMMITTED, "delta", "completed"])
    expect((await client.closed).code).toBe(1001)
  })

  test("tells a request without an upgrade, and one that finds it full, in OpenAI's envelope", async () => {
    const { server } = serve({ maxSessions: 1 })
    const plain = await fetch(new URL("/v1/realtime", server.url))
    expect([plain.status, await plain.json()]).toMatchObject([426, { error: { type: "invalid_request_error" } }])
    await connectRealtime(server.url)
    const full = await connectRaw(socketUrl(server.url, "", "/v1/realtime"))
    expect([full.status, JSON.parse(full.body)]).toMatchObject([503, { error: { type: "server_error" } }])
  })
})

/** What a client did, by dice; ends when each of its commits and clears was answered. */
async function talk(url: URL, roll: Roll, manual: boolean): Promise<{ lines: readonly Line[]; commits: number; clears: number }> {
  const client = await configured(url, manual ? { turn_detection: null } : {})
  let clears = 0
  let commits = 0
  let refused = 0
  for (let step = 0; step < 60; step++) {
    const kind = roll(10)
    if (kind < 6) client.append(audio(kind === 5 ? 0 : 1 + roll(9), 100 + roll(3000)))
    else if (kind < 8) {
      client.send(COMMIT)
      commits++
    } else if (kind === 8) {
      client.send(CLEAR)
      clears++
    } else await Bun.sleep(0)
  }
  client.append(audio(9, SOUND_SAMPLES))
  client.append(audio(0, 100))
  client.send({ ...COMMIT, event_id: "before last" })
  client.append(audio(9, SOUND_SAMPLES))
  client.send({ ...CLEAR })
  clears++
  // The terminators keep the order of what asked for them: the last answer is that of the last clear.
  for (let left = clears; left > 0; ) {
    const { type, error } = await client.next()
    if (short(type) === "cleared") left--
    if ((error as { code?: string } | undefined)?.code === "input_audio_buffer_commit_empty") refused++
  }
  const lines = client.received
  client.close()
  return { lines, commits: commits + 1 - refused, clears }
}

/** Each item that was committed ends once, after it; its deltas are its transcript; items follow each other in order. */
function expectLawful({ lines, commits }: { lines: readonly Line[]; commits: number }, manual: boolean) {
  const committed = lines.filter(({ type }) => short(type) === "committed")
  const ended = lines.filter(({ type }) => ["completed", "failed"].includes(short(type)))
  expect(ended.map(itemOf)).toEqual(committed.map(itemOf))
  expect(new Set(committed.map(itemOf)).size).toBe(committed.length)
  expect(committed.map(({ previous_item_id }) => previous_item_id)).toEqual([null, ...committed.map(itemOf)].slice(0, -1))
  if (manual) expect(committed.length).toBe(commits)
  else expect(committed.length).toBeGreaterThanOrEqual(commits)
  for (const end of ended) {
    const mine = lines.filter((line) => itemOf(line) === end.item_id)
    expect(mine.at(-1)).toBe(end)
    const deltas = mine.flatMap(({ delta }) => (delta === undefined ? [] : [delta]))
    if (end.transcript !== undefined) expect(deltas.join("")).toBe(end.transcript as string)
    const order = names(mine).filter((name) => name !== "delta")
    const heard = manual ? [] : order.filter((name) => name.startsWith("speech_"))
    expect([[], ["speech_started"], ["speech_started", "speech_stopped"]]).toContainEqual(heard)
    expect(order).toEqual([...heard, ...COMMITTED, order.at(-1) ?? ""])
  }
  expect(new Set(lines.map(({ event_id }) => event_id)).size).toBe(lines.length)
}

describe("whatever a client does, each item that was committed ends once and in order", () => {
  for (const manual of [true, false]) {
    test(manual ? "where only it commits" : "where the server hears the ends too", async () => {
      const roll = dice(manual ? 6 : 66)
      const answer = async (heard: { samples: Int16Array }) => {
        if (roll(5) === 0) await Bun.sleep(1)
        if (roll(9) === 0) throw new EngineError("timeout", "no answer")
        return wordOf(heard)
      }
      // What is cut there is one item all the same.
      const plain = serve({}, { answer }).server.url
      const cutting = serve({}, { answer, cuts: true }).server.url
      for (let run = 0; run < 20; run++) {
        expectLawful(await talk(plain, roll, manual), manual)
        if (manual) expectLawful(await talk(cutting, roll, manual), manual)
      }
    })
  }
})
