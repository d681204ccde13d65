/**
 * What strangers cost those who are served: `bun test/bench/strangers.ts` starts the program and prints, as JSON, what became of a crowd
 * that comes at once (of clients with one utterance each, of requests, and of people who talk), and how long a good client waits alone and beside
 * clients that are idle, deaf, slow or greedy. They run in a process of their own, but on the same machine.
 */
import { join } from "node:path"
import { bytesFromSamples } from "../../src/audio/pcm.ts"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { builtInClips, type Clip, distinctSamples } from "../../src/commands/bench/clips.ts"
import { quantile } from "../../src/commands/bench/figures.ts"
import { scriptOf } from "../../src/commands/bench/script.ts"
import { talk } from "../../src/commands/bench/talker.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

const CROWD = 64
const TALK_SECONDS = 20
const GOOD_SECONDS = 30
const PAUSE_MS = 500
/** Whoever has neither words nor a refusal then, hangs. */
const HANG_MS = 15_000

type Outcome = { readonly kind: "words" | "refused" | "hung" | "failed"; readonly ms: number }

const clips = await builtInClips()
const [, spoken = clips[0]] = clips
if (!spoken) throw new Error("no clip")

/** One that names its address as a proxy would. */
const from = (url: string, address: string) => new WebSocket(url, { headers: { "x-forwarded-for": address } })

const bytesOf = (clip: Clip, turn: number) => bytesFromSamples(distinctSamples(clip, turn))

/** Comes, says one thing, and goes. Words count from when they were sent, a refusal from when it was asked. */
function visitor(url: string, nth: number, clip: Clip): Promise<Outcome> {
  return new Promise((resolve) => {
    const utterance = bytesOf(clip, nth)
    let sinceMs = performance.now()
    let isOpen = false
    const socket = from(url, `10.1.${nth >> 8}.${nth & 255}`)
    const end = (kind: Outcome["kind"]) => {
      resolve({ kind, ms: performance.now() - sinceMs })
      clearTimeout(late)
      socket.terminate()
    }
    const late = setTimeout(() => end("hung"), HANG_MS)
    socket.onopen = () => {
      isOpen = true
      sinceMs = performance.now()
      socket.send(utterance)
    }
    socket.onmessage = () => end("words")
    socket.onclose = () => end(isOpen ? "failed" : "refused")
  })
}

/** The same as one request, as the SDKs of OpenAI send it, without their second tries. */
async function asker(url: string, nth: number, clip: Clip): Promise<Outcome> {
  const form = new FormData()
  form.append("model", "whisper-1")
  form.append("file", new Blob([wavFromSamples(distinctSamples(clip, nth)).slice()]), "said.wav")
  const sinceMs = performance.now()
  const headers = { "x-forwarded-for": `10.5.${nth >> 8}.${nth & 255}` }
  const end = (kind: Outcome["kind"]) => ({ kind, ms: performance.now() - sinceMs })
  try {
    const signal = AbortSignal.timeout(HANG_MS)
    const { ok, status } = await fetch(new URL("/v1/audio/transcriptions", url.replace(/^ws/, "http")), {
      method: "POST",
      body: form,
      headers,
      signal,
    })
    return end(ok ? "words" : status === 429 ? "refused" : "failed")
  } catch (thrown) {
    return end(thrown instanceof DOMException && thrown.name === "TimeoutError" ? "hung" : "failed")
  }
}

async function crowdOf(person: (url: string, nth: number, clip: Clip) => Promise<Outcome>, url: string, clip: Clip) {
  const outcomes = await Promise.all(Array.from({ length: CROWD }, (_, nth) => person(url, nth, clip)))
  const of = (kind: Outcome["kind"]) => outcomes.filter((outcome) => outcome.kind === kind).map(({ ms }) => ms)
  const { words, refused, hung, failed } = { words: of("words"), refused: of("refused"), hung: of("hung"), failed: of("failed") }
  const seconds = clip.samples.length / 16_000
  return { seconds, hung: hung.length, failed: failed.length, words: figures(words), refused: figures(refused) }
}

async function crowdOfTalkers(url: string) {
  const signal = new AbortController().signal
  const talks = await Promise.allSettled(
    Array.from({ length: CROWD }, (_, nth) =>
      talk({ url, timeoutMs: HANG_MS, signal, script: scriptOf(clips, nth, TALK_SECONDS), interims: false }),
    ),
  )
  const heard = talks.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))
  const sum = (of: (talk: (typeof heard)[number]) => number) => heard.reduce((total, one) => total + of(one), 0)
  const refused = talks.length - heard.length
  return {
    refused,
    admitted: heard.length,
    unheard: sum((one) => one.unheard),
    failed: sum((one) => one.failed),
    finals: figures(heard.flatMap((one) => one.finalsMs)),
  }
}

/** Comes again when it is refused, as it is asked to. */
function arrival(url: string): Promise<WebSocket> {
  return new Promise((resolve) => {
    const socket = from(url, "10.2.0.1")
    socket.onopen = () => resolve(socket)
    socket.onclose = () => setTimeout(() => resolve(arrival(url)), 1000)
  })
}

/** Somebody with a conversation: an utterance, its words, a pause. */
async function converse(socket: WebSocket, seconds: number) {
  const waitsMs: number[] = []
  const untilMs = performance.now() + seconds * 1000
  for (let turn = 0; performance.now() < untilMs; turn++) {
    const utterance = bytesOf(spoken as Clip, 1000 + turn)
    const sentAtMs = performance.now()
    const words = new Promise<void>((resolve, reject) => {
      socket.onmessage = () => resolve()
      socket.onclose = () => reject(new Error("the good client was let go"))
    })
    socket.send(utterance)
    await words
    waitsMs.push(performance.now() - sentAtMs)
    await Bun.sleep(PAUSE_MS)
  }
  socket.onclose = null
  socket.terminate()
  return figures(waitsMs)
}

