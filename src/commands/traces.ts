/** Traces as the settings want them: the way to the collector, and what it is told of this server. Loads nothing where there is none. */
import { version } from "../binary/version.ts"
import { realClock } from "../clock.ts"
import type { Tracing } from "../otlp.ts"
import { collectorOf } from "../settings.ts"
import { readAuthority } from "./certificate.ts"
import type { Program } from "./program.ts"

/**
 * Null where nobody asked for traces.
 * @throws Error with one line that names the setting that is wrong
 */
export async function openTraces({ settings, log }: Pick<Program, "settings" | "log">): Promise<Tracing | null> {
  const url = collectorOf(settings)
  if (url === null) return null
  const authority = await readAuthority(settings)
  const { openTracing } = await import("../otlp.ts")
  const named = settings.OTEL_SERVICE_NAME && { "service.name": settings.OTEL_SERVICE_NAME }
  const ours = { "service.name": "xrx-stt", "service.version": version, "service.instance.id": crypto.randomUUID() }
  return openTracing({
    url,
    authority,
    headers: settings.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    compression: settings.OTEL_EXPORTER_OTLP_COMPRESSION,
    resource: { ...ours, ...settings.OTEL_RESOURCE_ATTRIBUTES, ...named },
    sampler: settings.OTEL_TRACES_SAMPLER,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    waitingMax: settings.OTEL_BSP_MAX_QUEUE_SIZE,
    gatherMs: settings.OTEL_BSP_SCHEDULE_DELAY,
    timeoutMs: settings.OTEL_EXPORTER_OTLP_TIMEOUT,
    version,
    clock: realClock,
    log,
  })
}
