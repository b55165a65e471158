// A self-signed certificate for tests, built here so that no private key lies in the repository and no program has to
// be installed. X.509 v3 (RFC 5280), ECDSA P-256 with SHA-256, for localhost and 127.0.0.1.

import { generateKeyPairSync, randomBytes, sign } from "node:crypto"

export interface SelfSigned {
  readonly cert: string
  readonly key: string
}

/** Makes a certificate whose common name is `name`, valid for `days` from yesterday on. */
export function selfSigned(name: string, days = 30): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
  const commonName = sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(name)))))
  const now = Date.now()
  const dayMs = 86_400_000
  const altNames = sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.of(127, 0, 0, 1)))
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    commonName,
    sequence(utcTime(now - dayMs), utcTime(now + days * dayMs)),
    commonName,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(sequence(oid("551d11"), der(0x04, altNames)))),
  )
  const signature = sign("sha256", toBeSigned, privateKey)
  const certificate = sequence(toBeSigned, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.of(0), signature])))
  const base64 = certificate.toString("base64").replace(/.{64}/g, "$&\n").trimEnd()
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  }
}

// Distinguished Encoding Rules: tag, length, content. Lengths below 128 take one byte, longer ones say how many follow.
function der(tag: number, content: Buffer): Buffer {
  const length = content.length
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.of(tag, ...head), content])
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts))
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"))
const utcTime = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`))
