import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dependencies, devDependencies } from "../package.json"
import { markdownReport } from "../src/commands/bench/report.ts"
import { Result } from "../src/commands/bench/result.ts"
import { settingsTable } from "../src/settings.ts"
import lastResult from "./bench/last-result.json"
import { words } from "./support/clips.ts"
import { type RunningProgram, startProgram } from "./support/program.ts"

const root = join(import.meta.dir, "..")
const readme = await Bun.file(join(root, "README.md")).text()

const python = Bun.which("python3")
const hasWebsockets = python !== null && Bun.spawnSync([python, "-c", "import websockets.sync.client"], { stderr: "ignore" }).success

/** The first block of this language, as it stands there. */
function snippet(language: string): string {
  const [, block] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(readme) ?? []
  if (block === undefined) throw new Error(`README.md has no ${language} block`)
  return block
}

describe("README", () => {
  test("holds the table of settings as the schema prints it", () => {
    const [, table] = /<!-- settings:.*? -->\n(.*?)\n<!-- \/settings -->/s.exec(readme) ?? []
    expect(table).toBe(settingsTable())
  })

  test("holds the last result of the bench as `bench --markdown` prints it", async () => {
    const [, shown] = /<!-- bench:.*? -->\n(.*?)\n<!-- \/bench -->/s.exec(readme) ?? []
    expect(shown).toBe(markdownReport(Result.parse(lastResult)))
  })

  test("gives a reason for each dependency", () => {
    const [, section = ""] = /^## Dependencies\n(.*?)^## /ms.exec(readme) ?? []
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) expect(section).toContain(`\`${name}\``)
  })

  test("names only files that are there", async () => {
    const named = [...readme.matchAll(/(?:`|")((?:src|test)\/[\w./-]+)(?:`|")/g)].map(([, path]) => path as string)
    expect(named.length).toBeGreaterThan(4)
    for (const path of named) expect([path, await Bun.file(join(root, path)).exists()]).toEqual([path, true])
  })
})

describe("a client as README shows it", () => {
  let server: RunningProgram
  let address: string
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "readme-"))
    server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
    address = String((await server.seen("listening")).address)
    await server.seen("ready")
  }, 120_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  /** Runs the snippet against the server of this test: another port is all that changes. */
  async function output(command: readonly string[], file: string, code: string): Promise<string> {
    const path = join(folder, file)
    expect(code.split("ws://localhost:8000/api/v1/ws")).toHaveLength(2)
    await Bun.write(path, code.replace("ws://localhost:8000/api/v1/ws", address))
    return new Response(Bun.spawn([...command, path], { cwd: root, stderr: "inherit" }).stdout).text()
  }

  const sentence = "john dashwood had then leisure to consider how much there might be prudently in his power to do for them"

  test("in TypeScript prints the words of the recording", async () => {
    expect(words(await output([process.execPath], "client.ts", snippet("ts")))).toContain(sentence)
  }, 60_000)

  test.skipIf(!hasWebsockets)(
    "in Python prints the words of the recording (skipped without the package websockets)",
    async () => {
      expect(words(await output([String(python)], "client.py", snippet("python")))).toContain(sentence)
    },
    60_000,
  )
})
