import type { TemplatedApp } from "uWebSockets.js";
import type { AnySocket } from "./room-topics.js";

/** The open connections of an App, by id. */
type Sockets = ReadonlyMap<string, { readonly socket: AnySocket | undefined }>;

/** Publishes a text frame to the subscribers of a topic of an App, but for the excepted ones; returns how many of them were left out. */
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
    // A socket's own publish leaves it out. It must be a member, or no socket gets anything.
    first.publish(topic, frame, false);
  } else {
    // Nothing else can come in between: what was published before still reaches them,
    // and what is published after does again.
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
