// What the end of a secret would cut off, in the words of the dry run.

import { Alert, Skeleton, Text } from "@mantine/core"
import { AlertIcon, CheckCircleIcon } from "@primer/octicons-react"
import type { CutOff } from "./wire.ts"

const number = new Intl.NumberFormat("en")

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${number.format(count)} ${count === 1 ? one : many}`

export function CutOffNote({ cutOff, sockets }: { cutOff: CutOff | undefined; sockets?: number | undefined }) {
  if (cutOff === undefined) return <Skeleton height={84} radius="md" aria-label="Counting" />
  const { tokens, users, safe, because } = cutOff
  const ends = `${counted(tokens, "token")} of ${counted(users, "user")}${
    sockets === undefined ? "" : ` and ${counted(sockets, "open socket")}`
  }`
  return (
    <Alert
      color={safe ? "teal" : "orange"}
      icon={safe ? <CheckCircleIcon /> : <AlertIcon />}
      title={safe ? "Safe: nobody would notice" : `It would end ${ends}`}
    >
      <Text size="sm">
        {safe ? `It would end ${ends}. ` : ""}
        {sentence(because)}
      </Text>
    </Alert>
  )
}

/** The server's half sentence as a whole one. */
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