/** In a process of their own, until it is killed. Says "here" when all have come. */
async function strangers(url: string, kinds: readonly string[]) {
  const { hostname, port } = new URL(url)
  const has = (kind: string) => kinds.includes(kind)
  if (has("idle")) {
    for (let nth = 0; nth < 200; nth++) {
      const open = () => {
        const socket = from(url, `10.3.0.${nth}`)
        // Refused for now: it comes again, as clients do.
        socket.onclose = () => void setTimeout(open, 1000)
      }
      open()
      await Bun.sleep(20)
    }
  }
  if (has("deaf")) {
    for (let nth = 0; nth < 20; nth++) {
      const key = "dGhlIHNhbXBsZSBub25jZQ=="
      const socket = await Bun.connect({ hostname, port: Number(port), socket: { data: (one) => one.pause(), error() {} } })
      const head = ["upgrade: websocket", "connection: upgrade", `sec-websocket-key: ${key}`, "sec-websocket-version: 13"]
      socket.write(`GET /api/v1/ws?mode=events HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 10.4.0.${nth}\r\n${head.join("\r\n")}\r\n\r\n`)
      // Each control is answered by the whole configuration, which nobody reads.
      const control = Buffer.from('{"type":"config"}')
      const frame = Buffer.concat([Buffer.from([0x81, 0x80 | control.length, 0, 0, 0, 0]), control])
      const many = Buffer.concat(Array.from({ length: 20 }, () => frame))
      setInterval(() => socket.write(many), 100)
      await Bun.sleep(20)
    }
  }
  if (has("loris")) {
    const open = async (nth: number) => {
      const socket = await Bun.connect({ hostname, port: Number(port), socket: { data() {}, close: () => void open(nth), error() {} } })
      socket.write("GET /api/v1/ws HTTP/1.1\r\nhost: x\r\n")
      setInterval(() => socket.write("x"), 1000)
    }
    for (let nth = 0; nth < 50; nth++) void open(nth)
  }
  if (has("flood")) {
    const flood = (nth: number) => {
      const socket = from(url, "10.6.6.6")
      const utterance = bytesOf(spoken as Clip, 2000 + nth)
      socket.onopen = () => {
        for (let ahead = 0; ahead < 4; ahead++) socket.send(utterance)
      }
      socket.onmessage = () => socket.send(utterance)
      socket.onclose = () => void setTimeout(() => flood(nth), 200)
    }
    for (let nth = 0; nth < 30; nth++) flood(nth)
  }
  await Bun.sleep(3000)
  process.stdout.write("here\n")
}

async function beside(url: string, kinds: string) {
  const good = await arrival(url)
  const child = Bun.spawn([process.execPath, import.meta.path, "--strangers", url, kinds], { stdout: "pipe", stderr: "inherit" })
  try {
    for await (const _ of child.stdout) break
    return await converse(good, GOOD_SECONDS)
  } finally {
    child.kill("SIGKILL")
    await child.exited
  }
}

function figures(values: readonly number[]) {
  const part = (share: number) => Math.round(quantile(values, share) ?? 0)
  return { count: values.length, p50Ms: part(0.5), p95Ms: part(0.95), maxMs: Math.round(Math.max(0, ...values)) }
}

/** Of the server alone, in MB. */
async function residentMb({ pid }: RunningProgram): Promise<number> {
  const [, pages = 0] = (await Bun.file(`/proc/${pid}/statm`).text()).split(" ").map(Number)
  return Math.round((pages * 4096) / 1e6)
}

async function main() {
  const env = { HOST: "127.0.0.1", PORT: "0", STT_MIN_REPLY_MS: "0", STT_PROXY_HOPS: "1", STT_MAX_SPEAKERS: "", LOG_LEVEL: "info" }
  await using program = startProgram([], { ...env, XDG_CACHE_HOME: join(process.env.HOME ?? "/tmp", ".cache") })
  const url = String((await program.seen("listening")).address)
  const capacity = await program.seen("capacity")
  await Bun.sleep(3000)
  const report: Record<string, unknown> = { realTimes: capacity.realTimes, speakers: capacity.speakers }
  const only = process.argv[2]?.split(",")
  const step = async (name: string, run: () => Promise<object>) => {
    if (only && !only.includes(name)) return
    report[name] = { ...(await run()), residentMb: await residentMb(program) }
    process.stderr.write(`${name} ${JSON.stringify(report[name])}\n`)
    await Bun.sleep(6000)
  }
  for (const clip of clips.slice(0, 2)) await step(`visitors ${clip.name}`, () => crowdOf(visitor, url, clip))
  for (const clip of clips.slice(0, 2)) await step(`askers ${clip.name}`, () => crowdOf(asker, url, clip))
  await step("talkers", () => crowdOfTalkers(url))
  await step("alone", async () => converse(await arrival(url), GOOD_SECONDS))
  for (const kinds of ["idle", "deaf", "loris", "flood", "idle,deaf,loris,flood"])
    await step(`beside ${kinds.replaceAll(",", " ")}`, () => beside(url, kinds))
  program.signal("SIGTERM")
  await program.exited
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
}

const [, , mode, url = "", kinds = ""] = process.argv
if (mode === "--strangers") await strangers(url, kinds.split(","))
else await main()
