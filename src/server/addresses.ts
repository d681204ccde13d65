/**
 * From which machine a request comes, as far as limits go. Pure.
 */

/**
 * `peer` is who holds the connection. With `proxyHops` trusted proxies in front each has added whom it saw to
 * `X-Forwarded-For`; what stands further left anybody may have written. Of IPv6 the network counts: one machine has 2^64
 * addresses of it.
 */
export function clientAddress(peer: string, forwardedFor: string | null, proxyHops: number): string {
  const seen = forwardedFor?.split(",").map((one) => one.trim()) ?? []
  const address = proxyHops > 0 ? seen.at(-proxyHops) : undefined
  // Written by a trusted proxy, or by a client who came past it: then who holds the connection counts.
  return networkOf(address !== undefined && ADDRESS.test(address) ? address : peer)
}

/** Enough to tell an address from what a stranger may have written. */
const ADDRESS = /^[0-9a-f.:]{3,45}$/i

function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(":")) return address
  const [left = "", right] = address.toLowerCase().split("::", 2)
  const groups = left === "" ? [] : left.split(":")
  const tail = right === undefined || right === "" ? [] : right.split(":")
  const missing = right === undefined ? [] : Array.from({ length: Math.max(0, 8 - groups.length - tail.length) }, () => "0")
  const network = [...groups, ...missing, ...tail].slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ""))
  return `${network.join(":")}::/64`
}
