// Which addresses and names of the network a request to somebody else's URL may go to. Pure: nothing is looked up.
// An address counts as public only where the registries say that the whole Internet may reach it (RFC 6890 and IANA's
// special-purpose registries for IPv4 and IPv6); what is not known to be so is not public.

import { isIP } from "node:net"
import ipaddr from "ipaddr.js"
import { limits } from "./limits.ts"

/**
 * Who an address belongs to. `public`: anybody on the Internet. `private`: this machine and its own network, also
 * what leads there under another spelling. `never`: nobody that listens to requests from outside: metadata services of
 * clouds, link-local, multicast and reserved addresses, and whatever is no address.
 */
export type Reach = "public" | "private" | "never"

type Range = readonly [network: string, bits: number]

const neverIPv4: readonly Range[] = [
  ["169.254.0.0", 16], // link-local (RFC 3927); the metadata services of most clouds
  ["100.100.100.200", 32], // metadata service of Alibaba Cloud
  ["168.63.129.16", 32], // host of Azure's virtual machines, an address that looks public
  ["192.0.0.192", 32], // metadata service of Oracle Cloud, older machines
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, and broadcast
]

const notPublicIPv4: readonly Range[] = [
  ["0.0.0.0", 8], // «this network», which connects to this machine
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // carrier-grade NAT (RFC 6598)
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24], // protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.31.196.0", 24], // AS112
  ["192.52.193.0", 24], // AMT relays
  ["192.88.99.0", 24], // 6to4 relays, given up
  ["192.168.0.0", 16],
  ["192.175.48.0", 24], // AS112
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
]

const neverIPv6: readonly Range[] = [
  ["fd00:ec2::254", 128], // metadata service of Amazon
  ["fd20:ce::254", 128], // metadata service of Google
  ["fd00:c1::a9fe:a9fe", 128], // metadata service of Oracle
  ["fe80::", 10], // link-local
  ["ff00::", 8], // multicast
]

// Only 2000::/3 is given out for use on the Internet; these parts of it are not.
const globalIPv6: Range = ["2000::", 3]
const notPublicIPv6: readonly Range[] = [
  ["2001::", 23], // protocol assignments: Teredo, benchmarks, ORCHID
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4, given up: the IPv4 address within may be anybody's
  ["2620:4f:8000::", 48], // AS112
  ["3ffe::", 16], // the test network that has ended
  ["3fff::", 20], // documentation (RFC 9637)
]

// Addresses with an IPv4 address within: where its first octet lies, and whether the bits are turned over.
const carriers: readonly { readonly range: Range; readonly at: number; readonly isInverted?: true }[] = [
  { range: ["::", 96], at: 12 }, // IPv4-compatible, given up
  { range: ["::ffff:0:0", 96], at: 12 }, // IPv4-mapped
  { range: ["::ffff:0:0:0", 96], at: 12 }, // translated (RFC 2765)
  { range: ["64:ff9b::", 96], at: 12 }, // NAT64 (RFC 6052)
  { range: ["64:ff9b:1::", 48], at: 12 }, // NAT64 of one's own network (RFC 8215)
  { range: ["2001::", 32], at: 12, isInverted: true }, // Teredo: the client
  { range: ["2001::", 32], at: 4 }, // Teredo: the server
  { range: ["2002::", 16], at: 2 }, // 6to4
]

// A network whose only way to IPv4 is a translator gives each public name such an address.
const translated: Range = ["64:ff9b::", 96]

const parsedIPv4 = ([network, bits]: Range): [ipaddr.IPv4, number] => [ipaddr.IPv4.parse(network), bits]
const parsedIPv6 = ([network, bits]: Range): [ipaddr.IPv6, number] => [ipaddr.IPv6.parse(network), bits]
const never4 = neverIPv4.map(parsedIPv4)
const notPublic4 = notPublicIPv4.map(parsedIPv4)
const never6 = neverIPv6.map(parsedIPv6)
const notPublic6 = notPublicIPv6.map(parsedIPv6)
const global6 = parsedIPv6(globalIPv6)
const translated6 = parsedIPv6(translated)
const carriers6 = carriers.map(({ range, ...rest }) => ({ range: parsedIPv6(range), ...rest }))

/** The reach of an address in its usual spelling: four decimal numbers, or IPv6 without brackets and without a zone. */
export function reachOf(address: string): Reach {
  if (address.includes("%")) return "never"
  const family = isIP(address)
  if (family === 4) return reachOfIPv4(ipaddr.IPv4.parse(address))
  return family === 6 ? reachOfIPv6(ipaddr.IPv6.parse(address)) : "never"
}

// Both the tables above and the library's own must call an address ordinary.
function reachOfIPv4(address: ipaddr.IPv4): Reach {
  if (never4.some((range) => address.match(range))) return "never"
  if (notPublic4.some((range) => address.match(range)) || address.range() !== "unicast") return "private"
  return "public"
}

