import { expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runSoak, writeSoak } from "./soak.ts"

test.skipIf(process.platform !== "linux")(
  "a load below the limit loses no word, and what the process tree held is written down",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "soak-"))
    try {
      const options = { minutes: 6 / 60, seed: 1, clients: 3, talkers: 1, load: 0.7, measureSeconds: 3, lookEverySeconds: 1 }
      const result = await runSoak(options)
      expect([...result.faults, ...result.ledger.notes]).toEqual([])
      expect(result.speed.measured).toBeGreaterThan(0)
      await writeSoak(folder, result)
      const [head, ...rows] = (await Bun.file(join(folder, "soak.csv")).text()).trim().split("\n")
      expect(head).toBe("minute,pssMegabytes,descriptors,processes,cpuShare,accepted,answered,lost,doubled")
      expect(rows.length).toBeGreaterThanOrEqual(5)
      for (const look of result.looks)
        expect([look.pssMegabytes > 50, look.descriptors > 5, look.processes >= 3]).toEqual([true, true, true])
      expect((await Bun.file(join(folder, "soak.json")).json()).slopesPerHour).toContainKeys(["memory (PSS)", "descriptors"])
      expect((await Bun.file(join(folder, "soak.svg")).text()).match(/<polyline /g)).toHaveLength(result.series.length)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  120_000,
)
