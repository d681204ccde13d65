import { expect, test } from "bun:test"
import { once } from "node:events"
import { createConnection } from "node:net"
import { registry } from "../../src/metrics.ts"
import { serve } from "../support/server.ts"

const refused = async () => Number(/^xrx_stt_refusals_total\{reason="full"\} (\d+)$/m.exec(await registry.metrics())?.[1] ?? 0)

test("a connection that is refused counts as a refusal", async () => {
  const { server } = serve({ wyomingPort: 0, maxSessions: 0 })
  const before = await refused()
  const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0 })
  socket.resume()
  await once(socket, "close")
  expect(await refused()).toBe(before + 1)
})
