/**
 * `bun run rolling`: three servers behind HAProxy, with the configuration that `xrx-stt ops haproxy` prints, and twelve people who
 * speak to them in real time while the servers are drained and replaced one by one. Ends with 1 if a word was lost or said twice.
 * Needs HAProxy, and root for a network of its own, since the ports of that configuration may be taken here.
 *
 * `--scale` measures how many utterances per second one, two and three servers answer, instead.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { joinSamples, SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"
import { OPS } from "../../src/commands/ops.ts"
import { connect } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { type Replica, startReplica } from "../support/replica.ts"
import { type Spoken, speak } from "./live-speaker.ts"

const SPEAKERS = 12
const ROUNDS = 9
const PORTS = [8001, 8002, 8003]
const FRONT = "ws://127.0.0.1:8000/api/v1/ws"
const PAUSE_MS = 1200
const STAGGER_MS = 500
const SCALE_SECONDS = 20
/** One engine each: three servers share the cores of this machine. */
const SETTINGS = { HOST: "127.0.0.1", STT_ENGINES: "1", STT_DRAIN_MS: "20000", STT_MAX_SPEAKERS: "0" }
const NAMES = ["arctic_a0007", "arctic_a0009", "870", "880", "890", "930"].map((name) =>
  name.startsWith("arctic") ? name : `ps_sense_and_sensibility_01_austen_64kb-0${name}`,
)

interface Sentence {
  readonly samples: Int16Array
  readonly words: readonly string[]
}

if (process.env.XRX_STT_OWN_NETWORK !== "1") {
  const inside = ["ip link set lo up && exec", ...[process.execPath, ...process.argv.slice(1)].map((word) => `'${word}'`)].join(" ")
  const env = { ...process.env, XRX_STT_OWN_NETWORK: "1" }
  process.exit(Bun.spawnSync(["unshare", "-n", "sh", "-c", inside], { env, stdio: ["ignore", "inherit", "inherit"] }).exitCode ?? 1)
}
const folder = await mkdtemp(join(tmpdir(), "xrx-stt-rolling-"))
const replicas: Replica[] = []
await Bun.write(join(folder, "haproxy.cfg"), OPS.haproxy.text())
const haproxy = Bun.spawn(["haproxy", "-db", "-f", join(folder, "haproxy.cfg")], { stdout: "ignore", stderr: "pipe" })
let failed = true
try {
  const sentences = await readSentences()
  failed = process.argv.includes("--scale") ? await scale(sentences) : await roll(sentences)
} finally {
  haproxy.kill()
  for (const replica of replicas) replica.kill()
  await rm(folder, { recursive: true })
}
process.exit(failed ? 1 : 0)

async function readSentences(): Promise<Sentence[]> {
  const manifest: { id: string; text: string }[] = await Bun.file(join(import.meta.dir, "../fixtures/speech/manifest.json")).json()
  const textOf = (name: string) => words(manifest.find(({ id }) => id === name)?.text ?? "").split(" ")
  return Promise.all(NAMES.map(async (name) => ({ samples: await clip(name), words: textOf(name) })))
}

async function start(port: number): Promise<Replica> {
  const replica = startReplica({ ...SETTINGS, PORT: String(port) })
  replicas.push(replica)
  await replica.port
  return replica
}

async function seenByProxy(count: number) {
  while (haproxy.exitCode === null) {
    const page = await fetch("http://127.0.0.1:8404/;csv").then(
      (answer) => answer.text(),
      () => "",
    )
    if (page.split("\n").filter((line) => /^stt,stt\d/.test(line) && line.includes(",UP,")).length === count) return
    await Bun.sleep(50)
  }
  throw new Error(`HAProxy does not run: ${await haproxy.stderr.text()}`)
}

async function roll(sentences: readonly Sentence[]): Promise<boolean> {
  let serving = await Promise.all(PORTS.map(start))
  await seenByProxy(PORTS.length)
  const pause = new Int16Array((PAUSE_MS * SAMPLE_RATE_HZ) / 1000)
  const said = Array.from({ length: SPEAKERS }, (_, who) =>
    Array.from({ length: ROUNDS }, (_, at) => sentences[(who + at) % sentences.length]).filter((one) => one !== undefined),
  )
  const startMs = performance.now()
  const speaking = Promise.all(
    said.map((list, who) =>
      speak(
        new URL(`${FRONT}?mode=events`),
        joinSamples([pause, ...list.flatMap(({ samples }) => [samples, pause])]),
        startMs + who * STAGGER_MS,
      ),
    ),
  )
  for (const [index, port] of PORTS.entries()) {
    await Bun.sleep(4000)
    const leaving = serving[index]
    const drainedFromMs = performance.now()
    const code = await leaving?.stop()
    const drainMs = performance.now() - drainedFromMs
    const fresh = await start(port)
    await seenByProxy(PORTS.length)
    serving = serving.with(index, fresh)
    console.log(
      `server ${index + 1}: drained in ${(drainMs / 1000).toFixed(1)} s with exit code ${code}, replaced after ${((performance.now() - drainedFromMs) / 1000).toFixed(1)} s`,
    )
  }
  const replacedMs = performance.now() - startMs
  return judge(said, await speaking, replacedMs)
}

