/** When the alerts fire: Prometheus' own `promtool` plays series of samples to the rules that the program prints. */
import { expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { OPS } from "../../src/commands/ops.ts"

interface Scene {
  /** Samples of each series, a minute apart, in promtool's notation. */
  readonly series: Readonly<Record<string, string>>
  readonly alert: string
  readonly atMinutes: number
  /** The labels of the alerts that fire then, beside the severity. */
  readonly fires: readonly Readonly<Record<string, string>>[]
}

const scenes: readonly (readonly [string, Scene])[] = [
  [
    "a server that was one of ours and is gone is told of, whatever its job is named",
    {
      series: {
        'up{job="kubernetes-pods",instance="a"}': "1x10 0x20",
        'xrx_stt_speakers{job="kubernetes-pods",instance="a"}': "3x10 _x20",
        'up{job="kubernetes-pods",instance="other"}': "0x30",
      },
      alert: "SttDown",
      atMinutes: 20,
      fires: [{ job: "kubernetes-pods", instance: "a" }],
    },
  ],
  [
    "one that was never there is told of by the job's name",
    {
      series: { 'up{job="xrx-stt",instance="a"}': "0x30" },
      alert: "SttDown",
      atMinutes: 20,
      fires: [{ job: "xrx-stt", instance: "a" }],
    },
  ],
  [
    "engines that ended again and again are told of, also those that did before the first look",
    {
      series: {
        'xrx_stt_engine_restarts_total{job="xrx-stt",instance="early",cause="signal"}': "_ 12x30",
        'xrx_stt_engine_restarts_total{job="xrx-stt",instance="late",cause="timeout"}': "0x3 5x30",
        'xrx_stt_engine_restarts_total{job="xrx-stt",instance="well",cause="signal"}': "1x30",
      },
      alert: "SttEnginesRestart",
      atMinutes: 8,
      fires: [
        { instance: "early", cause: "signal" },
        { instance: "late", cause: "timeout" },
      ],
    },
  ],
  [
    "and long ago no more",
    {
      series: { 'xrx_stt_engine_restarts_total{job="xrx-stt",instance="early",cause="signal"}': "_ 12x60" },
      alert: "SttEnginesRestart",
      atMinutes: 40,
      fires: [],
    },
  ],
  [
    "engines that are given up are told of, also when all are",
    {
      series: {
        'xrx_stt_engines_wanted{job="xrx-stt",instance="a"}': "2x30",
        'xrx_stt_engines_ready{job="xrx-stt",instance="a"}': "0 1x30",
        'xrx_stt_engines_wanted{job="xrx-stt",instance="b"}': "2x30",
        'xrx_stt_engines_ready{job="xrx-stt",instance="b"}': "0x30",
        'xrx_stt_engines_wanted{job="xrx-stt",instance="loads"}': "2x30",
        'xrx_stt_engines_ready{job="xrx-stt",instance="loads"}': "0x5 2x30",
        'xrx_stt_engines_wanted{job="xrx-stt",instance="cloud"}': "0x30",
        'xrx_stt_engines_ready{job="xrx-stt",instance="cloud"}': "0x30",
      },
      alert: "SttEnginesMissing",
      atMinutes: 20,
      fires: [
        { job: "xrx-stt", instance: "a" },
        { job: "xrx-stt", instance: "b" },
      ],
    },
  ],
  [
    "an engine that is left out is told of while others answer in its place",
    {
      series: {
        'xrx_stt_breaker_state{job="xrx-stt",instance="a",engine="groq"}': "0x5 2x40",
        'xrx_stt_fallbacks_total{job="xrx-stt",instance="a",engine="groq",to="whisper",reason="left_out"}': "0x5 1+3x40",
      },
      alert: "SttLeftOut",
      atMinutes: 30,
      fires: [{ job: "xrx-stt", instance: "a", engine: "groq" }],
    },
  ],
  [
    "and no longer when nobody has spoken since, who would have found it well",
    {
      series: {
        'xrx_stt_breaker_state{job="xrx-stt",instance="a",engine="groq"}': "0x5 1x60",
        'xrx_stt_fallbacks_total{job="xrx-stt",instance="a",engine="groq",to="whisper",reason="left_out"}': "0x5 1x60",
      },
      alert: "SttLeftOut",
      atMinutes: 40,
      fires: [],
    },
  ],
]

const promtool = Bun.which("promtool")

test.skipIf(!promtool).each(scenes)("%s", async (_, { series, alert, atMinutes, fires }) => {
  const folder = await mkdtemp(join(tmpdir(), "xrx-stt-"))
  try {
    const rules = `${OPS.alerts.text()}\n`
    const written = Bun.YAML.parse(rules) as { groups: { rules: { alert: string; labels: Record<string, string> }[] }[] }
    const severity = written.groups.flatMap((group) => group.rules).find((rule) => rule.alert === alert)?.labels.severity
    // What it says is not what this is about: only the labels are compared.
    await Bun.write(join(folder, "rules.yaml"), rules.replaceAll(/^ *annotations:\n(?: {10}.*\n)+/gm, ""))
    const scene = {
      rule_files: ["rules.yaml"],
      tests: [
        {
          interval: "1m",
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          alert_rule_test: [
            { eval_time: `${atMinutes}m`, alertname: alert, exp_alerts: fires.map((labels) => ({ exp_labels: { severity, ...labels } })) },
          ],
        },
      ],
    }
    await Bun.write(join(folder, "scene.yaml"), JSON.stringify(scene))
    const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "", "test", "rules", join(folder, "scene.yaml")])
    expect({ exitCode, told: `${stdout}${stderr}` }).toEqual({ exitCode: 0, told: expect.stringContaining("SUCCESS") })
  } finally {
    await rm(folder, { recursive: true })
  }
})
