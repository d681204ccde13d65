import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { FromEngine, Piece, ToEngine } from "../../../src/engines/whisper/ipc.ts"
import { clip, words } from "../../support/clips.ts"
import { isGone } from "../../support/gone.ts"

const support = join(import.meta.dir, "../../support")

describe("an engine process", () => {
  for (const state of ["idle", "busy"]) {
    test(`ends when its server is killed while it is ${state}`, async () => {
      const parent = Bun.spawn([process.execPath, join(support, "lonely-parent.ts"), state], { stdout: "pipe", stdin: "ignore" })
      const reader = parent.stdout.getReader()
      const { value } = await reader.read()
      const pid = Number(new TextDecoder().decode(value))
      expect(pid).toBeGreaterThan(0)
      parent.kill("SIGKILL")
      await parent.exited
      expect(await isGone(pid)).toBe(true)
    }, 30_000)
  }

  test("answers each piece of a message by its id, also one that is cancelled, and then takes the next", async () => {
    const arctic = await clip("arctic_a0009")
    const piece = (id: number, told: Partial<Piece> = {}): Piece => {
      return { id, samples: arctic, language: "en", prompt: "", words: false, draft: null, ...told }
    }
    await using engine = startEngine()
    const ready = await engine.next()
    expect(ready).toMatchObject({ type: "ready", piecesMax: expect.any(Number) })

    // An odd spelling that only the prompt can tell.
    engine.send({ type: "recognise", pieces: [piece(7), piece(3, { prompt: "We met Greggson." }), piece(5)] })
    engine.send({ type: "cancel", id: 5 })
    engine.send({ type: "cancel", id: 100 })
    const told = [await engine.next(), await engine.next(), await engine.next()]
    const byId = (id: number) => told.find((message) => "id" in message && message.id === id)
    expect(textOf(byId(7))).toBe("he turned sharply and faced gregson across the table")
    expect(textOf(byId(3))).toBe("he turned sharply and faced greggson across the table")
    expect(byId(5)).toMatchObject({ type: "failed", code: "aborted" })

    engine.send({ type: "recognise", pieces: [piece(8)] })
    expect(textOf(await engine.next())).toBe("he turned sharply and faced gregson across the table")
  }, 30_000)

  test("is no command for people: without a server it says so and fails", async () => {
    const engine = Bun.spawn([process.execPath, join(support, "engine-process.ts")], { stdout: "pipe", stderr: "pipe" })
    expect(await engine.exited).toBe(1)
    expect(await engine.stdout.text()).toBe("")
    expect(await engine.stderr.text()).toContain("started by xrx-stt itself")
  })
})

function textOf(message: FromEngine | undefined): string {
  return message?.type === "result" ? words(message.segments.map(({ text }) => text).join(" ")) : JSON.stringify(message)
}

/** An engine with the embedded model. Tells of growth are left out. */
function startEngine() {
  const told: FromEngine[] = []
  let wake = () => {}
  const engine = Bun.spawn([process.execPath, join(support, "engine-process.ts")], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit"],
    ipc(message: FromEngine) {
      if (message.type !== "grown") told.push(message)
      wake()
    },
  })
  const send = (message: ToEngine) => engine.send(message)
  send({ type: "init", model: { kind: "embedded" }, threads: 1, cacheDirs: [] })
  return {
    send,
    async next(): Promise<FromEngine> {
      for (;;) {
        const message = told.shift()
        if (message) return message
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
    },
    async [Symbol.asyncDispose]() {
      engine.kill("SIGKILL")
      await engine.exited
    },
  }
}
