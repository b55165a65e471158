// Feeds v2 (paths under /api/v1.0/) speaks another table: the same numbers mean other things there, so it is a
// type of its own and nothing converts between the two by number. Source: contract/auth.md §5.3, contract/feeds.md A4.

export interface FeedsV2CatalogueEntry {
  readonly code: number
  readonly status: number
  /** Class name that the classic clients expect in `exception`. */
  readonly exception: string
}

export const feedsV2ErrorCatalogue = {
  internal: { code: -1, status: 500, exception: "InternalServerException" },
  apiKey: { code: 2, status: 401, exception: "ApiKeyException" },
  signature: { code: 3, status: 401, exception: "SignatureException" },
  input: { code: 4, status: 400, exception: "InputException" },
  customField: { code: 5, status: 400, exception: "CustomFieldException" },
  feedConfig: { code: 6, status: 400, exception: "FeedConfigException" },
  siteSuspended: { code: 7, status: 401, exception: "SiteSuspendedException" },
  rateLimit: { code: 9, status: 429, exception: "RateLimitReached" },
  missingUser: { code: 10, status: 400, exception: "MissingUserException" },
  ranking: { code: 11, status: 400, exception: "RankingException" },
  missingRanking: { code: 12, status: 400, exception: "MissingRankingException" },
  missingActivity: { code: 13, status: 400, exception: "MissingActivityException" },
  aggregation: { code: 14, status: 400, exception: "JinjaRuntimeException" },
  notFound: { code: 16, status: 404, exception: "DoesNotExistException" },
  notAllowed: { code: 17, status: 403, exception: "NotAllowedException" },
  methodNotAllowed: { code: 17, status: 405, exception: "NotAllowedException" },
  payloadTooBig: { code: 18, status: 413, exception: "InputException" },
  conflict: { code: 22, status: 409, exception: "ConflictException" },
} as const satisfies Record<string, FeedsV2CatalogueEntry>
