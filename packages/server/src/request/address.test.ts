import { expect, test } from "bun:test"
import { parseTrustProxy, trustNoProxy } from "../config/trust-proxy.ts"
import { clientAddress, isPrivateHop } from "./address.ts"
import { networkOf } from "./rate-limit.ts"

const listed = parseTrustProxy("10.0.0.0/8")

/** Peer, header, proxies, the address that counts. */
const table: [string, string, string | null, { trusts(address: string): boolean }, string][] = [
  ["no header", "1.2.3.4", null, listed, "1.2.3.4"],
  ["header from a stranger", "1.2.3.4", "9.9.9.9", listed, "1.2.3.4"],
  ["header without any trust", "10.0.0.1", "9.9.9.9", trustNoProxy, "10.0.0.1"],
  ["header from a proxy", "10.0.0.1", "9.9.9.9", listed, "9.9.9.9"],
  ["what the client itself put in front does not count", "10.0.0.1", "8.8.8.8, 9.9.9.9", listed, "9.9.9.9"],
  ["a chain of proxies", "10.0.0.1", "9.9.9.9, 10.0.0.2", listed, "9.9.9.9"],
  ["only proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", listed, "10.0.0.3"],
  ["no address", "10.0.0.1", "<script>", listed, "10.0.0.1"],
  ["too many hops", "10.0.0.1", Array(30).fill("9.9.9.9").join(","), listed, "10.0.0.1"],
]

for (const [name, peer, header, proxies, expected] of table) {
  test(`case 54: ${name}`, () => expect(clientAddress(peer, header, proxies)).toBe(expected))
}

test("case 54: IPv6 callers are counted by their /64, IPv4 by the address", () => {
  expect(networkOf("1.2.3.4")).toBe("1.2.3.4")
  expect(networkOf("::ffff:1.2.3.4")).toBe("1.2.3.4")
  expect(networkOf("2001:db8:1:2:aaaa::1")).toBe("2001:db8:1:2")
  expect(networkOf("2001:db8:1:2:bbbb::1")).toBe(networkOf("2001:db8:1:2:aaaa::1"))
  expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0")
  expect(networkOf("::1")).toBe("0:0:0:0")
})

const trusting = (trusted: string) => ({ trusts: (address: string) => address === trusted })
const privacy: [name: string, peer: string, headers: Record<string, string>, isPrivate: boolean][] = [
  ["the same machine", "127.0.0.1", {}, true],
  ["the same machine over IPv6", "::1", {}, true],
  ["the same machine over a dual-stack socket", "::ffff:127.0.0.1", {}, true],
  ["another machine", "10.0.0.2", {}, false],
  ["a proxy on this machine that nobody named", "127.0.0.1", { "x-forwarded-for": "203.0.113.9" }, false],
  ["a header that anybody can send", "10.0.0.2", { "x-forwarded-proto": "https" }, false],
  ["a trusted proxy that ended TLS", "10.0.0.1", { "x-forwarded-proto": "https" }, true],
  ["a trusted proxy that was reached in the clear", "10.0.0.1", { "x-forwarded-proto": "http" }, false],
  ["a trusted proxy that says nothing", "10.0.0.1", {}, false],
]
for (const [name, peer, headers, isPrivate] of privacy) {
  test(`private hop: ${name}`, () => {
    expect(isPrivateHop(peer, new Headers(headers), trusting("10.0.0.1"))).toBe(isPrivate)
  })
}
