/**
 * The other end of an engine process: loads one recogniser and feeds it the pieces that come over IPC, message by message. Knows
 * no queue and no other engine, and writes nothing to stdout. What loads ONNX Runtime is imported only after `init` came.
 */
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { liveAsChild, whereabouts } from "../../binary/child-life.ts"
import { openLibc } from "../../binary/libc.ts"
import { EngineError } from "../engine.ts"
import type { Cancel, Failed, FromEngine, Init, Recognise, Result, ToEngine } from "./ipc.ts"
import type { ModelChoice } from "./models.ts"
import type { ModelSource, Recogniser } from "./recogniser.ts"

/**
 * Collect garbage once the engine was idle for so long: JavaScript does not see what the tensors of a job weigh, and a
 * collection takes 15 ms that the next piece should not wait for. Under load, at least every `COLLECT_EVERY_JOBS`.
 */
const COLLECT_AFTER_IDLE_MS = 50
const COLLECT_EVERY_JOBS = 32
/** How much freed memory stays for the next job: about what five seconds of sound need. The system takes 10 ms to give it again. */
const KEEP_BYTES = 32 * 1024 * 1024
/**
 * An engine that still weighs this much more than after its warm-up has lost memory somewhere, and says so. Work of every length
 * was seen to add 30 MB to the embedded model; a larger model moves more.
 */
const GROWN_BYTES = 128 * 1024 * 1024
const GROWN_RATIO = 1.25

/** Never settles: the process ends when its channel closes, also in the middle of a piece. */
export function runEngine(): Promise<void> {
  liveAsChild()

  let recogniser: Recogniser | undefined
  const running = new Map<number, AbortController>()
  const collect = createCollector()
  process.on("message", (message: ToEngine) => {
    if (message.type === "init") load(message)
    else if (message.type === "recognise") recognise(message)
    else cancel(message)
  })
  return new Promise(() => {})

  async function load({ model, threads, cacheDirs }: Init) {
    try {
      const startedAt = performance.now()
      const loaded = await loadModel(model, threads, cacheDirs)
      const loadedAt = performance.now()
      await warmUp(loaded)
      recogniser = loaded
      send({ type: "ready", loadMs: loadedAt - startedAt, warmUpMs: performance.now() - loadedAt, piecesMax: loaded.piecesMax })
      collect.soon(1)
    } catch (error) {
      send(failure(null, error))
    }
  }

  async function recognise({ pieces }: Recognise) {
    const work = pieces.map(({ id, ...piece }) => {
      const abort = new AbortController()
      running.set(id, abort)
      return { id, piece: { ...piece, signal: abort.signal } }
    })
    const answer = (id: number, message: Result | Failed) => {
      if (running.delete(id)) send(message)
    }
    collect.postpone()
    try {
      if (!recogniser) throw new Error("a piece came before the engine was ready")
      const told = work.map(({ piece }) => piece)
      await recogniser.recognise(told, (index, words) => {
        const id = work[index]?.id ?? Number.NaN
        answer(id, words instanceof EngineError ? failure(id, words) : { type: "result", id, ...words })
      })
    } catch (error) {
      for (const { id } of work) answer(id, failure(id, error))
    } finally {
      collect.soon(work.length)
    }
  }

  function cancel({ id }: Cancel) {
    running.get(id)?.abort()
  }
}

async function loadModel(model: ModelChoice, threads: number, cacheDirs: readonly string[]): Promise<Recogniser> {
  const { prepareOrt } = await import("../../binary/native.ts")
  await prepareOrt(cacheDirs)
  const source = model.kind === "folder" ? model : await embeddedModel(cacheDirs)
  const { loadRecogniser } = await import("./recogniser.ts")
  // Other exports run over the full 30 s each time and turn their whole vocabulary round for each token: without an arena the
  // system hands out and takes back that memory each time, which takes longer than the work. Ours would only keep what it
  // rarely needs, up to 400 MB.
  return loadRecogniser({ source, threads, arena: model.kind === "folder" })
}

async function embeddedModel(cacheDirs: readonly string[]): Promise<ModelSource> {
  const { openEmbeddedModel } = await import("./weights/embedded.ts")
  return openEmbeddedModel(cacheDirs)
}

/**
 * One second of a quiet tone: enough for encoder and decoder to run once. What sounds like a voice without words makes Whisper
 * loop, and the full context that cures it leaves 280 MB in the arena of ONNX Runtime.
 */
async function warmUp(recogniser: Recogniser): Promise<void> {
  const samples = Int16Array.from({ length: SAMPLE_RATE_HZ }, (_, i) => 4_000 * Math.sin((2 * Math.PI * 440 * i) / SAMPLE_RATE_HZ))
  const { signal } = new AbortController()
  const piece = { samples, language: "en", prompt: "", words: false, interim: true, draft: null, signal }
  await recogniser.recognise([piece], (_, answer) => {
    if (answer instanceof EngineError) throw answer
  })
}

function send(message: FromEngine) {
  process.send?.(message)
}

function failure(id: number | null, error: unknown): Failed {
  if (error instanceof EngineError) return { type: "failed", id, code: error.code, message: oneLine(error.message) }
  // What went wrong with a model is told in full; what went wrong with a piece could quote it.
  const message = id === null && error instanceof Error ? error.message : `the engine failed: ${whereabouts(error)}`
  return { type: "failed", id, code: "unavailable", message: oneLine(message) }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 300)
}

function createCollector() {
  const libc = openLibc()
  let jobs = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let firstBytes: number | undefined
  const collect = () => {
    jobs = 0
    Bun.gc(true)
    // The C library keeps what it was given: one job over the full 30 s would weigh 300 MB until the process ends.
    libc?.trim(KEEP_BYTES)
    const bytes = process.memoryUsage.rss()
    firstBytes ??= bytes
    if (bytes > firstBytes * GROWN_RATIO + GROWN_BYTES) send({ type: "grown", bytes })
  }
  return {
    /** A job begins. */
    postpone() {
      clearTimeout(timer)
    },
    /** Work on so many pieces ended. */
    soon(pieces: number) {
      jobs += pieces
      if (jobs >= COLLECT_EVERY_JOBS) collect()
      else timer = setTimeout(collect, COLLECT_AFTER_IDLE_MS)
    },
  }
}
