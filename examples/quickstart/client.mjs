import { StreamChat } from 'stream-chat';

const api_key = 'YOUR_API_KEY'; // Your public API Key
const user_id = 'jessica_smith'; // Must match the user_id used to generate the token
const token = 'GENERATED_TOKEN_FROM_YOUR_SERVER'; // The token received from your backend

const client = StreamChat.getInstance(api_key);

// Connect the user using the token
await client.connectUser(
  { id: user_id, name: 'Jessica Smith', image: 'https://getstream.io/random_png/' },
  token,
);

console.log('Stream Chat client connected:', client.connectedUsers.current.id);
// Now you can interact with Stream's chat APIs securely.
