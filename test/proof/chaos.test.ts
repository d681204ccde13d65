import { expect, test } from "bun:test"
import { runChaos } from "./chaos.ts"

test.skipIf(process.platform !== "linux")(
  "engines that are killed under load cost no utterance its words, and leave nothing behind",
  async () => {
    const { kills, ledger, restarts, faults } = await runChaos({
      minutes: 8 / 60,
      seed: 1,
      clients: 4,
      talkers: 1,
      everySeconds: 2.5,
      victims: ["engine"],
      engines: 2,
    })
    expect([...faults, ...ledger.notes]).toEqual([])
    expect(kills).toBeGreaterThanOrEqual(3)
    expect(restarts).toBeGreaterThanOrEqual(kills)
    expect(ledger.accepted).toBeGreaterThan(4)
  },
  120_000,
)