function reachOfIPv6(address: ipaddr.IPv6): Reach {
  if (never6.some((range) => address.match(range))) return "never"
  const bytes = address.toByteArray()
  const within = carriers6
    .filter(({ range }) => address.match(range))
    .map(({ at, isInverted }) => {
      const octets = bytes.slice(at, at + 4)
      return reachOfIPv4(new ipaddr.IPv4(isInverted ? octets.map((octet) => 255 - octet) : octets))
    })
  // ::1 and :: hold 0.0.0.1 and 0.0.0.0, which are private as they are.
  if (within.includes("never")) return "never"
  if (address.match(translated6)) return within.includes("private") ? "private" : "public"
  if (within.length > 0 || !address.match(global6) || notPublic6.some((range) => address.match(range))) return "private"
  return address.range() === "unicast" ? "public" : "private"
}

/** Whether a request may go to an address: public ones, and with `allowPrivate` those of the own network too. */
export const mayReach = (address: string, allowPrivate: boolean): boolean => {
  const reach = reachOf(address)
  return reach === "public" || (allowPrivate && reach === "private")
}

// Names that mean something inside a network only (RFC 6761, 6762, 8375, 7686, ICANN's reservation of «internal»).
const privateNames = ["localhost", "local", "internal", "localdomain", "home.arpa", "intranet", "lan", "onion"]

/**
 * Why a request may not go to a host, as the end of a sentence that begins with the URL; null when nothing speaks against
 * it before its name is looked up. Takes a name in lower case and ASCII, or an address; without brackets, port and the
 * dot at the end.
 */
export function hostObjection(host: string, allowPrivate: boolean): string | null {
  if (isIP(host) !== 0) {
    if (mayReach(host, allowPrivate)) return null
    return allowPrivate && reachOf(host) === "never"
      ? "names an address that no receiver has"
      : "names an address that is not public"
  }
  if (!isHostName(host)) return "names no host that can be looked up"
  if (allowPrivate) return null
  if (!host.includes(".")) return "names a host of a private network (a name without a dot)"
  const ending = privateNames.find((name) => host === name || host.endsWith(`.${name}`))
  return ending === undefined ? null : `names a host of a private network (${ending})`
}

// Letters, digits, hyphens and underscores, labels of 1 to 63 (RFC 1035 §2.3.4). Whoever looks up a name whose last
// label is a number may take it for a spelling of an IPv4 address.
const isHostName = (host: string): boolean =>
  host.length <= limits.hostCharsMax &&
  /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(host) &&
  !/(^|\.)(\d+|0x[\da-f]*)$/.test(host)

/** Where a request goes. */
export interface Target {
  readonly scheme: "https" | "http"
  /** Name or address, lower case, without brackets and without a dot at the end. */
  readonly host: string
  readonly port: number
  /** As it stands in the Host header: with brackets, and with the port where it is not the scheme's own. */
  readonly authority: string
  /** Path and query, which begins with `/`. */
  readonly path: string
}

/** Why a request may not go to a URL: the end of a sentence that begins with it. */
export interface Refused {
  readonly objection: string
  /** It is the place that is refused, not the way that it is written. */
  readonly isPlace: boolean
}

/**
 * Takes a URL apart as the URL standard of WHATWG does, which writes every spelling of an IPv4 address alike (decimal,
 * octal, hexadecimal, short, full-width), and judges it.
 */
export function parseTarget(url: string, allowPrivate: boolean): Target | Refused {
  const refuse = (objection: string): Refused => ({ objection, isPlace: false })
  if (url.length > limits.outgoingUrlCharsMax) {
    return refuse(`is longer than ${limits.outgoingUrlCharsMax} characters`)
  }
  // Those are dropped or turned by the parser, so that people and other programs would read another URL than it does.
  if (/[\p{Cc}\s\\]/u.test(url)) return refuse("has a space, a control character or a backslash in it")
  const parsed = URL.parse(url)
  if (parsed === null) return refuse("is not a URL")
  const isPlain = parsed.protocol === "http:" && allowPrivate
  if (parsed.protocol !== "https:" && !isPlain) return refuse("is not an https URL")
  // The parser would add the slashes that are missing, and take away those that are too many.
  if (!/^https?:\/\/[^/]/i.test(url)) return refuse("is not a URL")
  if (parsed.username !== "" || parsed.password !== "" || /^[^/]*\/\/[^/?#]*@/.test(url)) {
    return refuse("has credentials in it")
  }
  if (url.includes("#")) return refuse("has a fragment (#)")
  if (parsed.port === "0") return refuse("has port 0")
  const host = bareHost(parsed.hostname)
  const objection = hostObjection(host, allowPrivate)
  if (objection !== null) return { objection, isPlace: true }
  const scheme = isPlain ? "http" : "https"
  const bracketed = host.includes(":") ? `[${host}]` : host
  return {
    scheme,
    host,
    port: parsed.port === "" ? (isPlain ? 80 : 443) : Number(parsed.port),
    authority: parsed.port === "" ? bracketed : `${bracketed}:${parsed.port}`,
    path: `${parsed.pathname}${parsed.search}`,
  }
}

/**
 * A host in any spelling as it stands in a Target: name or address, IPv6 with or without brackets. Null when it is
 * neither.
 */
export function normalHost(host: string): string | null {
  if (host.length > limits.outgoingUrlCharsMax) return null
  const bracketed = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  if (/[\p{Cc}\s\\/?#@]/u.test(host) || !/^([^:]+|\[.*\])$/.test(bracketed)) return null
  const parsed = URL.parse(`https://${bracketed}/`)
  return parsed === null ? null : bareHost(parsed.hostname)
}

const bareHost = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "")
