// Base64 (RFC 4648 §4) on every platform.

export const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** Throws DOMException for what is not base64. White space is passed over, and padding may be left out. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
