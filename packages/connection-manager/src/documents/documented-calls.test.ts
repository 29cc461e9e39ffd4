import { describeDocumentedGames } from "./documented-games.fixture.js";
import { describeDocumentedSockets } from "./documented-sockets.fixture.js";

// If no variable contains the address of Redis, everything is in memory.
const inMemory = async () => ({});

describeDocumentedGames("in memory", inMemory);
describeDocumentedSockets("in memory", inMemory);
