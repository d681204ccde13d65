import { expect, test } from "bun:test"
import { childBytes, childProcesses } from "../../src/metrics.ts"
import { lookAtChildren } from "../../src/server/children.ts"

const MEGABYTE = 1024 * 1024

async function seen(kind: string) {
  await lookAtChildren()
  const of = async (metric: typeof childBytes) => (await metric.get()).values.find(({ labels }) => labels.kind === kind)?.value
  return { bytes: (await of(childBytes)) ?? 0, processes: await of(childProcesses) }
}

test.skipIf(process.platform !== "linux")(
  "what processes of this program weigh is counted by their kind, until they are gone",
  async () => {
    expect((await seen("heavy")).processes).toBeUndefined()
    const code = `const held = new Uint8Array(${64 * MEGABYTE}).fill(1); console.log(held.length); setInterval(() => held, 1000)`
    const children = [1, 2].map(() => Bun.spawn([process.execPath, "-e", code, "--", "__heavy"], { stdout: "pipe" }))
    try {
      // Each has said that it holds its memory.
      for (const { stdout } of children) await stdout.getReader().read()
      const { bytes, processes } = await seen("heavy")
      expect(processes).toBe(2)
      expect(bytes).toBeGreaterThan(128 * MEGABYTE)
      expect(bytes).toBeLessThan(512 * MEGABYTE)
    } finally {
      for (const child of children) child.kill("SIGKILL")
      await Promise.all(children.map(({ exited }) => exited))
    }
    expect((await seen("heavy")).processes).toBeUndefined()
  },
)
