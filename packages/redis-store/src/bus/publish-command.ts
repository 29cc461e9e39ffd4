import { MessageRate } from "@cm/protocol/turns";
import { Command } from "ioredis";

/** The part of a PUBLISH or SPUBLISH that all messages to one channel share. */
export interface PublishTarget {
  readonly name: "publish" | "spublish";
  readonly channel: string;
  /** The RESP bytes of an array of three bulk strings, up to the length of the third. */
  readonly head: Buffer;
  /** The rate at which this process publishes on the channel. */
  readonly rate: MessageRate;
}

/** Prepares the part that all messages to a channel share. */
export function publishTarget(name: "publish" | "spublish", channel: string): PublishTarget {
  const head = `*3\r\n$${name.length}\r\n${name}\r\n$${Buffer.byteLength(channel)}\r\n${channel}\r\n$`;
  return { name, channel, head: Buffer.from(head), rate: new MessageRate() };
}

const LINE_END = Buffer.from("\r\n");

/**
 * A PUBLISH or SPUBLISH that is written as one buffer. If an argument is a buffer, the client library
 * assembles a command from a dozen small buffers, which costs more than sending it.
 */
export class PublishCommand extends Command {
  readonly #head: Buffer;
  readonly #message: Buffer;

  constructor({ name, channel, head }: Pick<PublishTarget, "name" | "channel" | "head">, message: Buffer) {
    // The constructor flattens the list of arguments, which takes as long as everything else in it.
    super(name, [], { replyEncoding: "utf8" });
    this.args = [channel, message];
    this.#head = head;
    this.#message = message;
  }

  /** Size in bytes of the message, which the command holds in memory until Redis has replied. */
  get bytes(): number {
    return this.#message.length;
  }

  override toWritable(): Buffer {
    const head = this.#head;
    const message = this.#message;
    const length = `${message.length}\r\n`;
    const messageAt = head.length + length.length;
    const bytes = Buffer.allocUnsafe(messageAt + message.length + LINE_END.length);
    bytes.set(head);
    bytes.write(length, head.length, "latin1");
    bytes.set(message, messageAt);
    bytes.set(LINE_END, messageAt + message.length);
    return bytes;
  }
}
