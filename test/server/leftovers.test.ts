import { expect, test } from "bun:test"
import { registry } from "../../src/metrics.ts"
import { type Client, connect, socketUrl } from "../support/client.ts"
import { handClock } from "../support/clock.ts"
import { dice, type Roll } from "../support/invariants.ts"
import { audio, type Heard, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const TEXTS = ["text", '{"type":"commit"}', '{"type":"clear"}', '{"type":"close"}']

/** A client that says something or nothing and leaves in some way or stays. */
async function live(url: URL, roll: Roll): Promise<Client> {
  const client = await connect(url)
  for (let messages = roll(6); messages > 0; messages--) {
    const kind = roll(8)
    if (kind === 0) client.send(TEXTS[roll(TEXTS.length)]!)
    else if (kind === 1) client.send(new Uint8Array(roll(4)))
    else client.send(audio(roll(3), 1 + roll(2000)))
  }
  const way = roll(5)
  if (way === 0) client.close()
  if (way === 1) client.terminate()
  if (way === 2) await Promise.race([client.next().catch(() => {}), client.closed, new Promise((resolve) => setImmediate(resolve))])
  if (way === 3) client.close(1000 + 3000 * roll(2))
  return client
}

async function sessionsOpen(): Promise<number> {
  const gauge = await registry.getSingleMetric("xrx_stt_sessions_open")!.get()
  return gauge.values.reduce((sum, { value }) => sum + value, 0)
}

test.each([1, 2, 3])("after all sockets closed there are no sessions, streams or timers (seed %d)", async (seed) => {
  const roll = dice(seed)
  const clock = handClock()
  /** Some words come at once, some later, some never. */
  const answer = (heard: Heard) => {
    const luck = roll(4)
    if (luck === 0) return new Promise<string>(() => {})
    if (luck === 1) return new Promise<string>((resolve) => setImmediate(() => resolve(wordOf(heard))))
    return wordOf(heard)
  }
  const before = await sessionsOpen()
  const { server, engine, tap } = serve({ clock, minReplyMs: 120 }, { answer })
  const modes = ["mode=utterance", "mode=frames", "mode=events&interim=1"]
  const clients = await Promise.all(Array.from({ length: 80 }, () => live(socketUrl(server.url, modes[roll(3)]), roll)))
  const drained = server.drain(1_000)
  await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(1_000)
  await drained
  for (const client of clients) await client.closed

  expect(engine.openNow).toBe(0)
  expect(engine.closes).toBe(engine.opened.length)
  expect(clock.waiting).toBe(0)
  expect(await sessionsOpen()).toBe(before)
  const count = (event: string) => tap.lines.filter((line) => line.event === event).length
  expect(count("connected")).toBe(80)
  expect(count("disconnected")).toBe(80)
})
