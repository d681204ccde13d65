import { beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Glob } from "bun"
import { OPS } from "../../src/commands/ops.ts"
import { EXIT } from "../../src/commands/program.ts"
import { registry } from "../../src/metrics.ts"
import { collectProcessMetrics } from "../../src/server/health.ts"
import { parseSettings } from "../../src/settings.ts"
import { runCommand } from "../support/program.ts"

/** What can be asked for, with its labels; a histogram by what Prometheus makes of it. */
const known = new Map<string, readonly string[]>()
/** That Prometheus adds itself. */
const ADDED = ["instance", "job"]

beforeAll(() => {
  collectProcessMetrics()
  for (const metric of registry.getMetricsAsArray()) {
    const { name, type, labelNames } = metric as unknown as { name: string; type: string; labelNames: string[] }
    if (type !== ("histogram" as string)) known.set(name, [...labelNames, ...ADDED])
    else for (const part of ["bucket", "sum", "count"]) known.set(`${name}_${part}`, [...labelNames, ...ADDED, "le"])
  }
  known.set("up", ADDED)
})

/** Metrics and labels of a PromQL expression that nobody has. */
function strange(expression: string): string[] {
  const plain = expression.replace(/"[^"]*"/g, '""')
  const metrics = [...plain.matchAll(/\b(?:xrx_stt|process|nodejs)_\w+|\bup\b/g)].map(([name]) => name)
  const labels = [
    ...[...plain.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = ""]) => inside.split(",").map((one) => /\w+/.exec(one)?.[0] ?? "")),
    ...[...plain.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inside = ""]) => inside.split(",").map((one) => one.trim())),
  ]
  const missing = metrics.filter((name) => !known.has(name))
  if (metrics.length === 0) missing.push(`no metric in ${expression}`)
  return [...missing, ...labels.filter((label) => !metrics.every((name) => known.get(name)?.includes(label)))]
}

const print = async (name: keyof typeof OPS) => {
  const { code, output, errors } = await runCommand(["ops", name])
  expect({ code, errors }).toEqual({ code: 0, errors: [] })
  return output.join("\n")
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly action: string }
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

describe("a metric that does not exist", () => {
  test("is noticed, and so is a label that it does not have", () => {
    expect(strange('rate(xrx_stt_utterances_total{engine="a",outcome!~"b|c"}[5m])')).toEqual([])
    expect(strange("sum by (le, mode) (rate(xrx_stt_reply_seconds_bucket[5m]))")).toEqual([])
    expect(strange("xrx_stt_reply_seconds")).toEqual(["xrx_stt_reply_seconds"])
    expect(strange("sum by (mode) (xrx_stt_queue_waiting)")).toEqual(["mode"])
    expect(strange('xrx_stt_queue_waiting{colour="red"}')).toEqual(["colour"])
    expect(strange("1 > 2")).toHaveLength(1)
  })
})

describe("the alert rules", () => {
  const rulesOf = async () =>
    (Bun.YAML.parse(await print("alerts")) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules)

  test("ask for metrics and labels that there are", async () => {
    const rules = await rulesOf()
    expect(rules.length).toBeGreaterThan(8)
    for (const { alert, expr } of rules) expect({ alert, strange: strange(expr) }).toEqual({ alert, strange: [] })
  })

  test("say what happened and what to do, each in its own name", async () => {
    const rules = await rulesOf()
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { labels, annotations, expr } of rules) {
      expect(["page", "warn"]).toContain(labels.severity)
      expect(annotations.action).not.toBe("")
      const shown = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label)
      // What an expression sums up, is gone.
      const kept = /^\s*(?:sum|histogram_quantile\([\d.]+, sum) by \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */)
      for (const label of shown) expect(kept ?? known.get(/\w+/.exec(expr)?.[0] ?? "") ?? []).toContain(label)
    }
  })
})

describe("the dashboard", () => {
  const panelsOf = async () => (JSON.parse(await print("grafana")) as { panels: Panel[] }).panels

  test("asks for metrics and labels that there are, and names its lines by labels that are left", async () => {
    const targets = (await panelsOf()).flatMap(({ targets = [] }) => targets)
    expect(targets.length).toBeGreaterThan(25)
    for (const { expr, legendFormat } of targets) {
      expect({ expr, strange: strange(expr) }).toEqual({ expr, strange: [] })
      const kept = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */) ?? []
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        expect({ expr, kept }).toEqual({ expr, kept: expect.arrayContaining([label]) })
    }
  })

  test("has no two panels in one place or of one name", async () => {
    const panels = await panelsOf()
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })
})

