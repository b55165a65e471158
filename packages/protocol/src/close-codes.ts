// Close codes of a socket. The range tells a client whether to come back: 1000 is a normal end, 1012 and 4000-4499
// mean «come back» (with back-off; 4040 with a new token first), 4500-4999 mean «do not». Where an error of the
// catalogue is the reason, the code is the base of its range plus the error's number.

import { type ErrorName, errorCatalogue } from "./errors.ts"

export const closeCodes = {
  normal: 1000,
  /** The node drains; another one, or this one restarted, will answer. */
  serviceRestart: 1012,
  firstFrameTimeout: 4000,
  silence: 4001,
  /** What the connection may hear has changed; a new one asks for it again. */
  rightsChanged: 4003,
  slowConsumer: 4008,
  frameTooBig: 4522,
  protocolViolation: 4504,
} as const

const comeBackBase = 4000
const stayAwayBase = 4500

/** The close code for an error of the catalogue. */
export function closeCodeOf(kind: ErrorName): number {
  const { code, retry } = errorCatalogue[kind]
  if (code < 0) return comeBackBase + 499
  return (retry === "never" ? stayAwayBase : comeBackBase) + code
}

/** Whether a client may connect again after this close code. An abnormal end (1006) counts as a lost network. */
export const mayReconnect = (closeCode: number): boolean =>
  closeCode !== closeCodes.normal && !(closeCode >= stayAwayBase && closeCode <= 4999)
