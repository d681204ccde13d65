/** The two descriptions as far as we write and show them: OpenAPI 3.1 and AsyncAPI 3. Types only. */
import type { JsonSchema } from "./json-schema.ts"

/** A program to copy. */
export interface Sample {
  readonly lang: "Shell" | "JavaScript" | "Python"
  readonly label: string
  readonly source: string
}

export type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>

export interface Parameter {
  readonly name: string
  readonly in: "query" | "path"
  readonly required?: boolean
  readonly description: string
  readonly schema: JsonSchema
}

export interface Answer {
  readonly description: string
  readonly headers?: object
  readonly content: Content
}

export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly security?: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: true; readonly content: Content }
  readonly responses: Readonly<Record<string, Answer>>
  readonly "x-codeSamples": readonly Sample[]
}

export type PathItem = { readonly servers?: readonly object[] } & { readonly [Method in "get" | "post"]?: Operation }

export interface OpenApi {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string; readonly [more: string]: unknown }
  readonly servers: readonly object[]
  readonly security: readonly object[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, PathItem>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>>; readonly [more: string]: object }
}

interface Ref {
  readonly $ref: string
}

export interface Message {
  readonly name?: string
  readonly contentType: string
  readonly summary: string
  readonly payload: JsonSchema
}

export interface Channel {
  readonly address: string
  readonly title: string
  readonly description: string
  readonly messages: Readonly<Record<string, Ref>>
  readonly bindings: { readonly ws: { readonly method: "GET"; readonly query: Query; readonly bindingVersion: string } }
  readonly "x-codeSamples": readonly Sample[]
}

export interface SocketOperation {
  /** In AsyncAPI it is the server that receives what a client sends. */
  readonly action: "receive" | "send"
  readonly channel: Ref
  readonly summary: string
  readonly messages: readonly Ref[]
}

export interface AsyncApi {
  readonly asyncapi: string
  readonly info: OpenApi["info"]
  readonly defaultContentType: string
  readonly servers: Readonly<Record<string, object>>
  readonly channels: Readonly<Record<string, Channel>>
  /** Two for each channel, NAME.receive and NAME.send. */
  readonly operations: Readonly<Record<string, SocketOperation>>
  readonly components: { readonly messages: Readonly<Record<string, Message>>; readonly schemas: Readonly<Record<string, JsonSchema>> }
}

/** The parameters of an address. */
export type Query = { readonly type: "object"; readonly properties: Readonly<Record<string, JsonSchema>> }