function judge(said: readonly (readonly Sentence[])[], spoken: readonly Spoken[], replacedMs: number): boolean {
  let [lost, doubled, wrong, total] = [0, 0, 0, 0]
  spoken.forEach(({ finals }, who) => {
    let fromMs = PAUSE_MS
    for (const { samples, words: wanted } of said[who] ?? []) {
      const untilMs = fromMs + (samples.length * 1000) / SAMPLE_RATE_HZ
      // A final belongs where most of it lies: it may begin with the end of the silence before, and ends in that behind.
      const heard = finals.filter(
        ({ startMs, endMs }) => (startMs + endMs) / 2 > fromMs - PAUSE_MS / 2 && (startMs + endMs) / 2 < untilMs + PAUSE_MS / 2,
      )
      const got = heard.flatMap(({ text }) => words(text).split(" "))
      const common = commonWords(wanted, got)
      total += wanted.length
      wrong += Math.max(wanted.length, got.length) - common
      if (common < wanted.length / 2) lost++
      if (got.length > wanted.length * 1.5) doubled++
      fromMs = untilMs + PAUSE_MS
    }
  })
  const sum = (of: (one: Spoken) => number) => spoken.reduce((so, one) => so + of(one), 0)
  const closes = spoken.flatMap(({ closes }) => closes)
  const waits = spoken.flatMap(({ finals }) => finals.map(({ waitedMs }) => waitedMs)).sort((a, b) => a - b)
  const at = (share: number) => `${Math.round(waits[Math.floor((waits.length - 1) * share)] ?? 0)} ms`
  console.log(
    `${SPEAKERS} speakers, ${sum(({ finals }) => finals.length)} finals of ${said.flat().length} sentences; servers replaced within ${(replacedMs / 1000).toFixed(1)} s`,
  )
  console.log(
    `connections ended with ${[...new Set(closes)]
      .sort()
      .map((code) => `${code}: ${closes.filter((one) => one === code).length}`)
      .join(", ")}; refused ${sum(({ refused }) => refused)}`,
  )
  console.log(`from the end of an utterance to its words: median ${at(0.5)}, p95 ${at(0.95)}, worst ${at(1)}`)
  console.log(
    `words: ${total}, wrong ${wrong}; sentences lost ${lost}, doubled ${doubled}; utterances unanswered ${sum(({ unanswered }) => unanswered)}, failed ${sum(({ failed }) => failed)}`,
  )
  const moved = closes.filter((code) => code === 1001).length
  if (moved < SPEAKERS) console.log(`only ${moved} streams were moved: nothing was shown`)
  return lost + doubled + sum(({ unanswered, failed }) => unanswered + failed) > 0 || moved < SPEAKERS
}

/** The longest common subsequence. */
function commonWords(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const word of a) {
    const next = [0]
    for (const [at, other] of b.entries()) next.push(word === other ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0))
    row = next
  }
  return row.at(-1) ?? 0
}

async function scale(sentences: readonly Sentence[]): Promise<boolean> {
  for (const [index, port] of PORTS.entries()) {
    await start(port)
    await seenByProxy(index + 1)
    const untilMs = performance.now() + SCALE_SECONDS * 1000
    let answered = 0
    let seconds = 0
    const asking = async (who: number) => {
      const client = await connect(new URL(`${FRONT}?mode=utterance`))
      for (let at = who; performance.now() < untilMs; at++) {
        const { samples } = sentences[at % sentences.length] ?? { samples: new Int16Array() }
        client.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength))
        await client.next()
        answered++
        seconds += samples.length / SAMPLE_RATE_HZ
      }
      client.close()
    }
    await Promise.all(Array.from({ length: SPEAKERS }, (_, who) => asking(who)))
    console.log(
      `${index + 1} of one engine: ${(answered / SCALE_SECONDS).toFixed(1)} utterances/s, ${(seconds / SCALE_SECONDS).toFixed(0)} s of speech per second`,
    )
  }
  return false
}
