// Bounds of feeds that a client may rely on (contract/feeds.md part B; where it is silent, ours).

export const feedLimits = {
  activitiesPageDefault: 25,
  activitiesPageMax: 100,
  /** Followers and followed feeds in one answer. */
  followsPageDefault: 10,
  followsPageMax: 100,
  membersPageDefault: 25,
  membersPageMax: 100,
  membersPerRequestMax: 100,
  membersPerFeedMax: 500,
  /** Feeds that one feed follows or has asked to follow: a timeline is merged from so many at most. */
  followsPerFeedMax: 2000,
  /** Feeds that one activity stands in. */
  feedsPerActivityMax: 25,
  textCharsMax: 10_000,
  attachmentsPerActivityMax: 30,
  /** All attachments of an activity together, as JSON. */
  attachmentsBytesMax: 10 * 1024,
  tagsMax: 50,
  tagCharsMax: 255,
  mentionsPerActivityMax: 25,
  nameCharsMax: 255,
  descriptionCharsMax: 1000,
  cursorCharsMax: 8192,
} as const
