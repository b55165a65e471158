// Where a request really comes from. Behind a trusted proxy the header names the client; of a chain, the last address
// that no trusted proxy vouches for is the one that counts, because everything before it can be made up.

export interface TrustedProxies {
  trusts(address: string): boolean
}

const hopsMax = 20

/** The client's address, from the peer of the connection and `X-Forwarded-For`. */
export function clientAddress(peerAddress: string, forwardedFor: string | null, proxies: TrustedProxies): string {
  if (forwardedFor === null || !proxies.trusts(peerAddress)) return peerAddress
  const hops = forwardedFor.split(",", hopsMax + 1).map((hop) => hop.trim())
  if (hops.length > hopsMax) return peerAddress
  for (const hop of hops.reverse()) {
    if (!isAddress(hop)) return peerAddress
    if (!proxies.trusts(hop)) return hop
  }
  return hops.at(-1) ?? peerAddress
}

/**
 * Whether a connection without TLS of its own can be read by nobody in between: TLS ended at a trusted proxy that says
 * so, or both ends are this machine and no proxy stands between. A proxy that nobody named is believed in nothing.
 */
export function isPrivateHop(peerAddress: string, headers: Headers, proxies: TrustedProxies): boolean {
  if (proxies.trusts(peerAddress) && headers.has("x-forwarded-proto")) {
    return headers.get("x-forwarded-proto")?.toLowerCase() === "https"
  }
  return isLoopback(peerAddress) && !headers.has("x-forwarded-for") && !headers.has("forwarded")
}

/** Whether an address is this machine's own. */
export const isLoopback = (address: string): boolean =>
  address === "::1" || /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address)

const isAddress = (text: string): boolean => /^[0-9a-fA-F:.]{2,45}$/.test(text)
