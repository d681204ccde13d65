import { describe, expect, test } from "bun:test"
import { version } from "../../package.json"
import { settingsTable } from "../../src/settings.ts"
import { runCommand } from "../support/program.ts"

describe("the command line", () => {
  test("tells its version", async () => {
    expect(await runCommand(["--version"])).toEqual({ code: 0, output: [version], errors: [] })
  })

  test("names its commands", async () => {
    const { code, output } = await runCommand(["--help"])
    expect(code).toBe(0)
    for (const name of ["serve", "transcribe", "bench", "doctor", "settings"]) expect(output.join("\n")).toContain(`  ${name}`)
  })

  test("prints the settings as the table of README", async () => {
    expect((await runCommand(["settings"])).output).toEqual([settingsTable()])
  })

  test.each([
    [["sing"], "error: unknown command 'sing'"],
    [["transcribe"], "error: missing required argument 'file'"],
    [["transcribe", "--fast", "a.wav"], "error: unknown option '--fast'"],
  ])("refuses %p with exit code 1", async (args, message) => {
    const { code, output, errors } = await runCommand(args)
    expect({ code, output, errors: errors.join("\n") }).toEqual({ code: 1, output: [], errors: expect.stringContaining(message) })
  })

  test.each([[[]], [["serve"]], [["transcribe", "a.wav"]]])("%p with bad settings names every one and ends with 78", async (args) => {
    const { code, output, errors } = await runCommand(args, { STT_PROVIDER: "azure", PORT: "x" })
    expect(code).toBe(78)
    expect(output).toEqual([])
    expect(errors.join("\n")).toBe(
      [
        "xrx-stt cannot run with these settings:",
        '  STT_PROVIDER: expected faster_whisper, whisper, groq or deepgram, got "azure"',
        '  PORT: expected a whole number from 0 to 65535, got "x"',
      ].join("\n"),
    )
  })
})
