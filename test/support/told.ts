/** A tracer whose spans really go to a collector, for tests that read what was told. */
import { realClock } from "../../src/clock.ts"
import { silentLog } from "../../src/log.ts"
import { openTracing, type TracingOptions } from "../../src/otlp.ts"
import type { Tracer } from "../../src/tracing.ts"
import { type SpanOnTheWire, startCollector } from "./otlp-collector.ts"

export const TRACING: Omit<TracingOptions, "url" | "clock" | "log"> = {
  headers: {},
  compression: "none",
  resource: { "service.name": "tested" },
  sampler: "parentbased_always_on",
  ratio: 1,
  waitingMax: 1000,
  gatherMs: 3_600_000,
  timeoutMs: 5000,
  version: "0",
}

/** All that `tell` told, in the order in which it ended. */
export async function told(tell: (tracer: Tracer) => unknown): Promise<readonly SpanOnTheWire[]> {
  const collector = startCollector()
  const tracing = openTracing({ ...TRACING, url: `${collector.url}/v1/traces`, clock: realClock, log: silentLog })
  await tell(tracing.tracer)
  await tracing.close(10_000)
  await collector.stop()
  return collector.spans
}

/** Names, failures, and parts in the order in which they began. */
export type Tree = readonly [string, ...Tree[]]

export function treeOf(root: SpanOnTheWire | undefined, spans: readonly SpanOnTheWire[]): Tree {
  if (!root) throw new Error("there is no such span")
  const parts = spans.filter(({ parentId }) => parentId === root.spanId).toSorted((a, b) => a.startMs - b.startMs)
  const code = root.fields["error.type"]
  return [code === undefined ? root.name : `${root.name}: ${code}`, ...parts.map((part) => treeOf(part, spans))]
}
