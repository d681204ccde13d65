import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { chmod, cp, mkdtemp, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dependencies, devDependencies } from "../package.json"
import { markdownReport } from "../src/commands/bench/report.ts"
import { Result } from "../src/commands/bench/result.ts"
import { CONFIG_FIELDS, CONFIG_NAMES, CONFIG_VALUES, DEFAULT_CONFIG } from "../src/dialects/config.ts"
import type { Mode } from "../src/dialects/query.ts"
import { registry } from "../src/metrics.ts"
import { settingsTable } from "../src/settings.ts"
import lastResult from "./bench/last-result.json"
import { words } from "./support/clips.ts"
import { type RunningProgram, startProgram } from "./support/program.ts"
import { localhostTls } from "./support/tls.ts"

const root = join(import.meta.dir, "..")
const readme = await Bun.file(join(root, "README.md")).text()

const python = Bun.which("python3")
const hasWebsockets = python !== null && Bun.spawnSync([python, "-c", "import websockets.sync.client"], { stderr: "ignore" }).success

interface Shown {
  /** The headline above it. */
  readonly client: string
  readonly language: "ts" | "python" | "sh"
  readonly code: string
}

/** The clients of other services, as they stand under their headlines. */
function clientsOfOthers(): Shown[] {
  const [, section = ""] = /^## Use the client you have\n(.*?)^## /ms.exec(readme) ?? []
  return section.split(/^### /m).flatMap((part) => {
    const client = part.split("\n", 1)[0] ?? ""
    const blocks = [...part.matchAll(/^```(ts|python|sh)\n(.*?)^```$/gms)]
    return blocks.map(([, language, code]) => ({ client, language: language as Shown["language"], code: code as string }))
  })
}

/** What runs a block of this language; null if this machine cannot. */
function commandFor({ language, code }: Shown): string[] | null {
  if (language === "ts") return [process.execPath]
  if (language === "sh") return Bun.which("curl") ? ["sh"] : null
  const modules = [...code.matchAll(/^(?:from|import) (\w+)/gm)].map(([, name]) => name)
  if (python === null) return null
  return Bun.spawnSync([python, "-c", `import ${modules.join(", ")}`], { stderr: "ignore" }).success ? [python] : null
}

/** The client of this mode in this language, as it stands there. */
function snippet(language: string, mode: Mode): string {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, block]) => block as string)
  const address = mode === "utterance" ? /\/api\/v1\/ws"/ : new RegExp(`/api/v1/ws\\?mode=${mode}[&"]`)
  const [found, ...others] = blocks.filter((block) => address.test(block))
  if (found === undefined || others.length > 0) throw new Error(`README.md has not one ${language} block for ${mode}`)
  return found
}

describe("README", () => {
  test("has nothing right above a table, which would draw it into the text", () => {
    const lines = readme.replaceAll(/^```.*?^```$/gms, "").split("\n")
    const above = lines.filter((line, index) => !line.startsWith("|") && lines[index + 1]?.startsWith("|"))
    expect(above.filter((line) => line !== "" && !line.startsWith("<!--"))).toEqual([])
  })

  test("holds the table of settings as the schema prints it", () => {
    const [, table] = /<!-- settings:.*? -->\n(.*?)\n<!-- \/settings -->/s.exec(readme) ?? []
    expect(table).toBe(settingsTable())
  })

  test("holds the last result of the bench as `bench --markdown` prints it", async () => {
    const [, shown] = /<!-- bench:.*? -->\n(.*?)\n<!-- \/bench -->/s.exec(readme) ?? []
    expect(shown).toBe(markdownReport(Result.parse(lastResult)))
  })

  test("tells each parameter's default, values and meaning as the server does", () => {
    const defaults: Record<string, string> = { language: "`STT_LANGUAGE_CODE`", prompt: "none", interim: "`0`", words: "`0`" }
    for (const name of CONFIG_NAMES) {
      const fallback = defaults[name] ?? `\`${DEFAULT_CONFIG[name]}\``
      expect(readme).toContain(`\n| \`${name}\` | ${fallback} | ${CONFIG_VALUES[name]} | ${CONFIG_FIELDS[name].description} |\n`)
    }
  })

  test("gives a reason for each dependency", () => {
    const [, section = ""] = /^## Dependencies\n(.*?)^## /ms.exec(readme) ?? []
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) expect(section).toContain(`\`${name}\``)
  })

  test("names every package that it needs to run by its licence, and every one of a kind that asks for sources", async () => {
    const [, section = ""] = /^## Licences\n(.*)/ms.exec(readme) ?? []
    const licences = new Map<string, string>()
    const walk = async (name: string): Promise<void> => {
      const manifest = Bun.file(join(root, "node_modules", name, "package.json"))
      if (licences.has(name) || !(await manifest.exists())) return
      const { license, dependencies: further = {} } = await manifest.json()
      licences.set(name, license)
      for (const one of Object.keys(further)) await walk(one)
    }
    for (const name of Object.keys(dependencies)) await walk(name)
    expect(licences.size).toBeGreaterThan(Object.keys(dependencies).length)
    const owed = [...licences].filter(([name, licence]) => name in dependencies || /GPL|MPL/.test(licence))
    for (const [name, licence] of owed) {
      const row = section.split("\n").find((line) => line.startsWith(`| ${licence} | `)) ?? ""
      expect([licence, row]).toEqual([licence, expect.stringContaining(`\`${name}\``)])
    }
  })

  test("tells every metric as the page of metrics does", () => {
    const own = registry.getMetricsAsArray().filter(({ name }) => name.startsWith("xrx_stt_"))
    expect(own.length).toBeGreaterThan(20)
    for (const { name, help } of own) expect(readme).toContain(`\n| \`${name}\` | ${help} |\n`)
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
  let certificate: string
  let key: string
  const local = { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "readme-"))
    // A snippet finds its packages as it would in this folder.
    for (const name of ["node_modules", "test"]) await symlink(join(root, name), join(folder, name))
    certificate = join(folder, "cert.pem")
    key = join(folder, "key.pem")
    await Bun.write(certificate, localhostTls.cert)
    await Bun.write(key, localhostTls.key)
    server = startProgram([], local)
    address = String((await server.seen("listening")).address)
    await server.seen("ready")
  }, 120_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  /** Runs the snippet against the server of this test, or one with a certificate: another port is all that changes. */
  async function output(command: readonly string[], file: string, code: string): Promise<string> {
    const path = join(folder, file)
    expect(code.split("localhost:8000")).toHaveLength(2)
    await using encrypted = code.includes("https://") ? startProgram([], { ...local, TLS_CERT: certificate, TLS_KEY: key }) : undefined
    const host = new URL(encrypted ? String((await encrypted.seen("listening")).address) : address).host
    await Bun.write(path, code.replace("localhost:8000", host))
    return await new Response(Bun.spawn([...command, path], { cwd: folder, stderr: "inherit" }).stdout).text()
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

  for (const shown of clientsOfOthers()) {
    const { client, language, code } = shown
    const command = commandFor(shown)
    test.skipIf(command === null)(
      `of ${client} prints the words of the recording (skipped where ${language === "sh" ? "curl" : "its package"} is missing)`,
      async () => {
        expect(words(await output(command ?? [], `${client.replace(/\W/g, "")}.${language}`, code))).toContain(long)
      },
      60_000,
    )
  }

  test("of at least four other services is shown", () => {
    expect(clientsOfOthers().length).toBeGreaterThanOrEqual(4)
  })
})

