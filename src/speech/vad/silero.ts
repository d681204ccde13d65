/**
 * Silero VAD v5 in ONNX Runtime: windows and states in, probabilities and states out. Loads native code, so only the
 * voice activity process may import it, and only after `prepareOrt`. Keeps nothing of a stream.
 */
import modelPath from "@ricky0123/vad-web/dist/silero_vad_v5.onnx" with { type: "file" }
import { InferenceSession, Tensor } from "onnxruntime-node"
import { floatsFromSamples, SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { CONTEXT_SAMPLES, type Probabilities, STATE_FLOATS, type Windows } from "./ipc.ts"
import { WINDOW_SAMPLES } from "./vad.ts"

/** What the model hears at once. */
const INPUT_SAMPLES = CONTEXT_SAMPLES + WINDOW_SAMPLES
/** The state lies layer by layer, each with a row for each stream. */
const LAYERS = 2
const LAYER_FLOATS = STATE_FLOATS / LAYERS

export interface Silero {
  /**
   * All windows of the message. Streams go through the model side by side, their n-th windows together; a stream's numbers do
   * not depend on the others, to the last bit.
   */
  hear(windows: Windows): Promise<Omit<Probabilities, "type">>
}

export async function loadSilero(): Promise<Silero> {
  const session = await InferenceSession.create(await Bun.file(modelPath).bytes(), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Its plan of memory for each number of streams that it met, and the memory for it: none is forgotten.
    enableMemPattern: false,
    enableCpuMemArena: false,
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  })
  const rate = new Tensor("int64", BigInt64Array.of(BigInt(SAMPLE_RATE_HZ)), [])

  async function run(input: Float32Array, state: Float32Array, streams: number) {
    const { output, stateN } = await session.run({
      input: new Tensor("float32", input, [streams, INPUT_SAMPLES]),
      state: new Tensor("float32", state, [LAYERS, streams, LAYER_FLOATS]),
      sr: rate,
    })
    return { probabilities: output?.data as Float32Array, state: stateN?.data as Float32Array }
  }

  return {
    async hear({ counts, samples, states: before }) {
      const heard = floatsFromSamples(samples)
      const states = before.slice()
      const streams = layOut(counts)
      const probabilities = new Float32Array(streams.reduce((sum, { count }) => sum + count, 0))
      for (let window = 0; window < Math.max(...counts); window++) {
        const here = streams.filter(({ count }) => window < count)
        const input = new Float32Array(here.length * INPUT_SAMPLES)
        for (const [row, { samplesAt }] of here.entries()) {
          const from = samplesAt + window * WINDOW_SAMPLES
          input.set(heard.subarray(from, from + INPUT_SAMPLES), row * INPUT_SAMPLES)
        }
        const given = await run(input, byLayer(states, here), here.length)
        for (const [row, stream] of here.entries()) {
          probabilities[stream.windowsAt + window] = given.probabilities[row] ?? Number.NaN
          keepState(states, stream, given.state, row, here.length)
        }
      }
      return { probabilities, states }
    },
  }
}

/** Where a stream's share of a message lies. */
interface Share {
  readonly count: number
  /** Of its context. */
  readonly samplesAt: number
  readonly windowsAt: number
  readonly statesAt: number
}

function layOut(counts: readonly number[]): Share[] {
  let windowsAt = 0
  return counts.map((count, row) => {
    const share = {
      count,
      samplesAt: row * CONTEXT_SAMPLES + windowsAt * WINDOW_SAMPLES,
      windowsAt,
      statesAt: row * STATE_FLOATS,
    }
    windowsAt += count
    return share
  })
}

/** The model wants the first layer of all streams, then the second. */
function byLayer(states: Float32Array, streams: readonly Share[]): Float32Array {
  const state = new Float32Array(streams.length * STATE_FLOATS)
  for (const [row, { statesAt }] of streams.entries()) {
    for (let layer = 0; layer < LAYERS; layer++) {
      const from = statesAt + layer * LAYER_FLOATS
      state.set(states.subarray(from, from + LAYER_FLOATS), (layer * streams.length + row) * LAYER_FLOATS)
    }
  }
  return state
}

function keepState(states: Float32Array, { statesAt }: Share, given: Float32Array, row: number, rows: number) {
  for (let layer = 0; layer < LAYERS; layer++) {
    const from = (layer * rows + row) * LAYER_FLOATS
    states.set(given.subarray(from, from + LAYER_FLOATS), statesAt + layer * LAYER_FLOATS)
  }
}
