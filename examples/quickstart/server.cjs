const StreamChat = require('stream-chat').StreamChat;

const api_key = 'YOUR_API_KEY';
const api_secret = 'YOUR_API_SECRET';

const serverClient = StreamChat.getInstance(api_key, api_secret);

// user_id should be unique to your application's user
const user_id = 'jessica_smith';

// Generate a token for the user
const token = serverClient.createToken(user_id);

console.log('Generated token:', token);
// This token should be sent to your client-side application.
