import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { words } from "../support/clips.ts"
import { type FakeHub, REVISION, startHub } from "../support/hub.ts"
import { runCommand } from "../support/program.ts"
import { runInTerminal } from "../support/terminal.ts"

const WEIGHTS = join(import.meta.dir, "../../src/engines/whisper/weights/whisper-base")
const SMALL = "onnx-community/whisper-small"
const ENCODER = "onnx/encoder_model_quantized.onnx"
const text = (contents: string) => new TextEncoder().encode(contents)
const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255)

const files = {
  "config.json": text(`{"model_type":"whisper"}`),
  "generation_config.json": text("{}"),
  "tokenizer.json": text(`{"version":"1.0"}`),
  "tokenizer_config.json": text("{}"),
  [ENCODER]: bytes(1_300_000, 1),
  "onnx/decoder_model_merged_quantized.onnx": bytes(1_500_000, 2),
}

let hub: FakeHub
let folder: string
beforeAll(async () => {
  hub = await startHub({ [SMALL]: { files } })
})
afterAll(() => hub.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "models-"))
})
afterEach(() => rm(folder, { recursive: true }))

/** On a machine of this name, with its own cache. */
const env = (machine: string, more = {}) => ({ HF_ENDPOINT: hub.url, STT_CACHE_DIR: join(folder, machine), ...more })
const models = (args: readonly string[], machine = "here", more = {}) => runCommand(["models", ...args], env(machine, more))
const revisionOf = (machine: string, id = SMALL, revision = REVISION) => join(folder, machine, "models", id.replace("/", "--"), revision)

describe("models", () => {
  test("lists what is inside the program, what was fetched, and what WHISPER_MODEL names", async () => {
    expect((await models([])).output[0]).toMatch(/^\* base +inside the program$/)
    await models(["get", "small"])
    const { output } = await models(["list"], "here", { WHISPER_MODEL: "small" })
    expect(output[0]).toMatch(/^ {2}base +inside the program$/)
    expect(output[1]).toBe(`* ${SMALL.padEnd(36)}     3 MB  ${revisionOf("here")}`)
    expect(output.at(-1)).toContain("large-v3-turbo")
  })

  test("fetches one that a start then finds without a network", async () => {
    expect(await models(["get", "small"])).toEqual({ code: 0, output: [`small is there: ${revisionOf("here")}`], errors: [] })
    const asked = hub.requests.length
    expect((await models(["get", "small"], "here", { STT_OFFLINE: "1" })).code).toBe(0)
    expect(hub.requests.length).toBe(asked)
  })

  test("shows a person a bar for each file", async () => {
    await using shown = runInTerminal("exec $XRX models get small", { columns: 120, env: env("here") })
    expect(await shown.exited).toBe(0)
    expect(shown.raw).toContain("100%  2/2 MB")
    expect(shown.screen).toEqual([`small is there: ${revisionOf("here")}`])
  })

  test("names one that cannot be had, also a tiny one, and ends with 1", async () => {
    for (const name of ["someone/no-such-model", "tiny"]) {
      const { code, output, errors } = await models(["get", name])
      expect({ code, output }).toEqual({ code: 1, output: [] })
      expect(errors.at(-1)).toMatch(
        new RegExp(`^xrx-stt models: the model .*${name.split("/").at(-1)}.* cannot be fetched from ${hub.url}`),
      )
    }
  })

  test("verifies every byte, and names the file that changed", async () => {
    await models(["get", "small"])
    expect(await models(["verify"])).toEqual({ code: 0, output: [`${SMALL}: whole`], errors: [] })
    const changed = files[ENCODER]?.slice() ?? new Uint8Array()
    changed[700_000] = (changed[700_000] ?? 0) ^ 1
    await writeFile(join(revisionOf("here"), ENCODER), changed)
    for (const args of [["verify"], ["verify", "small"]]) {
      const { code, output, errors } = await models(args)
      expect({ code, output }).toEqual({ code: 1, output: [] })
      expect(errors).toEqual([`${SMALL}: damaged (${ENCODER}); \`xrx-stt models remove ${SMALL}\`, then get it again`])
    }
    expect((await models(["verify", "medium"])).errors).toEqual(["xrx-stt models: medium is not on this machine"])
  })

  test("carries one to a machine without a network", async () => {
    await models(["get", "small"])
    const stick = join(folder, "stick")
    await cp(join(folder, "here/models/onnx-community--whisper-small"), stick, { recursive: true })
    expect(await models(["import", stick], "there", { STT_OFFLINE: "1" })).toEqual({
      code: 0,
      output: [`WHISPER_MODEL=${SMALL} is there: ${revisionOf("there")}`],
      errors: [],
    })
    expect((await models(["get", "small"], "there", { STT_OFFLINE: "1" })).code).toBe(0)
    expect((await models(["verify"], "there")).output).toEqual([`${SMALL}: whole`])
  })

  test("does not take one that was damaged on its way, and leaves nothing of it", async () => {
    await models(["get", "small"])
    await writeFile(join(revisionOf("here"), ENCODER), bytes(1_300_000, 9))
    const { code, errors } = await models(["import", revisionOf("here")], "there")
    expect({ code, errors }).toEqual({
      code: 1,
      errors: [`xrx-stt models: ${revisionOf("here")}: ${ENCODER} is damaged: it is not what was fetched once`],
    })
    expect((await models(["list"], "there")).output.join("\n")).not.toContain("3 MB")
  })

  test("does not write where a folder of strangers says", async () => {
    const strange = join(folder, "strange")
    for (const [path, contents] of Object.entries(files)) await Bun.write(join(strange, path), contents)
    const manifest = { id: SMALL, revision: REVISION, files: [{ path: "../../../../escaped.txt", bytes: 1 }] }
    await Bun.write(join(strange, "xrx-stt-model.json"), JSON.stringify(manifest))
    expect((await models(["import", strange], "there")).code).toBe(0)
    expect((await readdir(folder)).sort()).toEqual(["strange", "there"])
    const { output } = await models([], "there")
    expect(output[1]).toContain("local/strange")
  })

  test("says of a folder that is no Whisper what it lacks", async () => {
    await mkdir(join(folder, "notes"))
    const { code, errors } = await models(["import", join(folder, "notes")])
    expect(code).toBe(1)
    expect(errors[0]).toStartWith(
      `xrx-stt models: ${join(folder, "notes")}: is not a Whisper in the layout of transformers.js: it lacks config.json`,
    )
  })

  test("removes one, and refuses what lies on no shelf", async () => {
    await models(["get", "small"])
    expect(await models(["remove", "small"])).toEqual({ code: 0, output: ["small is removed"], errors: [] })
    expect(await readdir(join(folder, "here/models"))).toEqual([])
    expect((await models(["remove", "small"])).errors).toEqual(["xrx-stt models: small is not on this machine"])
    expect((await models(["remove", "base"])).errors).toEqual(["xrx-stt models: base is inside the program"])
  })

  test("makes a name for a folder, under which it then hears", async () => {
    const own = join(folder, "my-model")
    await cp(WEIGHTS, own, { recursive: true })
    expect((await models(["import", own])).output[0]).toStartWith("WHISPER_MODEL=local/my-model is there: ")
    await rm(own, { recursive: true })
    const clip = join(import.meta.dir, "../fixtures/speech/ps_goforward.wav")
    const { output } = await runCommand(
      ["transcribe", "--model", "local/my-model", clip],
      env("here", { STT_OFFLINE: "1", STT_ENGINES: "1" }),
    )
    expect(words(output.join(" "))).toMatch(/^go forward (ten|10) meters$/)
  }, 60_000)
})
