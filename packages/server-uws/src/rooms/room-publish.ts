import type { TemplatedApp } from "uWebSockets.js";
import type { AnySocket } from "./room-topics.js";

/** The open connections of an App, by id. */
type Sockets = ReadonlyMap<string, { readonly socket: AnySocket | undefined }>;

/**
 * Publishes a text frame to the subscribers of a topic of an App, except to those in `except`. Returns how many
 * of the connections in `except` were subscribers.
 */
export function publishToTopic(
  app: Pick<TemplatedApp, "publish">,
  topic: string,
  frame: Uint8Array,
  except: readonly string[],
  connections: Sockets,
): number {
  const left = except.length === 0 ? [] : membersAmong(except, topic, connections);
  const [first] = left;
  if (first === undefined) {
    app.publish(topic, frame, false);
  } else if (left.length === 1) {
    // The method `publish` of a socket sends to all subscribers except that socket. It sends to no one if the
    // socket is not a subscriber itself.
    first.publish(topic, frame, false);
  } else {
    // Unsubscribing the excluded sockets for this one message loses nothing else: they still get the messages
    // published before, and all messages published after.
    for (const socket of left) socket.unsubscribe(topic);
    app.publish(topic, frame, false);
    for (const socket of left) socket.subscribe(topic);
  }
  return left.length;
}

function membersAmong(ids: readonly string[], topic: string, connections: Sockets): AnySocket[] {
  const members: AnySocket[] = [];
  for (const id of ids) {
    const socket = connections.get(id)?.socket;
    if (socket?.isSubscribed(topic) && !members.includes(socket)) members.push(socket);
  }
  return members;
}
