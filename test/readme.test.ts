import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dependencies, devDependencies } from "../package.json"
import { markdownReport } from "../src/commands/bench/report.ts"
import { Result } from "../src/commands/bench/result.ts"
import { CONFIG_NAMES, CONFIG_VALUES, DEFAULT_CONFIG } from "../src/dialects/config.ts"
import type { Mode } from "../src/server/query.ts"
import { settingsTable } from "../src/settings.ts"
import lastResult from "./bench/last-result.json"
import { words } from "./support/clips.ts"
import { type RunningProgram, startProgram } from "./support/program.ts"

const root = join(import.meta.dir, "..")
const readme = await Bun.file(join(root, "README.md")).text()

const python = Bun.which("python3")
const hasWebsockets = python !== null && Bun.spawnSync([python, "-c", "import websockets.sync.client"], { stderr: "ignore" }).success

/** The client of this mode in this language, as it stands there. */
function snippet(language: string, mode: Mode): string {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, block]) => block as string)
  const address = mode === "utterance" ? /\/api\/v1\/ws"/ : new RegExp(`/api/v1/ws\\?mode=${mode}[&"]`)
  const [found, ...others] = blocks.filter((block) => address.test(block))
  if (found === undefined || others.length > 0) throw new Error(`README.md has not one ${language} block for ${mode}`)
  return found
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

  test("tells each parameter's default and values as the server takes them", () => {
    const defaults: Record<string, string> = { language: "`STT_LANGUAGE_CODE`", prompt: "none", interim: "`0`", words: "`0`" }
    for (const name of CONFIG_NAMES) {
      const fallback = defaults[name] ?? `\`${DEFAULT_CONFIG[name]}\``
      expect(readme).toContain(`\n| \`${name}\` | ${fallback} | ${CONFIG_VALUES[name]} | `)
    }
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

  const long = "john dashwood had then leisure to consider how much there might be prudently in his power to do for them"
  const short = "he turned sharply and faced"
  const clients: [Mode, string][] = [
    ["utterance", long],
    ["frames", short],
    ["events", short],
  ]

  test.each(clients)(
    "of %s in TypeScript prints the words of the recording",
    async (mode, sentence) => {
      expect(words(await output([process.execPath], `${mode}.ts`, snippet("ts", mode)))).toContain(sentence)
    },
    60_000,
  )

  test.skipIf(!hasWebsockets).each(clients)(
    "of %s in Python prints the words of the recording (skipped without the package websockets)",
    async (mode, sentence) => {
      expect(words(await output([String(python)], `${mode}.py`, snippet("python", mode)))).toContain(sentence)
    },
    60_000,
  )
})
