import { describeDocumentedGames } from "./documented-games.fixture.js";
import { describeDocumentedSockets } from "./documented-sockets.fixture.js";

// Where no variable says where Redis is, everything is in memory.
const inMemory = async () => ({});

describeDocumentedGames("in memory", inMemory);
describeDocumentedSockets("in memory", inMemory);
