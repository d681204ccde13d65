/** The two descriptions as documents: by the rules of their makers, whole, and about the doors that there are. */
import { describe, expect, test } from "bun:test"
import asyncApiSchema from "@asyncapi/specs/schemas/3.0.0.json"
import { Validator } from "@seriousme/openapi-schema-validator"
import { Ajv } from "ajv"
import { HTTP_DOORS, SOCKET_DOORS } from "../../src/dialects/index.ts"
import { asyncApi } from "../../src/docs/asyncapi.ts"
import { openApi } from "../../src/docs/openapi.ts"
import { described } from "../support/described.ts"
import { serve } from "../support/server.ts"

const rest = openApi("1.2.3")
const live = asyncApi("1.2.3")

/** They bring the rules of JSON Schema along. */
function asyncApiRules() {
  return new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false }).compile(asyncApiSchema)
}

/** Every place that a document refers to. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inside]) => (name === "$ref" ? [String(inside)] : refsIn(inside)))
}

function at(document: object, ref: string): unknown {
  return ref
    .slice(2)
    .split("/")
    .reduce<unknown>((place, name) => (place as Record<string, unknown> | undefined)?.[name], document)
}

describe("the descriptions", () => {
  test("are OpenAPI 3.1 and AsyncAPI 3.0", async () => {
    expect(await new Validator().validate({ ...structuredClone(rest) })).toEqual({ valid: true })
    const validate = asyncApiRules()
    validate(live)
    expect(validate.errors ?? []).toEqual([])
  })

  test("a fault would be found in both", async () => {
    const { valid } = await new Validator().validate({ ...structuredClone(rest), paths: { "no-slash": {} } })
    expect(valid).toBe(false)
    expect(asyncApiRules()({ ...live, operations: { one: { action: "shout", channel: {} } } })).toBe(false)
  })

  test("refer to nothing that is not there, and hold no schema that nobody refers to", () => {
    for (const document of [rest, live]) {
      const refs = refsIn(document)
      expect(refs.filter((ref) => at(document, ref) === undefined)).toEqual([])
      const unused = Object.keys(document.components.schemas).filter((name) => !refs.includes(`#/components/schemas/${name}`))
      // Events stand in a text for OpenAPI, which has no word for them.
      expect(unused).toEqual(document === rest ? ["TextDelta", "TextDone"] : [])
    }
  })

  test("of a socket, what is sent and what is got are messages of its channel", () => {
    for (const { channel, messages } of Object.values(live.operations)) {
      const name = channel.$ref.slice("#/channels/".length)
      const ofChannel = Object.keys(live.channels[name]?.messages ?? {}).map((message) => `#/channels/${name}/messages/${message}`)
      expect(messages.length).toBeGreaterThan(0)
      for (const { $ref } of messages) expect(ofChannel).toContain($ref)
    }
  })

  test("tell of every door, and of none that is not there", () => {
    const told = Object.entries(rest.paths).flatMap(([path, { servers = [{ url: "/" }] }]) =>
      servers.map((server) => ("url" in server ? String(server.url) : "").replace(/\/$/, "") + path.replace("{model}", "*")),
    )
    const doors = HTTP_DOORS.filter(({ name }) => name !== "openai-unknown").flatMap(({ paths }) => paths)
    expect(told.filter((path) => !["/healthz", "/readyz", "/metrics"].includes(path)).sort()).toEqual([...doors].sort())
    const sockets = new Set(Object.values(live.channels).map(({ address }) => address))
    expect(
      SOCKET_DOORS.flatMap(({ paths }) => paths)
        .filter((path) => !path.startsWith("/openai/"))
        .sort(),
    ).toEqual([...sockets].sort())
  })

  test("are served with the version of the program", async () => {
    const { server } = serve()
    const { version } = await Bun.file(new URL("../../package.json", import.meta.url)).json()
    for (const path of ["/openapi.json", "/asyncapi.json"] as const) {
      const response = await fetch(new URL(path, server.url))
      expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8")
      expect((await described(server.url, path)).document).toMatchObject({ info: { version } })
    }
  })
})