describe("the systemd unit", () => {
  test("gives a drain its time, gives bad settings up, and sets what is a setting", async () => {
    const unit = await print("systemd")
    const readingOf = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? ""
    const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(readingOf("Environment")) ?? []
    const result = parseSettings({ [name]: value })
    if (!result.ok) throw new Error(result.faults.join())
    expect(result.warnings).toEqual([])
    expect(Number(readingOf("TimeoutStopSec")) * 1000).toBeGreaterThan(result.settings.STT_DRAIN_MS)
    expect(readingOf("RestartPreventExitStatus")).toBe(String(EXIT.badSettings))
    expect(readingOf("ExecStart")).toBe("/usr/local/bin/xrx-stt serve")
  })

  /** What stands there as a comment, and only waits to be wanted. */
  const wanted = (unit: string) =>
    unit.replaceAll(/^# ?(?=(?:LoadCredential|Environment|AmbientCapabilities|CapabilityBoundingSet)=)/gm, "")

  test("says how to give it files of root's and a low port, with settings that there are", async () => {
    const lines = wanted(await print("systemd")).split("\n")
    const credentials = lines.flatMap((line) => /^LoadCredential=([\w.-]+):\//.exec(line)?.[1] ?? [])
    const pointed = lines.flatMap((line) => [...(/^Environment=(\w+)=%d\/(.*)$/.exec(line)?.slice(1) ?? [])].join(" "))
    expect(pointed.filter((pair) => pair !== "")).toEqual([
      `TLS_CERT ${credentials[0]}`,
      `TLS_KEY ${credentials[1]}`,
      `STT_API_KEYS_FILE ${credentials[2]}`,
    ])
    // Later lines add to a set of capabilities; an empty one before them clears it.
    for (const name of ["AmbientCapabilities", "CapabilityBoundingSet"])
      expect(lines.filter((line) => line.startsWith(`${name}=`)).at(-1)).toBe(`${name}=CAP_NET_BIND_SERVICE`)
  })

  test.skipIf(!Bun.which("systemd-analyze")).each(["as it is", "with all that it offers"])("is one to systemd itself, %s", async (how) => {
    const folder = await mkdtemp(join(tmpdir(), "xrx-stt-"))
    try {
      const path = join(folder, "xrx-stt.service")
      const unit = await print("systemd")
      // The program is not installed here.
      await Bun.write(path, (how === "as it is" ? unit : wanted(unit)).replaceAll("/usr/local/bin/xrx-stt", process.execPath))
      const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", "verify", path])
      expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe("the Kubernetes manifests", () => {
  interface Manifest {
    readonly kind: string
    readonly spec: never
  }
  const specOf = async (kind: string): Promise<Record<string, unknown>> => {
    const found = (Bun.YAML.parse(await print("kubernetes")) as Manifest[]).filter((manifest) => manifest.kind === kind)
    expect(found).toHaveLength(1)
    return found[0]?.spec ?? {}
  }

  test("probe what the server answers, give a drain its time, and set what is a setting", async () => {
    const pod = (await specOf("Deployment")).template as {
      spec: { terminationGracePeriodSeconds: number; containers: Record<string, unknown>[] }
    }
    const container = pod.spec.containers[0] as {
      env: { name: string; value: string }[]
      lifecycle: { preStop: { sleep: { seconds: number } } }
      startupProbe: { httpGet: { path: string } }
      readinessProbe: { httpGet: { path: string } }
      livenessProbe: { httpGet: { path: string } }
    }
    const result = parseSettings(Object.fromEntries(container.env.map(({ name, value }) => [name, value])))
    if (!result.ok) throw new Error(result.faults.join())
    expect(result.warnings).toEqual([])
    const leavingSeconds = container.lifecycle.preStop.sleep.seconds + result.settings.STT_DRAIN_MS / 1000
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(leavingSeconds)
    expect(container.startupProbe.httpGet.path).toBe("/readyz")
    expect(container.readinessProbe.httpGet.path).toBe("/readyz")
    expect(container.livenessProbe.httpGet.path).toBe("/healthz")
  })

  test("leave the number of pods to the scaling, which rests on what every cluster has, and never take two pods at once", async () => {
    expect(await specOf("Deployment")).not.toHaveProperty("replicas")
    const { metrics, minReplicas } = (await specOf("HorizontalPodAutoscaler")) as { metrics: { type: string }[]; minReplicas: number }
    expect(metrics.map(({ type }) => type)).toEqual(["Resource"])
    expect(minReplicas).toBeGreaterThan(1)
    const [, more = ""] = /^ *# +metric: \{ name: (\w+) \}$/m.exec(await print("kubernetes")) ?? []
    expect(strange(more)).toEqual([])
    expect(await specOf("PodDisruptionBudget")).toMatchObject({ maxUnavailable: 1 })
  })
})

describe("the configuration of HAProxy", () => {
  test("checks by readiness, and sends clients to the server with the fewest", async () => {
    const config = await print("haproxy")
    expect(config).toContain("option httpchk GET /readyz")
    expect(config).toContain("balance leastconn")
  })

  test.skipIf(!Bun.which("haproxy"))("is one to HAProxy itself", async () => {
    const config = `${await print("haproxy")}\n`
    const { exitCode, stderr } = Bun.spawnSync(["haproxy", "-q", "-c", "-f", "/dev/stdin"], { stdin: new TextEncoder().encode(config) })
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" })
  })
})

describe("the Dockerfile", () => {
  /** What its first stage does, in a folder instead of an image. */
  async function check(targetArch: string) {
    const folder = await mkdtemp(join(tmpdir(), "xrx-stt-"))
    try {
      const [, script = ""] = /^RUN ((?:.*\\\n)*.*)/m.exec(await print("dockerfile")) ?? []
      const names = ["xrx-stt-linux-x64", "xrx-stt-linux-arm64"]
      for (const name of names) await Bun.write(join(folder, name), name)
      const sums = names.map((name) => `${new Bun.CryptoHasher("sha256").update(name).digest("hex")}  ${name}\n`)
      await Bun.write(join(folder, "SHA256SUMS"), sums.join(""))
      const env = { PATH: process.env.PATH, TARGETARCH: targetArch }
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script.replaceAll("/out/", `${folder}/out/`)], { cwd: folder, env })
      const program = Bun.file(join(folder, "out/xrx-stt"))
      return { exitCode, errors: stderr.toString(), program: (await program.exists()) ? await program.text() : null }
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  const here = `xrx-stt-linux-${process.arch}`

  test.skipIf(process.platform !== "linux")("takes the program for the processor that the image is for", async () => {
    expect(await check("amd64")).toEqual({ exitCode: 0, errors: "", program: "xrx-stt-linux-x64" })
    expect(await check("arm64")).toEqual({ exitCode: 0, errors: "", program: "xrx-stt-linux-arm64" })
  })

  test.skipIf(!Bun.which("dpkg"))("takes the one for this machine where the builder does not say", async () => {
    expect(await check("")).toEqual({ exitCode: 0, errors: "", program: here })
  })

  test.skipIf(process.platform !== "linux")("says what is missing", async () => {
    expect(await check("riscv64")).toEqual({
      exitCode: 1,
      errors: "SHA256SUMS names no xrx-stt-linux-riscv64: this is not the folder of a release for that processor\n",
      program: null,
    })
  })
})

describe("the installer", () => {
  const NAME = `xrx-stt-linux-${process.arch}`
  const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex")
  /** Stands for the program: what the installer asks of it. */
  const PROGRAM = `#!/bin/sh\ncase $* in --version) echo 1.2.3 ;; "ops systemd") echo "[Service]" ;; *) exit 1 ;; esac\n`

  async function install(sums: string) {
    const folder = await mkdtemp(join(tmpdir(), "xrx-stt-"))
    try {
      for (const [name, text] of Object.entries({ "install.sh": await print("install"), SHA256SUMS: sums, [NAME]: PROGRAM }))
        await Bun.write(join(folder, "release", name), text)
      const root = join(folder, "root")
      const command = ["sh", join(folder, "release/install.sh")]
      const { exitCode, stderr } = Bun.spawnSync(command, { env: { ...process.env, DESTDIR: root, TMPDIR: folder } })
      const found = await Array.fromAsync(new Glob("**/*").scan({ cwd: root, dot: true })).catch(() => [])
      const mode = found.length > 0 ? (await stat(join(root, "etc/xrx-stt.env"))).mode & 0o777 : undefined
      return { exitCode, stderr: stderr.toString(), found: found.sort(), mode }
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  test.skipIf(process.platform !== "linux")("puts program, settings and unit in their places", async () => {
    expect(await install(`${hash("other")}  other\n${hash(PROGRAM)}  ${NAME}\n`)).toEqual({
      exitCode: 0,
      stderr: "",
      found: ["etc/systemd/system/xrx-stt.service", "etc/xrx-stt.env", "usr/local/bin/xrx-stt"],
      mode: 0o600,
    })
  })

  test.skipIf(process.platform !== "linux")("installs nothing whose checksum is wrong or not there", async () => {
    for (const sums of [`${hash("other")}  ${NAME}\n`, `${hash(PROGRAM)}  other\n`, ""])
      expect(await install(sums)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("checksum"), found: [] })
  })
})

test("what is printed ends in no empty line, and no kind of file is unknown to `ops --help`", async () => {
  const { output } = await runCommand(["ops", "--help"])
  for (const name of Object.keys(OPS) as (keyof typeof OPS)[]) {
    expect(output.join("\n")).toMatch(new RegExp(`^ {2}${name} `, "m"))
    expect(await print(name)).not.toMatch(/\n$/)
  }
})
