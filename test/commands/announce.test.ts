import { describe, expect, test } from "bun:test"
import { version } from "../../package.json"
import { CTRL_C, runInTerminal } from "../support/terminal.ts"

describe("a server at a terminal", () => {
  test("says in five lines where it is, what hears, and what to try first", async () => {
    const env = { PORT: "0", STT_ENGINES: "1", STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key" }
    await using shown = runInTerminal("exec $XRX", { columns: 120, env })
    await shown.until(/talk\.mp3\S*\r\n/)
    const [first = "", ...rest] = shown.screen.slice(0, 5)
    const port = /^xrx-stt \S+ listens on ws:\/\/localhost:(\d+)\/api\/v1\/ws$/.exec(first)?.[1]
    expect(first).toContain(version)
    expect(rest).toEqual([
      `  Page     http://localhost:${port}/`,
      "  Model    whisper-large-v3 (groq), utterance mode",
      "  Engines  in the cloud: audio goes to groq",
      `  Try      curl http://localhost:${port}/v1/audio/transcriptions -F model=whisper-1 -F file=@talk.mp3`,
    ])
    expect((await fetch(`http://localhost:${port}/`)).status).toBe(200)
    shown.press(CTRL_C)
    expect(await shown.exited).toBe(0)
  }, 60_000)
})
