// Bounds that the wire itself has: a client may rely on them. Bounds of one module stand in that module's limits.ts,
// bounds of the server's machinery in packages/server/src/config/limits.ts. Units are at the end of each name.

export const limits = {
  /** A token longer than this is refused before anything of it is read. */
  tokenBytesMax: 8 * 1024,
  /** Any request body, compressed or not (uploads have their own bound). */
  bodyBytesMax: 1024 * 1024,
  /** Custom data of a user, channel, member or call. */
  customBytesMax: 5 * 1024,
  usersPerRequestMax: 100,
  pageSizeDefault: 25,
  pageSizeMax: 100,
  pageOffsetMax: 1000,
  filterDepthMax: 6,
  filterNodesMax: 100,
  /** Conditions on custom data, and words to search for, in one filter: each costs a look into every row. */
  filterScansMax: 10,
  filterValuesMax: 100,
  sortFieldsMax: 5,
  stringCharsMax: 5000,
  urlCharsMax: 16 * 1024,
  jsonDepthMax: 64,
} as const