describe("the terminal as README shows it", () => {
  let folder: string
  let server: RunningProgram
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "readme-terminal-"))
    const video = join(root, "test/fixtures/recordings/video.mp4")
    for (const copy of ["talk.mp4", "talks/monday/one.mp4"]) await cp(video, join(folder, copy))
    await shim("xrx-stt", `exec ${process.execPath} ${join(root, "src/main.ts")} "$@"`)
    await shim("arecord", `tail -c +45 ${join(root, "test/fixtures/speech/ps_cards_001.wav")}`)
    server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
    await server.seen("ready")
  }, 120_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function shim(name: string, command: string) {
    await Bun.write(join(folder, "bin", name), `#!/bin/sh\n${command}\n`)
    await chmod(join(folder, "bin", name), 0o755)
  }

  /** The commands under these headlines, without those that need a network. */
  const commands = [/^## In the terminal\n.*?^```sh\n(.*?)^```$/ms, /^### Captions for a video\n.*?^```sh\n(.*?)^```$/ms]
    .flatMap((block) => (block.exec(readme)?.[1] ?? "").split("\n"))
    .filter((line) => line !== "")

  test("has commands", () => {
    expect(commands.length).toBeGreaterThanOrEqual(11)
  })

  test.each(commands)(
    "%s does what it says",
    async (command) => {
      const address = new URL(String((await server.seen("listening")).address)).host
      const child = Bun.spawn(["sh", "-ec", command.replace("localhost:8000", address)], {
        cwd: folder,
        env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}`, STT_ENGINES: "1" },
        stdin: "ignore",
        stderr: "pipe",
      })
      const [output, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
      const [, file] = /(?:> |tee )(\S+)/.exec(command) ?? []
      const [, target = ""] = /--output (\S+)/.exec(command) ?? []
      const format = /--format (\w+)/.exec(command)?.[1]
      const written = target === "captions" ? `captions/monday/one.${format}` : target && `talk.${format}`
      const told = file || written ? await Bun.file(join(folder, file ?? written)).text() : output
      expect({ code, errors }).toEqual({ code: 0, errors: "" })
      if (command.includes("models")) expect(told).toContain("inside the program")
      else expect(words(told)).toMatch(/club|clothes|clove/)
    },
    60_000,
  )
})
