// Certificate and key: read from disk, checked, and read again when they change. A pair that does not work is never
// handed over, so a renewal that goes wrong leaves the gate open with the old certificate and a line in the log.

import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { stat } from "node:fs/promises"
import { tlsLimits } from "../config/limits.ts"

/** A certificate and its private key that are known to belong together. PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
  /** Names of the certificate, for the log. */
  readonly names: string
  /** End of the certificate's time, milliseconds since 1970. */
  readonly expiresAt: number
}

/** A pair that cannot be used; the message names the file and holds nothing of the key. */
export class TlsFilesError extends Error {
  override readonly name = "TlsFilesError"
}

/** Reads and checks a pair. Throws TlsFilesError when a file is missing, is not PEM, or is not the other one's. */
export function readTlsPair(certPath: string, keyPath: string): TlsPair {
  const cert = readBounded(certPath)
  const key = readBounded(keyPath)
  const blocks = cert.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  const [leaf] = blocks.slice(0, tlsLimits.chainCertificatesMax).map((block) => certificateOf(block, certPath))
  if (leaf === undefined) throw new TlsFilesError(`${certPath} holds no PEM certificate`)
  if (blocks.length > tlsLimits.chainCertificatesMax) {
    throw new TlsFilesError(`${certPath} holds more than ${tlsLimits.chainCertificatesMax} certificates`)
  }
  if (!leaf.checkPrivateKey(privateKeyOf(key, keyPath))) {
    throw new TlsFilesError(`the certificate in ${certPath} does not belong to the key in ${keyPath}`)
  }
  return { cert, key, names: leaf.subjectAltName ?? leaf.subject, expiresAt: Date.parse(leaf.validTo) }
}

export interface TlsWatch {
  close(): void
}

export interface TlsWatchOptions {
  /** Takes a pair that was checked and differs from the one before. */
  readonly onChange: (pair: TlsPair) => void
  /** Takes one line for the log when changed files cannot be used. Told once for each change. */
  readonly onFault: (message: string) => void
  readonly pollMs?: number
}

/**
 * Watches the two files and hands over each new working pair. `current` is the pair that is in use now.
 *
 * It looks at the files instead of asking the system to be told: certificates are renewed by renaming, through symbolic
 * links (Kubernetes, certbot) and on network disks, where notifications are lost. A change counts when it looks the
 * same twice in a row, so that a renewal which writes one file after the other is read when both are there.
 */
export function watchTlsFiles(certPath: string, keyPath: string, current: TlsPair, options: TlsWatchOptions): TlsWatch {
  let inUse = current
  // Whether `current` is what lies on the disk now is not known, so the first stable look reads the files too.
  let handled = ""
  let lastSeen = ""
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const seen = `${await fingerprint(certPath)} ${await fingerprint(keyPath)}`
    isLooking = false
    const isStable = seen === lastSeen
    lastSeen = seen
    if (!isStable || seen === handled || isClosed) return
    handled = seen
    try {
      const pair = readTlsPair(certPath, keyPath)
      if (pair.cert === inUse.cert && pair.key === inUse.key) return
      options.onChange(pair)
      inUse = pair
    } catch (error) {
      options.onFault(`the changed certificate is not used: ${(error as Error).message}`)
    }
  }
  let isClosed = false
  const timer = setInterval(look, options.pollMs ?? tlsLimits.pollMs)
  timer.unref()
  return {
    close: () => {
      isClosed = true
      clearInterval(timer)
    },
  }
}

// Follows links. The change time is there for files that were replaced within one tick of the clock or set back.
async function fingerprint(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

function readBounded(path: string): string {
  try {
    if (statSync(path).size > tlsLimits.fileBytesMax) throw new Error(`larger than ${tlsLimits.fileBytesMax} bytes`)
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new TlsFilesError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

function certificateOf(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw new TlsFilesError(`${path} holds a damaged certificate`)
  }
}

function privateKeyOf(pem: string, path: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new TlsFilesError(`${path} holds no PEM private key, or one that is locked with a password`)
  }
}
