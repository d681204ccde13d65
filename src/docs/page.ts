/** The page at `/docs`: both descriptions for a person to read, with programs to copy. Pure: descriptions in, HTML out. */
import type { Answer, AsyncApi, Channel, Content, Message, OpenApi, Operation, Sample } from "./documents.ts"
import type { JsonSchema } from "./json-schema.ts"
import { fieldList, type Html, html, type Link, NOTHING, prose, typeOf } from "./markup.ts"

/** Which choice of language shows a program. Who chose curl, which speaks no WebSocket, sees JavaScript there. */
const CHOICES: Readonly<Record<Sample["lang"], string>> = { Shell: "curl", JavaScript: "js", Python: "python" }

export function docsPage(rest: OpenApi, live: AsyncApi): string {
  const linkRest: Link = (name) => html`<a href="#rest-${name}">${name}</a>`
  const linkLive: Link = (name) => html`<a href="#live-${name}">${name}</a>`
  const operations = Object.entries(rest.paths).flatMap(([path, { get, post }]) => [
    ...(get ? [{ path, method: "GET", operation: get }] : []),
    ...(post ? [{ path, method: "POST", operation: post }] : []),
  ])
  const channels = Object.entries(live.channels)
  const messages = live.components.messages
  const parts = Object.entries(live.components.schemas).filter(([name]) => messages[name] === undefined)

  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>xrx-stt: the interface</title>
    <link rel="icon" href="/page/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/page/page.css">
    <link rel="stylesheet" href="/page/docs.css">
    <script type="module" src="/page/docs.js"></script>
  </head>
  <body>
    <header>
      <h1><img src="/page/icon.svg" alt="" width="28" height="28"> xrx-stt</h1>
      <nav aria-label="Pages"><a href="/">Speak</a> <a href="/status">Status</a> <a href="/docs" aria-current="page">Interface</a></nav>
    </header>
    <main class="docs">
      <p>Requests take whole recordings, sockets take live speech. For machines: <a href="/openapi.json">openapi.json</a> and
      <a href="/asyncapi.json">asyncapi.json</a>, version ${rest.info.version}. A key, where the server has keys, goes into
      <code>Authorization: Bearer KEY</code>; a server without keys takes any.</p>
      <fieldset class="langs"><legend>Programs in</legend>
        <label><input type="radio" name="lang" id="lang-curl" checked> curl</label>
        <label><input type="radio" name="lang" id="lang-js"> JavaScript</label>
        <label><input type="radio" name="lang" id="lang-python"> Python</label>
      </fieldset>
      <p class="hint">JavaScript runs in Node 22 and later, Bun and Deno. Each program hears <code>talk.wav</code>; where bare samples are
      sent, it has 16 kHz, one channel and 16 bits.</p>
      <nav aria-label="On this page" class="contents">
        <h2>Requests</h2>
        <ul>${operations.map(
          ({ path, method, operation }) =>
            html`<li><a href="#${operation.operationId}"><span class="method">${method}</span> <code>${path}</code></a> ${operation.summary}</li>`,
        )}</ul>
        <h2>Sockets</h2>
        <ul>${channels.map(([name, { address, title }]) => html`<li><a href="#${name}-socket"><code>${addressOf(name, address)}</code></a> ${title}</li>`)}</ul>
      </nav>
      <section aria-labelledby="requests"><h2 id="requests">Requests</h2>${operations.map((one) => request(one, linkRest))}</section>
      <section aria-labelledby="bodies"><h2 id="bodies">Bodies</h2>${Object.entries(rest.components.schemas).map(([name, schema]) =>
        shape(`rest-${name}`, name, schema, linkRest),
      )}</section>
      <section aria-labelledby="sockets"><h2 id="sockets">Sockets</h2>${channels.map(([name, channel]) => socket(name, channel, live, linkLive))}</section>
      <section aria-labelledby="parts"><h2 id="parts">Parts of messages</h2>${parts.map(([name, schema]) => shape(`live-${name}`, name, schema, linkLive))}</section>
      <p id="said" role="status" class="said"></p>
    </main>
  </body>
</html>
`.html
}

interface Request {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

function request({ path, method, operation }: Request, link: Link): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const fields = Object.fromEntries(parameters.map(({ name, schema, description }) => [name, { ...schema, description }]))
  const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name)
  return html`<article id="${operationId}" aria-labelledby="${operationId}-title">
  <h3 id="${operationId}-title"><span class="method">${method}</span> <code>${path}</code></h3>
  <p>${prose(summary)}. ${prose(description ?? "")}</p>
  ${programs(operation["x-codeSamples"])}
  ${requestBody ? html`<h4>Body</h4><ul>${contents(requestBody.content, link)}</ul>` : NOTHING}
  ${parameters.length > 0 ? folded("Parameters", fieldList({ properties: fields, required }, link)) : NOTHING}
  <h4>Answers</h4>
  <ul>${Object.entries(responses).map(([status, answer]) => answered(status, answer, link))}</ul>
</article>`
}

function answered(status: string, { description, content }: Answer, link: Link): Html {
  if (status !== "200") return html`<li><strong>${status}</strong> ${prose(description)}</li>`
  return html`<li><strong>200</strong> ${prose(description)}<ul>${contents(content, link)}</ul></li>`
}

function contents(content: Content, link: Link): Html[] {
  return Object.entries(content).map(([type, { schema }]) => {
    const meaning = typeof schema.description === "string" ? html`: ${prose(schema.description)}` : NOTHING
    return html`<li><code>${type}</code> <span class="type">${typeOf(schema, link)}</span>${meaning}</li>`
  })
}

/** Three modes share an address. */
function addressOf(name: string, address: string): string {
  return ["utterance", "frames", "events"].includes(name) ? `${address}?mode=${name}` : address
}

function socket(name: string, channel: Channel, { operations, components }: AsyncApi, link: Link): Html {
  const { address, title, description, bindings } = channel
  const told = (action: "receive" | "send") =>
    (operations[`${name}.${action}`]?.messages ?? []).map(({ $ref }) => {
      const message = $ref.slice($ref.lastIndexOf("/") + 1)
      return messageShape(`${name}-${message}`, message, components, link)
    })
  return html`<article id="${name}-socket" aria-labelledby="${name}-title">
  <h3 id="${name}-title"><span class="method">WS</span> <code>${addressOf(name, address)}</code> ${title}</h3>
  <p>${prose(description)}</p>
  ${programs(channel["x-codeSamples"])}
  ${folded("Parameters of the address", fieldList(bindings.ws.query, link))}
  <h4>A client sends</h4>${told("receive")}
  <h4>A client gets</h4>${told("send")}
</article>`
}

function messageShape(id: string, name: string, { messages, schemas }: AsyncApi["components"], link: Link): Html {
  const message = messages[name] as Message
  const schema = schemas[name]
  const kind = name.slice(name.indexOf(".") + 1)
  if (schema) return shape(id, kind, schema, link)
  return html`<p id="${id}"><strong>${message.contentType === "text/plain" ? "text" : "binary"}</strong> ${prose(message.summary)}</p>`
}

function shape(id: string, name: string, schema: JsonSchema, link: Link): Html {
  const meaning = typeof schema.description === "string" ? html` ${prose(schema.description)}` : NOTHING
  return html`<details><summary><code>${name}</code>${meaning}</summary><div id="${id}">${fieldList(schema, link)}</div></details>`
}

function folded(title: string, inside: Html): Html {
  return html`<details><summary>${title}</summary>${inside}</details>`
}

function programs(samples: readonly Sample[]): Html[] {
  const hasCurl = samples.some(({ lang }) => lang === "Shell")
  return samples.map(({ lang, label, source }) => {
    const choice = lang === "JavaScript" && !hasCurl ? "curl js" : CHOICES[lang]
    return html`<figure class="program" data-lang="${choice}"><figcaption>${label}</figcaption><pre tabindex="0" aria-label="${label}"><code>${source}</code></pre></figure>`
  })
}
