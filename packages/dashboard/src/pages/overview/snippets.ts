// Code to copy, with the app's own key and address in it. The secret never stands in it.

export const mintWithNode = (apiKey: string): string => `// Backend. The API secret stays here: WEIR_API_SECRET.
import { createToken } from "@weir/sdk-server"

// For API key ${apiKey}.
const token = createToken(process.env.WEIR_API_SECRET, "jessica", { expiresIn: "1h" })
console.log(token)`

export const mintWithShell = (origin: string): string => `# On a machine that has the secret, against ${origin}.
WEIR_API_SECRET=… weir token create jessica --expires-in 1h`

export const connectWithNode = (apiKey: string, origin: string): string => `// Browser, React Native or Node.
import { WeirClient } from "@weir/sdk-client"

const client = new WeirClient({ apiKey: "${apiKey}", baseUrl: "${origin}" })
// The token, or a function that asks your backend for one each time it is needed.
await client.connect({ id: "jessica", name: "Jessica" }, token)

const channel = client.channel("messaging", "general", { members: ["jessica"] })
await channel.watch()
await channel.sendMessage({ text: "hello" })`

export const connectWithSocket = (apiKey: string, origin: string): string => `# Any request with key and token counts.
curl "${origin}/api/v2/users?api_key=${apiKey}&payload=%7B%7D" \\
  -H "stream-auth-type: jwt" \\
  -H "authorization: $TOKEN"`
