import { expect, test } from "bun:test"
import { EDGES, runFuzz } from "./fuzz.ts"

/** `bun run fuzz` is the long run, of other cases each time. */
const CASES = 80

test.skipIf(process.platform !== "linux")(
  `${CASES} wrong requests at each edge leave the server as it was`,
  async () => {
    const results = await runFuzz({ cases: CASES, seed: 1, edges: EDGES })
    expect(results.map(({ edge, cases, faults }) => ({ edge, cases, faults }))).toEqual(
      EDGES.map(({ name }) => ({ edge: name, cases: CASES, faults: [] })),
    )
    // Cases that are all refused at the first byte would prove little.
    for (const { edge, outcomes } of results) expect([edge, Object.keys(outcomes).length > 2]).toEqual([edge, true])
  },
  120_000,
)
