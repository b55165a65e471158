// Apps write custom data flat, beside the known fields; the wire nests it in `custom`. Here one form becomes the
// other (contract/chat.md §0.3b). A known field always wins over custom data of the same name.

/** A plain object of the app: known fields and custom data side by side. */
export type Flat = Record<string, unknown>

const userFields = fieldSet("id name image language invisible role teams teams_role privacy_settings")
const channelFields = fieldSet(
  "members invites team frozen disabled created_by created_by_id filter_tags config_overrides",
  "auto_translation_enabled auto_translation_language",
)
const memberFields = fieldSet("user_id user channel_role")
const messageFields = fieldSet(
  "id text type attachments mentioned_users parent_id show_in_channel quoted_message_id silent user_id user pinned",
  "pinned_at pin_expires poll_id mml html restricted_visibility",
)
const attachmentFields = fieldSet(
  "type title title_link text image_url thumb_url asset_url og_scrape_url author_name author_link author_icon footer",
  "footer_icon fields actions color fallback pretext giphy original_width original_height",
)
const eventFields = fieldSet("type parent_id user_id user")

/** Levels below which an answer is passed on as it is; the wire's own objects are far shallower. */
const depthMax = 12

export const userToWire = <Wire>(user: Flat): Wire => nested(user, userFields) as Wire

export function channelToWire<Wire>(data: Flat): Wire {
  const { members } = data
  const wire = nested(data, channelFields)
  if (Array.isArray(members)) {
    wire.members = members.map((member) => (isObject(member) ? nested(member, memberFields) : member))
  }
  return wire as Wire
}

export function messageToWire<Wire>(message: Flat): Wire {
  const wire = nested(message, messageFields)
  if (Array.isArray(message.attachments)) {
    wire.attachments = message.attachments.map((attachment) => nested(attachment as Flat, attachmentFields))
  }
  return wire as Wire
}

export const eventToWire = <Wire>(event: Flat): Wire => nested(event, eventFields) as Wire

/** An answer or event with every `custom` spread into the object that holds it. */
export function fromWire<Answer>(value: unknown, depth = 0): Answer {
  if (depth > depthMax) return value as Answer
  if (Array.isArray(value)) return value.map((item) => fromWire(item, depth + 1)) as Answer
  if (!isObject(value)) return value as Answer
  const { custom, ...known } = value
  // Custom data is the app's own, so what is inside of it stays as it is.
  const entries = Object.entries(known).map(([name, member]) => [name, fromWire(member, depth + 1)] as const)
  if (isObject(custom)) return { ...custom, ...Object.fromEntries(entries) } as Answer
  return Object.fromEntries(custom === undefined ? entries : [...entries, ["custom", custom]]) as Answer
}

/** Each member is one of `{name: 1}`, or `{field, direction}` already. */
export function sortToWire(sort: SortInput | undefined): { field: string; direction: 1 | -1 }[] | undefined {
  if (sort === undefined) return undefined
  return [sort].flat().flatMap((part) => {
    if (typeof part.field === "string") return [{ field: part.field, direction: part.direction === -1 ? -1 : 1 }]
    return Object.entries(part).map(([field, direction]) => ({ field, direction: direction === -1 ? -1 : 1 }) as const)
  }) as { field: string; direction: 1 | -1 }[]
}

type SortPart = Record<string, 1 | -1> | { field: string; direction?: 1 | -1 }
export type SortInput = SortPart | SortPart[]

function nested(flat: Flat, known: ReadonlySet<string>): Flat {
  const wire: [string, unknown][] = []
  const custom: [string, unknown][] = []
  for (const [name, value] of Object.entries(flat)) {
    if (name === "custom" || value === undefined) continue
    ;(known.has(name) ? wire : custom).push([name, value])
  }
  const given = isObject(flat.custom) ? flat.custom : {}
  const all = { ...given, ...Object.fromEntries(custom) }
  return Object.fromEntries(Object.keys(all).length === 0 ? wire : [...wire, ["custom", all]])
}

const isObject = (value: unknown): value is Flat => typeof value === "object" && value !== null && !Array.isArray(value)

function fieldSet(...lines: string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(" ")))
}
