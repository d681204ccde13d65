/** What HAProxy does with the configuration that the program prints: a real one, before a real server. */
import { expect, test } from "bun:test"
import { request } from "node:http"
import { OPS } from "../../src/commands/ops.ts"
import { serve } from "../support/server.ts"

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
}

/** From an address of this machine's own; a socket that opens stays open. */
function ask(port: number, path: string, { from, headers = {} }: { from: string; headers?: Record<string, string> }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, localAddress: from, headers })
    asking.on("upgrade", () => resolve({ status: 101, retryAfter: undefined, text: "" }))
    asking.on("response", async (response) => {
      const text = (await response.toArray()).join("")
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"], text })
    })
    asking.on("error", reject)
    asking.end()
  })
}

const UPGRADE = {
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
const dial = (port: number, from: string) => ask(port, "/api/v1/ws", { from, headers: UPGRADE })

function freePort(): number {
  using listener = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() })
  return listener.port ?? 0
}

/** Before one server and one that is gone, on ports of its own. */
function startHaproxy(server: number) {
  const port = freePort()
  const config = OPS.haproxy
    .text()
    .replace("bind :8000", `bind 127.0.0.1:${port}`)
    .replace("bind 127.0.0.1:8404", `bind 127.0.0.1:${freePort()}`)
    .replaceAll(/^ *server stt3 .*\n/gm, "")
    .replaceAll("127.0.0.1:8001", `127.0.0.1:${server}`)
    .replaceAll("127.0.0.1:8002", `127.0.0.1:${freePort()}`)
  const child = Bun.spawn(["haproxy", "-db", "-f", "/dev/stdin"], {
    stdin: new TextEncoder().encode(`${config}\n`),
    stdout: "ignore",
    stderr: "pipe",
  })
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader()
  let told = ""
  return {
    port,
    /** Resolves once it said so on stderr. */
    async says(what: RegExp) {
      while (!what.test(told)) {
        const { done, value } = await reader.read()
        if (done) throw new Error(`HAProxy ended: ${told}`)
        told += value
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await child.exited
    },
  }
}

test.skipIf(!Bun.which("haproxy"))(
  "behind HAProxy each client counts as itself, and a server full of sockets still answers requests",
  async () => {
    const { server } = serve({ maxSessions: 2, perAddressMax: 1, proxyHops: 1 })
    await using haproxy = startHaproxy(Number(server.url.port))
    await haproxy.says(/Server stt\/stt2 is DOWN/)
    expect((await dial(haproxy.port, "127.0.0.11")).status).toBe(101)
    expect((await dial(haproxy.port, "127.0.0.11")).status).toBe(429)
    expect((await dial(haproxy.port, "127.0.0.12")).status).toBe(101)
    await haproxy.says(/Server stt\/stt1 is DOWN/)
    expect((await ask(haproxy.port, "/v1/models", { from: "127.0.0.13" })).status).toBe(200)
    expect(await dial(haproxy.port, "127.0.0.13")).toMatchObject({
      status: 503,
      retryAfter: expect.any(String),
      text: expect.stringContaining("full"),
    })
  },
  20_000,
)
