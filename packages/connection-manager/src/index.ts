// Games

// Sockets
