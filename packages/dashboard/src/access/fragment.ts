/** What stands behind `#` in the address: one-time tokens travel there, because no server and no log sees it. */
export const tokenInAddress = (): string => decodeURIComponent(location.hash.slice(1))
