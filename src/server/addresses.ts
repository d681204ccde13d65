/**
 * From which machine a request comes, as far as limits go. Pure.
 */
import { isIP } from "node:net"

/**
 * `peer` is who holds the connection. With `proxyHops` trusted proxies in front each has added whom it saw to
 * `X-Forwarded-For`; what stands further left anybody may have written. Of IPv6 the network counts: one machine has 2^64
 * addresses of it.
 */
export function clientAddress(peer: string, forwardedFor: string | null, proxyHops: number): string {
  const seen = forwardedFor?.split(",") ?? []
  const told = bare((proxyHops > 0 ? seen.at(-proxyHops) : undefined) ?? "")
  // Written by a trusted proxy, or by a client who came past it: then who holds the connection counts.
  return networkOf(isIP(told) ? told : bare(peer))
}

/** Without what some proxies write around an address: quotes, brackets, the port, the zone. */
function bare(told: string): string {
  const text = told.trim().replace(/^"(.*)"$/, "$1")
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(text) ?? []
  const [, ported] = /^([\d.]+):\d+$/.exec(text) ?? []
  return (bracketed ?? ported ?? text).replace(/%.*$/, "")
}

function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 255])
      .join(".")
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`
}

/** Of an address of IPv6, all eight. */
function groupsOf(address: string): number[] {
  // As browsers write it: compressed, and without dots.
  const [left = "", right = ""] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::", 2)
  const [head = [], tail = []] = [left, right].map((half) =>
    half === "" ? [] : half.split(":").map((group) => Number.parseInt(group, 16)),
  )
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}
