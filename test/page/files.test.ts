import { describe, expect, test } from "bun:test"
import { createConnection } from "node:net"
import { connectRaw } from "../support/client.ts"
import { serve } from "../support/server.ts"

const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" }

describe("the files of the page", () => {
  test("a browser gets the page, a terminal the line it always got", async () => {
    const { server } = serve()
    const page = await fetch(server.url, { headers: BROWSER })
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8")
    expect(await page.text()).toStartWith("<!doctype html>")
    const line = await fetch(server.url)
    expect(line.headers.get("content-type")).toBe("text/plain; charset=utf-8")
    expect([page, line].map(({ headers }) => headers.get("vary"))).toEqual(["accept", "accept"])
  })

  test("everything that the pages name is there, from this server, and nothing is inline", async () => {
    const { server } = serve()
    for (const path of ["/", "/status", "/docs"]) {
      const html = await (await fetch(new URL(path, server.url), { headers: BROWSER })).text()
      // What is shown to copy is only text.
      expect(html.replace(/<pre[\s\S]*?<\/pre>/g, "")).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?:\/\//)
      const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, found = ""]) => found)
      expect(named).toContain("/page/page.css")
      for (const file of named) expect((await fetch(new URL(file, server.url), { headers: BROWSER })).status, file).toBe(200)
    }
  })

  test("forbids any code but its own, and to be framed", async () => {
    const { server } = serve()
    for (const path of [
      "/",
      "/status",
      "/docs",
      "/openapi.json",
      "/asyncapi.json",
      "/page/talk.js",
      "/page/microphone.js",
      "/page/sample.wav",
    ]) {
      const { headers } = await fetch(new URL(path, server.url), { headers: BROWSER })
      const policy = headers.get("content-security-policy")
      expect(policy, path).toContain("default-src 'none'")
      expect(policy, path).toContain("script-src 'self';")
      expect(policy, path).toContain("frame-ancestors 'none'")
      expect(policy, path).not.toContain("unsafe")
      expect(headers.get("x-content-type-options"), path).toBe("nosniff")
    }
  })

  test("serves a sample that can be heard", async () => {
    const response = await fetch(new URL("/page/sample.wav", serve().server.url))
    expect(response.headers.get("content-type")).toBe("audio/wav")
    expect((await response.bytes()).length).toBeGreaterThan(200_000)
  })

  test("serves it a thousand times to whoever reads none of them, without a copy of it for each", async () => {
    const { server } = serve()
    const before = process.memoryUsage().rss
    const deaf = createConnection({ host: server.url.hostname, port: Number(server.url.port) })
    deaf.pause()
    deaf.write("GET /page/sample.wav HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1500))
    await Bun.sleep(1000)
    expect((await fetch(new URL("/page/sample.wav", server.url))).status).toBe(200)
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(150)
    deaf.destroy()
  })

  test("has nothing else, whatever is asked for", async () => {
    const { server } = serve()
    for (const path of ["/page/", "/page/talk.ts", "/page/%2e%2e/package.json", "/page/constructor", "/status/"])
      expect((await fetch(new URL(path, server.url))).status, path).toBe(404)
    const { status } = await connectRaw(new URL("/page/../../package.json", server.url))
    expect(status).toBe(404)
    expect((await fetch(new URL("/status", server.url), { method: "POST" })).status).toBe(405)
  })
})
