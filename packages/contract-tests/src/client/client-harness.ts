import { onTestFinished, vi } from "vitest";
import { type ScriptedConnection, ScriptedServer, WAIT } from "./scripted-server.js";

/** What a client under test is started with. */
export interface ClientParts {
  /** URL of the server, such as `ws://127.0.0.1:<port>/ws?user=ada`. */
  readonly url: string;
  /** The rooms that the client joins after every `welcome`, in this order. */
  readonly rooms: readonly string[];
  /** To be called with each message of a room, in the order in which they arrive. */
  readonly onMessage: (room: string, data: unknown) => void;
}

/** A client under test: it comes back by itself whenever the protocol allows it, until it is closed. */
export interface TestedClient {
  /**
   * Publishes `data` to a room that the client is in. Resolves once the server has confirmed it. Rejects if the
   * server answers with an error, and if the connection ends before the answer.
   */
  publish(room: string, data: unknown): Promise<unknown>;
  /** Closes the connection with 1000 and does not come back. */
  close(): Promise<unknown> | unknown;
}

/** Starts the client under test. May return before it is connected. */
export type StartClient = (parts: ClientParts) => TestedClient | Promise<TestedClient>;

/** A client under test with its server, and the messages that it passed to `onMessage`. */
export interface TestedPair {
  readonly server: ScriptedServer;
  readonly client: TestedClient;
  readonly messages: { readonly room: string; readonly data: unknown }[];
}

/** Starts a server; it is closed after the test. */
export async function startServer(): Promise<ScriptedServer> {
  const server = await ScriptedServer.start();
  onTestFinished(() => server.close());
  return server;
}

/** Starts a client on a server; it is closed after the test. */
export async function startClient(
  start: StartClient,
  server: ScriptedServer,
  rooms: readonly string[] = ["lobby"],
): Promise<TestedPair> {
  const messages: { room: string; data: unknown }[] = [];
  const client = await start({ url: server.url, rooms, onMessage: (room, data) => messages.push({ room, data }) });
  onTestFinished(async () => {
    await client.close();
  });
  return { server, client, messages };
}

/** Starts a server and a client. Resolves once the client has sent its joins, with the client's connection. */
export async function joined(
  start: StartClient,
  rooms: readonly string[] = ["lobby"],
): Promise<TestedPair & { readonly connection: ScriptedConnection }> {
  const server = await startServer();
  const pair = await startClient(start, server, rooms);
  const connection = await server.connection(0);
  await connection.until("join", rooms.length);
  return { ...pair, connection };
}

/** Waits until the client has passed `count` messages to `onMessage`. Resolves with their data. */
export function received({ messages }: TestedPair, count: number): Promise<unknown[]> {
  return vi.waitFor(() => {
    if (messages.length < count) throw new Error(`The client handed on ${messages.length} of ${count} messages.`);
    return messages.map(({ data }) => data);
  }, WAIT);
}
