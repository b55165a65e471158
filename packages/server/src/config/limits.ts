// Bounds of the settings themselves. Units are at the end of each name.

export const configLimits = {
  apiKeyChars: 12,
  apiSecretCharsMin: 32,
  apiSecretCharsRecommended: 64,
  apiSecretCharsMax: 256,
  adminTokenCharsMin: 32,
  adminTokenCharsMax: 512,
  /** Any one setting. */
  valueCharsMax: 4096,
  /** Addresses and networks in WEIR_TRUST_PROXY. */
  trustProxyEntriesMax: 64,
  /** A name in the environment that is further than this from every setting gets no suggestion. */
  suggestionEditsMax: 4,
  /** The file of the master keys: as many as a ring may have, with room for line ends. */
  masterKeyFileBytesMax: 1024,
} as const

/** Certificates on disk. */
export const tlsLimits = {
  /** A certificate with its chain, or a key. */
  fileBytesMax: 256 * 1024,
  chainCertificatesMax: 16,
  /** How often the files are looked at. A change is taken when it lasted from one look to the next. */
  pollMs: 2_000,
} as const
