// Where attachments lead. Pure.

export interface AttachmentLink {
  readonly key: string
  readonly type: string | null
  readonly title: string
  /** Null: it leads nowhere, or to what a browser should not open. */
  readonly url: string | null
}

const urlMembers = ["asset_url", "image_url", "title_link", "og_scrape_url", "thumb_url", "author_link"] as const

/** One link for each attachment. Only web addresses become links: content may hold `javascript:` and worse. */
export const attachmentLinks = (attachments: readonly object[]): AttachmentLink[] =>
  attachments.map((attachment, index) => {
    const members = attachment as Readonly<Record<string, unknown>>
    const textOf = (name: string): string | null => {
      const value = members[name]
      return typeof value === "string" && value !== "" ? value : null
    }
    const url = urlMembers.map(textOf).find((value) => value !== null && isWebAddress(value)) ?? null
    const title = textOf("title") ?? textOf("fallback") ?? textOf("text") ?? url ?? "attachment"
    return { key: `${index} ${url ?? title}`, type: textOf("type"), title, url }
  })

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol } = new URL(text)
  return protocol === "https:" || protocol === "http:"
}
