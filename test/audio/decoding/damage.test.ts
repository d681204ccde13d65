import { afterAll, expect, setDefaultTimeout, test } from "bun:test"
import { readdirSync } from "node:fs"
import { usageOf } from "../../../src/audio/decoding/usage.ts"
import { EngineError } from "../../../src/engines/engine-error.ts"
import { damage } from "../../support/damage.ts"
import { decodeAll, openDecoder, RECORDINGS, recording } from "../../support/decoding.ts"
import { randomFrom } from "../../support/random.ts"

/** DAMAGED_FILES=2000 bun test damage, for the long run; DAMAGE_SEED for other ones. */
const COUNT = Number(process.env.DAMAGED_FILES ?? 60)
const SEED = Number(process.env.DAMAGE_SEED ?? 1)

/** Processes start slowly on a busy machine. */
setDefaultTimeout(30_000 + COUNT * 5_000)

const { decoder, lines } = openDecoder()
afterAll(() => decoder.close())

const names = readdirSync(RECORDINGS).filter((name) => !/\.(md|sh|py)$/.test(name))
const files = await Promise.all(names.map(async (name) => [name, await recording(name)] as const))

/** Of a core, of the one process; a crowded machine may take any time for it by the clock. */
function cpuMs(): number {
  const { pid } = lines.findLast(({ event }) => event === "decoding process ready") ?? {}
  return usageOf(Number(pid)).cpuMs
}

test(`${COUNT} damaged files: each ends soon in samples or in a line, and the good file after it is whole`, async () => {
  const random = randomFrom(SEED)
  const good = await recording("opus.webm")
  const whole = await decodeAll(decoder, good)
  const outcomes: Record<string, number> = {}
  let slowest = { how: "", cpuMs: 0 }
  for (let at = 0; at < COUNT; at++) {
    const { how, bytes } = damage(files, random)
    const before = cpuMs()
    const outcome = await decodeAll(decoder, bytes).then(
      (samples) => (samples.length > 0 ? "samples" : "nothing"),
      (error: unknown) => (error instanceof EngineError && error.code === "bad_audio" ? error.message : String(error)),
    )
    const usedMs = cpuMs() - before
    if (usedMs > slowest.cpuMs) slowest = { how, cpuMs: usedMs }
    expect(outcome, `${at}: ${how}`).toMatch(/^(samples|this file|no sound|longer than|hardly any data|a sample rate of)/)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (at % 20 === 0) expect(await decodeAll(decoder, good), `after ${at}: ${how}`).toEqual(whole)
  }
  expect(await decodeAll(decoder, good)).toEqual(whole)
  expect(outcomes.samples).toBeGreaterThan(0)
  expect(slowest.cpuMs, slowest.how).toBeLessThan(5_000)
  if (process.env.DAMAGED_FILES) console.log({ outcomes, slowest, ends: lines.filter(({ event }) => event === "decoding process ended") })
})
