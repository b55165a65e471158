// Which peers may say, in X-Forwarded-For and X-Forwarded-Proto, who is really calling. Anybody can send these
// headers, so they count only from peers that the operator names.

import { BlockList, isIP } from "node:net"
import { configLimits } from "./limits.ts"

export interface TrustProxy {
  /** `none`: the headers are ignored. `any`: every peer counts as a proxy. `listed`: those named. */
  readonly mode: "none" | "any" | "listed"
  /** Whether the headers of this peer count. Takes the address as the socket reports it. */
  trusts(peerAddress: string): boolean
}

export const trustNoProxy: TrustProxy = { mode: "none", trusts: () => false }
const trustAnyProxy: TrustProxy = { mode: "any", trusts: () => true }

/** Reads WEIR_TRUST_PROXY. Throws RangeError with a reason that completes «WEIR_TRUST_PROXY …». */
export function parseTrustProxy(value: string): TrustProxy {
  if (value === "true") return trustAnyProxy
  if (value === "false") return trustNoProxy
  const entries = value.split(",").map((entry) => entry.trim())
  if (entries.length > configLimits.trustProxyEntriesMax) {
    throw new RangeError(`lists ${entries.length} proxies, at most ${configLimits.trustProxyEntriesMax} are allowed`)
  }
  const proxies = new BlockList()
  for (const entry of entries) addEntry(proxies, entry)
  return {
    mode: "listed",
    trusts: (peerAddress) => {
      const family = isIP(peerAddress)
      // BlockList knows IPv4 addresses in their IPv6 form (::ffff:10.0.0.1), which dual-stack sockets report.
      return family !== 0 && proxies.check(peerAddress, family === 4 ? "ipv4" : "ipv6")
    },
  }
}

function addEntry(proxies: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/")
  const version = isIP(address)
  if (version === 0 || address.includes("%") || rest.length > 0) throw new RangeError(notAnEntry(entry))
  const family = version === 4 ? "ipv4" : "ipv6"
  if (prefix === undefined) {
    proxies.addAddress(address, family)
    return
  }
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (!(bits <= (version === 4 ? 32 : 128))) throw new RangeError(notAnEntry(entry))
  // A prefix of 0 bits is `true` in disguise; whoever means it should say it.
  if (bits === 0) throw new RangeError(`has ${entry}, which is everybody; write true if that is meant`)
  proxies.addSubnet(address, bits, family)
}

const notAnEntry = (entry: string): string =>
  `has ${JSON.stringify(entry.slice(0, 60))}, which is neither an address nor a network such as 10.0.0.0/8`
