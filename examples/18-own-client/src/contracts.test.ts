import { describeClient } from "@cm/contract-tests/client";
import { RoomClient } from "./room-client.js";

describeClient("a client for rooms", (parts) => new RoomClient(parts));
