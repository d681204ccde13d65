import { describe, expect, test } from "bun:test"
import { HTTP_DOORS, SOCKET_DOORS } from "../../src/dialects/index.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { createScriptedRecordings } from "../support/scripted-recordings.ts"
import { serve } from "../support/server.ts"

type Given = Parameters<typeof serve>[0]

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

/** What a client of that path reads of a failure: one line, or the code in the JSON of its vendor. */
function codeIn(path: string, body: string): unknown {
  if (/^\/(api\/v1\/ws|vosk)$/.test(path)) return body.endsWith("\n") && body
  const parsed = JSON.parse(body)
  return path === "/v1/listen" ? parsed.err_code : parsed.error.code
}

const SOCKETS = SOCKET_DOORS.flatMap(({ paths, keyless }) => paths.map((path) => ({ path, keyless: keyless === true })))
const REQUESTS = HTTP_DOORS.flatMap(({ paths, methods }) => paths.flatMap((path) => methods.map((method) => ({ path, method }))))

const KEYS = [{ name: "alice", key: "alices-key" }]

async function ask(given: Given, path: string): Promise<Answer> {
  const { server } = serve(given)
  return connectRaw(socketUrl(server.url, "", path))
}

async function send(given: Given, { path, method }: { path: string; method: string }): Promise<Answer> {
  const { server } = serve({ recordings: createScriptedRecordings(), ...given })
  const response = await fetch(new URL(path.replace("*", "any"), server.url), { method, headers: { origin: "https://strange.example" } })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

const shieldOf = ({ headers }: Answer) =>
  ["x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy", "cache-control"].map((name) =>
    headers.get(name),
  )
const SHIELD = ["nosniff", "DENY", "no-referrer", "default-src 'none'; frame-ancestors 'none'", "no-store"]

describe.each(SOCKETS)("a socket at $path", ({ path, keyless }) => {
  const codes = {
    key: { "/v1/listen": "INVALID_AUTH", "/vosk": "an API key is needed\n", "/api/v1/ws": "an API key is needed\n" }[path],
    greedy: path === "/v1/listen" ? "TOO_MANY_REQUESTS" : "rate_limit_exceeded",
  }

  test("is refused without a key, in words of its own", async () => {
    const refused = await ask({ keys: () => KEYS, requireKey: true }, path)
    expect([refused.status, refused.headers.get("www-authenticate"), refused.headers.get("retry-after")]).toEqual([401, "Bearer", null])
    expect(codeIn(path, refused.body)).toBe(codes.key ?? "invalid_api_key")
    expect(shieldOf(refused)).toEqual(SHIELD)
    expect(refused.headers.get("x-request-id")).toMatch(/^[\da-f-]{36}$/)
  })

  test(`${keyless ? "stays open" : "is closed"} without one where keys are not asked of all`, async () => {
    expect((await ask({ keys: () => KEYS }, path)).status).toBe(keyless ? 101 : 401)
  })

  test("is refused when there is no room, and told when to come again", async () => {
    const refused = await ask({ maxSessions: 0 }, path)
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([path === "/v1/listen" ? 429 : 503, "1"])
    expect(codeIn(path, refused.body)).not.toBe("")
    expect(shieldOf(refused)).toEqual(SHIELD)
  })

  test("is refused to a client that holds all that it may", async () => {
    const { server } = serve({ perAddressMax: 1 })
    const first = await connect(socketUrl(server.url, "", path))
    const refused = await connectRaw(socketUrl(server.url, "", path))
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"])
    const code = codeIn(path, refused.body)
    expect(code).toBe(/\n$/.test(refused.body) ? refused.body : codes.greedy)
    first.close()
  })

  test("is refused to a page of a strange origin", async () => {
    const { server } = serve({ allowedOrigins: ["https://app.example"] })
    const refused = await connectRaw(socketUrl(server.url, "", path), { origin: "https://strange.example" })
    expect(refused.status).toBe(403)
  })
})

describe.each(REQUESTS)("$method $path", (request) => {
  const isDeepgram = request.path === "/v1/listen"

  test("is refused without a key, in words of its own", async () => {
    const refused = await send({ keys: () => KEYS }, request)
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    expect(refused.headers.get("x-should-retry")).toBe("false")
    expect(codeIn(request.path, refused.body)).toBe(isDeepgram ? "INVALID_AUTH" : "invalid_api_key")
    expect(shieldOf(refused)).toEqual(SHIELD)
  })

  test("is refused to a client that holds all that it may", async () => {
    const { server } = serve({ perAddressMax: 1, recordings: createScriptedRecordings() })
    const first = await connect(socketUrl(server.url))
    const refused = await fetch(new URL(request.path.replace("*", "any"), server.url), { method: request.method })
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"])
    expect(codeIn(request.path, await refused.text())).toBe(isDeepgram ? "TOO_MANY_REQUESTS" : "rate_limit_exceeded")
    first.close()
  })

  test("is refused to a page of a strange origin", async () => {
    expect((await send({ allowedOrigins: ["https://app.example"] }, request)).status).toBe(403)
  })
})
