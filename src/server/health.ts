/**
 * What operators and load balancers ask: is it alive, may it get work, how much does it do. Knows nothing of what is said.
 */
import { collectDefaultMetrics } from "prom-client"
import { type Engine, EngineError } from "../engines/engine.ts"
import { registry } from "../metrics.ts"

export interface Readiness {
  /** Why the engine cannot answer yet, in one line; undefined once it can. */
  whyNot(): string | undefined
}

/** Asks the engine at once. After a refusal each look asks it again, one question at a time. */
export function watchReadiness(engine: Engine): Readiness {
  let state: "asking" | "ready" | "refused"
  let reason = "the engine is still loading"

  function ask() {
    state = "asking"
    engine.ready().then(
      () => {
        state = "ready"
      },
      (thrown) => {
        state = "refused"
        reason = thrown instanceof EngineError ? thrown.message : "the engine failed"
      },
    )
  }

  ask()
  return {
    whyNot() {
      if (state === "ready") return undefined
      if (state === "refused") ask()
      return reason
    },
  }
}

/** The event loop's delay is sampled at this interval. */
const LOOP_DELAY_SAMPLE_MS = 20

let collectingDefaults = false

/** Memory, processor time, open files and the delay of the event loop, of this process. Once for all servers in it. */
export function collectProcessMetrics(): void {
  if (collectingDefaults) return
  collectingDefaults = true
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_DELAY_SAMPLE_MS })
}

export async function metricsPage(): Promise<Response> {
  return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } })
}
